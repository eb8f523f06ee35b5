"""One run of a redis-server, under a shell that ends it when its owner is gone."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import weakref
from typing import IO, TYPE_CHECKING

from streamlab.errors import ServerStartError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The shell between us and the server. It starts redis-server, prints its pid, and blocks in `read`
# on a pipe whose other end only we hold. However we die, the pipe closes, `read` fails, and the
# server and its folder go. A line on the pipe means: the server has ended, just reap it.
# File descriptor 3 of the server is the shell's own stdout: when it reads as closed, the server
# and any child it forked to write its file are gone.
_WATCHDOG = """
"$1" "$2" 3>&1 >>"$3" 2>&1 </dev/null &
server=$!
echo "$server"
exec >/dev/null
if ! read -r _; then
    kill -9 "$server"; wait "$server"; rm -rf -- "$4"; exit 0
fi
wait "$server"
"""


class Watched:
    """One run of a redis-server under its watchdog: the pid, and the two pipes.

    `env` comes on top of this process's own environment.

    Raises
    ------
    ServerStartError
        If the operating system gives no process or no pipe.
    """

    def __init__(
        self, server: Path, conf: Path, log: Path, folder: Path, env: Mapping[str, str]
    ) -> None:
        try:
            self.shell: subprocess.Popen[bytes] = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHDOG, "streamlab-watchdog", server, conf, log, folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=os.environ | dict(env),
                start_new_session=True,  # Ctrl-C at the terminal is for us, not for the server
            )
        except OSError as exc:
            msg = f"no process could be started ({exc}): close some, or raise `ulimit -n -u`"
            raise ServerStartError(msg) from exc
        self.hold: IO[bytes] = self._pipe(self.shell.stdin)
        self.life: IO[bytes] = self._pipe(self.shell.stdout)
        _runs.add(self)
        said = self.life.readline()
        if not said:
            self.reap()
            msg = "the shell could not start redis-server: close processes, or raise `ulimit -u`"
            raise ServerStartError(msg)
        self.pid = int(said)

    @staticmethod
    def _pipe(end: IO[bytes] | None) -> IO[bytes]:
        if end is None:  # pragma: no cover - we asked for a pipe
            msg = "the operating system gave no pipe to the watchdog"
            raise ServerStartError(msg)
        return end

    def gone(self, timeout_s: float = 0.0) -> bool:
        """Whether the server has ended, waiting for that at most `timeout_s` seconds."""
        # poll(), because select() fails on the descriptors above 1023 of a busy notebook
        ready = select.poll()
        ready.register(self.life, select.POLLIN | select.POLLHUP)
        return bool(ready.poll(timeout_s * 1000))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the server has ended meanwhile."""
        # Some shells reap at once: a pid of a server that has ended may be anybody's.
        if not self.gone():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def reap(self) -> None:
        """Let the watchdog collect a server that has ended."""
        with contextlib.suppress(BrokenPipeError):
            self.hold.write(b"gone\n")
        self.hold.close()
        self.life.close()
        self.shell.wait()

    def kill_and_reap(self) -> None:
        """SIGKILL; returns when the server has ended."""
        self.signal(signal.SIGKILL)
        self.gone(timeout_s=10.0)
        self.reap()


_runs: weakref.WeakSet[Watched] = weakref.WeakSet()


def _let_go_in_forked_child() -> None:
    # A copy of the pipe's end in a child would keep the server alive after its owner.
    for run in list(_runs):
        run.hold.close()
        run.shell.returncode = 0  # not our child: nothing to wait for, and no warning of it


os.register_at_fork(after_in_child=_let_go_in_forked_child)


def answers_ping(unix_socket: Path, password: str | None) -> bool:
    """Whether PING is answered; by hand, since importing redis-py takes longer than Redis."""
    auth = f"AUTH {password}\r\n" if password else ""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(str(unix_socket))
            probe.sendall(f"{auth}PING\r\n".encode())
            reply = b""
            while not reply.endswith(b"\r\n") or reply == b"+OK\r\n":
                part = probe.recv(4096)
                if not part:
                    return False
                reply += part
        except OSError:
            return False
    return reply.endswith(b"+PONG\r\n")  # while the file loads: -LOADING
