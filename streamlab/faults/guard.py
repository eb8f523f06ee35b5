"""A process of any program that ends when the one that started it does, however that ends."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The shell becomes the consumer, with the same pid. Before that it leaves a guard behind, which
# blocks in `read` on a pipe whose other end only we hold: however we die, the pipe closes, `read`
# fails, and the guard kills the consumer, a stopped one too. A line on the pipe means: the
# consumer has ended, so its pid may be anybody's. The guard is started twice removed, so that the
# consumer has no child that it does not know.
_GUARDED = """
exec 3<&0 </dev/null
( (read -r _ <&3 || kill -9 $$) >/dev/null 2>&1 & )
exec 3<&- "$@"
"""


def guarded(
    argv: Sequence[str], *, env: Mapping[str, str], stdout: IO[bytes], stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start `argv` with its guard, in a session of its own; `release` it when it has ended."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARDED, "streamlab-guard", *argv],
        env=env,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        bufsize=0,
        start_new_session=True,  # Ctrl-C at the terminal is for us
    )


def release(process: subprocess.Popen[bytes]) -> None:
    """Let the guard of a process that has ended go; more than once does nothing."""
    if process.stdin is not None and not process.stdin.closed:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"ended\n")
        process.stdin.close()


def stands_still(pid: int) -> bool:
    """Whether a child has been stopped, where the operating system tells."""
    # Python has waitid() on macOS since 3.13; before that, we trust that a signal is quick.
    return not hasattr(os, "waitid") or bool(
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG)
    )
