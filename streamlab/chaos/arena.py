"""What a consumer under test is given: where its tasks are, and how it tells what it did."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import redis

from streamlab.history import Kind, Ledger
from streamlab.server.reader import URL_VARIABLE

_JOB_VARIABLE = "STREAMLAB_CHAOS_JOB"


class HandlerError(Exception):
    """What the handler of a flaky or poisonous task raises."""


@dataclass(frozen=True)
class Job:
    """What one process of a chaos run does; see `ChaosSettings`."""

    name: str
    folder: str
    stream: str
    group: str
    contestant: str
    tasks: int
    seconds: float
    kinds: dict[str, str]
    min_idle_ms: int
    work_ms: int
    idempotent: bool

    def environment(self, url: str) -> dict[str, str]:
        """What the process needs to find its server and this job."""
        return {URL_VARIABLE: url, _JOB_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Self:
        """The job that the parent put there."""
        return cls(**json.loads(os.environ[_JOB_VARIABLE]))


class Arena:
    """A consumer's side of a chaos run. Its process is killed, stopped and started again.

    Attributes
    ----------
    stream, group
        Where the tasks are: entries with ``task_id``, ``data`` and ``created_at``.
    name
        A name for the consumer, the same after each start of this process.
    min_idle_ms
        When a task may be taken over from its owner.
    max_deliveries
        How often a task may be delivered before it is given up.
    dead
        The stream for those that are given up, with the fields of the task.
    idempotent
        Whether effects are to be committed with `commit`.
    """

    max_deliveries = 5

    def __init__(self, job: Job) -> None:
        self.stream, self.group, self.name = job.stream, job.group, job.name
        self.min_idle_ms, self.idempotent = job.min_idle_ms, job.idempotent
        self.dead = f"{{{job.stream}}}:dead:{job.group}"
        self._work_s = job.work_ms / 1000
        self._kinds = job.kinds
        self._folder = Path(job.folder)
        self._actor = f"{job.name} ({os.getpid()})"
        self._ledger = Ledger(self._folder / f"{job.name}-{os.getpid()}.ledger")

    @cached_property
    def client(self) -> redis.Redis:
        """A client of the server, through the proxy that breaks it."""
        return redis.Redis.from_url(os.environ[URL_VARIABLE], decode_responses=True)

    def handle(self, task_id: str, entry_id: str) -> None:
        """Do the work of a task, and note its effect in a file that survives SIGKILL.

        Raises
        ------
        HandlerError
            If the task is made to fail.
        """
        self.work(task_id, entry_id)
        self._ledger.record(Kind.EFFECT, task_id, self._actor, entry_id)

    def commit(self, task_id: str, entry_id: str, pipe: redis.client.Pipeline) -> None:
        """Do the work, and queue its effect on `pipe`: in Redis, not in a file.

        Raises
        ------
        HandlerError
            If the task is made to fail.
        """
        self.work(task_id, entry_id)
        pipe.rpush(effects_key(self.stream), task_id)

    def work(self, task_id: str, entry_id: str) -> None:
        """Note that the handler has the task, and take its time.

        Raises
        ------
        HandlerError
            If the task is made to fail.
        """
        self.tell(Kind.DELIVERED, task_id, entry_id)
        if self._work_s:
            time.sleep(self._work_s)
        kind = self._kinds.get(task_id)
        if kind == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "poison" or (kind == "flaky" and self._first_time(task_id)):
            raise HandlerError(f"{task_id} is {kind}")

    def tell(self, kind: Kind, task_id: str, entry_id: str, detail: str = "") -> None:
        """Note something for the timeline."""
        self._ledger.record(kind, task_id, self._actor, entry_id, detail)

    def bury(self, fields: dict[Any, Any], client: redis.Redis | None = None) -> None:
        """Put a task on the dead-letter stream (XADD), without more ado."""
        (client or self.client).xadd(self.dead, fields)

    def _first_time(self, task_id: str) -> bool:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._folder / f"{task_id}.tried", os.O_CREAT | os.O_EXCL))
            return True
        return False


def effects_key(stream: str) -> str:
    """The list of effects that were committed in Redis."""
    return f"{{{stream}}}:effects"
