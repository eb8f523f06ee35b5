"""The parent's side of a run: processes that start together and of which none is left behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from typing import Self

from streamlab.errors import BenchError
from streamlab.load.child import READY, Job
from streamlab.server.url import redact

_READY_WITHIN_S = 30.0
_STOP_WITHIN_S = 5.0


class Child:
    """One process, ``python -m MODULE``: started anew, never forked from us.

    Parameters
    ----------
    role
        ``"producer"`` or ``"consumer"``: the module of this package that it runs.
    job
        What it does; its name is how reasons call it, and its files.
    """

    def __init__(self, role: str, job: Job, url: str) -> None:
        self.job, self.name = job, job.name
        self.killed = False
        self._errors = job.path("stderr")
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"streamlab.load.{role}"],
                env=os.environ | job.environment(url),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,  # Ctrl-C at the terminal is ours; we end the children
            )

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self.process.poll() is None

    def wait_ready(self, deadline_s: float) -> None:
        """Return when it has imported and connected.

        Raises
        ------
        BenchError
            If it ended, or `deadline_s` (`time.monotonic`) passed, before that.
        """
        out = self.process.stdout
        left_s = max(0.0, deadline_s - time.monotonic())
        if (
            out
            and select.select([out], [], [], left_s)[0]
            and out.readline().strip() == READY.encode()
        ):
            return
        self.kill()
        msg = f"{self.name} was not ready within {_READY_WITHIN_S:g} s: {self._last_words()}"
        raise BenchError(msg)

    def go(self, t0_ns: int) -> None:
        """Let it begin; a producer's first task is due at `t0_ns`."""
        # One that was killed meanwhile is reported by `ending`.
        with contextlib.suppress(BrokenPipeError):
            if self.process.stdin:
                self.process.stdin.write(b"%d" % t0_ns)

    def strike(self) -> None:
        """SIGKILL it as part of the plan: how it ended is no reason to doubt the run."""
        self.killed = True
        self.kill()

    def kill(self) -> None:
        """SIGKILL it if it still runs, and close its pipes."""
        if self.alive:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def ending(self) -> str | None:
        """How it ended, if that was neither when nor how it should have."""
        code = self.process.wait()
        if code == 0 or self.killed:
            return None
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        words = self._last_words()
        return f"{self.name} ended {how}" + (f" ({words})" if words else "")

    def _last_words(self) -> str:
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return redact(lines[-1])[:200] if lines else ""


class Children:
    """The processes of one run; when its context ends, so have they, whatever the reason."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._all: list[Child] = []

    def start(self, role: str, job: Job) -> Child:
        """Start one more."""
        child = Child(role, job, self._url)
        self._all.append(child)
        return child

    def wait_ready(self) -> None:
        """Return when each of them has imported and connected."""
        deadline_s = time.monotonic() + _READY_WITHIN_S
        for child in self._all:
            child.wait_ready(deadline_s)

    def go(self, t0_ns: int) -> None:
        """Let all begin; a producer's first task is due at `t0_ns`."""
        for child in self._all:
            child.go(t0_ns)

    def stop(self) -> tuple[str, ...]:
        """SIGTERM to all, SIGKILL to those who do not heed it; how those ended that went wrong."""
        for child in self._all:
            if child.alive:
                child.process.terminate()
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        for child in self._all:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline_s - time.monotonic()))
            child.kill()
        return tuple(ending for child in self._all if (ending := child.ending()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._all:
            child.kill()
