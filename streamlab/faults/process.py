"""A consumer as a real process of the operating system: to kill, stop, continue and start again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Self

from streamlab.errors import BadArgumentError, StreamlabError
from streamlab.faults.guard import guarded, release, stands_still
from streamlab.server.url import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STOPS_WITHIN_S = 1.0
_TAIL_BYTES = 4096


class ConsumerProcess:
    """One consumer process, to be started with `start` or ``with``; none is left behind.

    It ends with this process, however that ends, and after ``with``, even if it was stopped.

    Parameters
    ----------
    argv
        The program and its arguments; its stdin is empty.
    env
        Environment variables, on top of this process's own.
    name
        How messages name it.
    stdout
        A file to append what it prints to; None drops that.
    stderr
        A file to append its errors to; `last_words` are kept without one, too.

    Raises
    ------
    BadArgumentError
        `argv` is empty, or text instead of a list.

    Examples
    --------
    >>> with ConsumerProcess([sys.executable, "consumer.py"]) as consumer:
    ...     consumer.kill()
    """

    def __init__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        name: str = "consumer",
        stdout: str | os.PathLike[str] | None = None,
        stderr: str | os.PathLike[str] | None = None,
    ) -> None:
        if isinstance(argv, str) or not argv:
            raise BadArgumentError(f"argv must be a program and its arguments, got {argv!r}")
        self.name = name
        self._argv = [os.fspath(word) for word in argv]
        self._env = dict(env or {})
        self._stdout = Path(stdout or os.devnull)
        self._stderr = Path(stderr) if stderr else None
        self._errors: IO[bytes] | None = None
        self._words = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()  # a proxy kills from a thread of its own

    def __repr__(self) -> str:
        if self._process is None:
            return f"<ConsumerProcess {self.name!r}, not started>"
        state = "running" if self.alive else f"ended with {self._process.returncode}"
        return f"<ConsumerProcess {self.name!r}, pid {self.pid}, {state}>"

    def start(self) -> Self:
        """Start it; if it runs already, nothing happens.

        A program that cannot be found ends with code 127, and `last_words` say so.
        """
        with self._lock:
            if self.alive:
                return self
            if self._errors is None:
                self._errors = self._stderr.open("ab+") if self._stderr else TemporaryFile()  # noqa: SIM115
            with self._stdout.open("ab") as out:
                env = os.environ | self._env
                self._process = guarded(self._argv, env=env, stdout=out, stderr=self._errors)
        return self

    @property
    def pid(self) -> int:
        """Its process id; after its end, the one that it had.

        Raises
        ------
        StreamlabError
            If it has not been started.
        """
        return self._started().pid

    @property
    def alive(self) -> bool:
        """Whether the process exists (a stopped one does)."""
        with self._lock:
            return self._process is not None and not self._ended(self._process)

    def kill(self) -> None:
        """SIGKILL it; when this returns, it is dead. Whether it was stopped does not matter."""
        with self._lock:
            if self.alive:
                self._signal(signal.SIGKILL)
                self.wait(timeout_s=60.0)

    def stop(self) -> None:
        """SIGSTOP it; when this returns, it stands still, and keeps its connections. See `cont`."""
        with self._lock:
            self._signal(signal.SIGSTOP)
            deadline_s = time.monotonic() + _STOPS_WITHIN_S
            while self.alive and not stands_still(self.pid) and time.monotonic() < deadline_s:
                time.sleep(0.001)

    def cont(self) -> None:
        """SIGCONT it, after `stop`."""
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM it, and return at once; a stopped one heeds that after `cont`."""
        self._signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end; returns its exit code, or minus the number of the signal that ended it.

        Raises
        ------
        StreamlabError
            If it still runs after `timeout_s` seconds, or has not been started.
        """
        process = self._started()
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as exc:
            msg = f"{self.name} (pid {process.pid}) still runs after {timeout_s:g} s: kill() it"
            raise StreamlabError(msg) from exc
        with self._lock:
            self._ended(process)
        return code

    def restart(self) -> None:
        """Kill it if it runs, and start it anew: the same program, another pid."""
        with self._lock:
            self.kill()
            self.start()

    @property
    def last_words(self) -> str:
        """The last line that it wrote to stderr, without passwords of URLs, or the empty string."""
        if self._errors is not None:
            size = os.fstat(self._errors.fileno()).st_size
            # pread, because the file's position is the consumer's own
            tail = os.pread(self._errors.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
            lines = tail.decode(errors="replace").strip().splitlines()
            self._words = redact(lines[-1]) if lines else ""
        return self._words

    def close(self) -> None:
        """Kill it if it runs, and close its files; `last_words` stay."""
        with self._lock:
            self.kill()
            if self._errors is not None:
                _ = self.last_words
                self._errors.close()
                self._errors = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise StreamlabError(f"{self.name} has not been started: call start(), or use `with`")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            self._started().send_signal(number)  # unless it has ended

    def _ended(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it has ended; then its guard goes too."""
        if process.poll() is None:
            return False
        release(process)
        return True
