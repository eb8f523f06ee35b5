"""One redis-cli that takes lines and gives back what it prints at a terminal.

Its output goes to a pseudo-terminal, so it formats replies for people. Its input is a pipe: there
redis-cli reads lines of any length (at a dumb terminal it cuts them at 4,096 bytes) and prints no
prompt. What separates the replies instead is a line ``:TOKEN`` after each command: names that begin
with a colon are redis-cli's own, so it answers, naming the token, without asking the server,
inside MULTI as well.
"""

from __future__ import annotations

import contextlib
import os
import pty
import secrets
import select
import signal
import subprocess
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab.server.url import CliCall

#: They are answered until the connection ends: nothing may be written after them.
_ENDLESS = frozenset({b"MONITOR", b"PSUBSCRIBE", b"SSUBSCRIBE", b"SUBSCRIBE", b"PSYNC", b"SYNC"})
#: How the answer begins when such a command was not taken on.
_REFUSED = (b"(error)", b"QUEUED", b"Error:", b"Could not connect")
#: What redis-cli writes to replace the line that it has just written.
_WIPE = b"\r\x1b[K"
#: How often we look whether we were interrupted, while redis-cli prints nothing.
_WAKE_S = 0.25


class RedisCli:
    """A running redis-cli with one connection; a context manager that leaves nothing running.

    Parameters
    ----------
    call
        What a server's ``cli()`` returns. Of the path of a unix socket in it only the last part
        is ever printed, since the folder is another one each time.
    """

    def __init__(self, call: CliCall) -> None:
        self._where = call.argv[call.argv.index("-s") + 1] if "-s" in call.argv else ""
        token = f":{secrets.token_hex(16)}"
        self._token = token.encode()
        self._mark = f"unknown redis-cli internal command '{token}'\n".encode()
        self._screen, terminal = pty.openpty()
        try:
            tty.setraw(terminal)  # or each line end would become two characters
            self._process = subprocess.Popen(
                call.argv,
                stdin=subprocess.PIPE,
                stdout=terminal,
                stderr=terminal,
                bufsize=0,
                env=os.environ | dict(call.env) | {"TERM": "dumb"},
                start_new_session=True,  # an interrupt is for us; we end redis-cli
            )
        except BaseException:
            os.close(self._screen)
            raise
        finally:
            os.close(terminal)

    def ask(self, line: str) -> Iterator[str]:
        """What redis-cli prints for `line`, piece by piece as it comes, line ends included.

        `line` is one line and not blank. ``MONITOR``, ``SUBSCRIBE`` and their kin go on until the
        iteration is interrupted.
        """
        command = line.encode(errors="surrogateescape")
        endless = command.split(maxsplit=1)[0].upper() in _ENDLESS
        mark = b"" if endless else self._token + b"\n"
        with contextlib.suppress(BrokenPipeError):  # it has ended; what it printed is still there
            self._write(command + b"\n" + mark)
        rest = b""
        while True:
            *lines, rest = (rest + self._read()).split(b"\n")
            if not lines and not rest.endswith(b"\n") and self._ended:
                if rest:
                    yield self._shown(rest)
                return
            for got in lines:
                if (got + b"\n").endswith(self._mark):
                    if before := got[: 1 - len(self._mark)]:
                        yield self._shown(before)
                    return
                yield self._shown(got) + "\n"
                if endless and got.startswith(_REFUSED):
                    return

    def _write(self, data: bytes) -> None:
        if self._process.stdin is None:  # pragma: no cover - we asked for a pipe
            return
        view = memoryview(data)
        while view:
            view = view[self._process.stdin.write(view) or 0 :]

    def _shown(self, raw: bytes) -> str:
        seen = raw.removesuffix(b"\r").rpartition(_WIPE)[2]
        text = seen.decode(errors="backslashreplace")
        return text.replace(self._where, Path(self._where).name) if self._where else text

    _ended = False

    def _read(self) -> bytes:
        # An interrupt just before a read that blocks would wait with it: none may block for long.
        while not select.select([self._screen], [], [], _WAKE_S)[0]:
            pass
        try:
            part = os.read(self._screen, 65536)
        except OSError:  # Linux says EIO where macOS reads nothing: nobody holds the terminal
            part = b""
        self._ended = not part
        return part

    @property
    def ended(self) -> bool:
        """Whether redis-cli has ended by itself, as after QUIT."""
        return self._ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        os.close(self._screen)
