"""The child's side of a run: its job from the environment, ready, go, and death with its parent."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis

from streamlab.load.settings import Load
from streamlab.server.reader import URL_VARIABLE

if TYPE_CHECKING:
    from types import FrameType

#: The variable that carries the job; the server's URL, which may hold a password, has its own.
JOB_VARIABLE = "STREAMLAB_LOAD_JOB"
READY = "ready"


@dataclass(frozen=True, slots=True)
class Job:
    """What one producer or consumer process does in one run.

    Attributes
    ----------
    load
        What the run is made of.
    stream, group
        The stream's key; a consumer's group.
    name
        The process's, and a consumer's.
    run
        Of the run: a killed consumer's lease on its name outlives the run.
    folder
        Where its ledgers are, and where a producer finds ``due``: the offsets of the schedule, as
        64-bit integers, in ns.
    """

    load: Load
    stream: str
    group: str
    name: str
    run: str
    folder: str

    @property
    def consumer(self) -> str:
        """The consumer's name in its group: nobody else had it before."""
        return f"{self.name}-{self.run}"

    def path(self, suffix: str) -> Path:
        """The file of this process with that suffix."""
        return Path(self.folder) / f"{self.name}.{suffix}"

    def environment(self, url: str) -> dict[str, str]:
        """What a child's environment needs to find the server and this job."""
        return {URL_VARIABLE: url, JOB_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Self:
        """The job that the parent put there."""
        given: dict[str, Any] = json.loads(os.environ[JOB_VARIABLE])
        return cls(**given | {"load": Load(**given["load"])})


def connected(**options: Any) -> redis.Redis:
    """A client of the run's server, its connection made."""
    client = redis.Redis.from_url(os.environ[URL_VARIABLE], decode_responses=True, **options)
    client.ping()
    return client


def wait_for_go() -> int:
    """Say that we are ready, wait for the others, and return t0 in ns (`time.monotonic_ns`).

    From then on the process ends when its parent does, even by SIGKILL: stdin is a pipe whose
    other end only the parent holds.
    """
    signal.signal(signal.SIGTERM, _end)  # until a worker listens to it
    os.write(sys.stdout.fileno(), f"{READY}\n".encode())
    message = os.read(0, 64)
    if not message:
        raise SystemExit(1)
    # A thread that blocks on sys.stdin would hold its lock while the interpreter shuts down.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return int(message)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _end_with_parent() -> None:
    while os.read(0, 64):
        pass
    os._exit(1)
