"""``python -m streamlab.chaos.producer``: sends the tasks, and notes how each sending ended."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from streamlab.chaos.arena import Job
from streamlab.errors import NotEnqueuedError, OutcomeUnknownError
from streamlab.history import Kind, Ledger
from streamlab.queue import TaskQueue
from streamlab.server.reader import URL_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

_ME = "producer"
_AGAIN_AFTER_S = 0.05
_ATTEMPTS = 200


def task_name(number: int) -> str:
    """The id of task `number`."""
    return f"task-{number:06}"


def _sender(job: Job) -> Callable[[str], str]:
    """The contestant's own ``enqueue(client, stream, task_id)`` if it has one, else the queue's."""
    client = redis.Redis.from_url(os.environ[URL_VARIABLE], decode_responses=True, socket_timeout=2)
    own = getattr(importlib.import_module(job.contestant.partition(":")[0]), "enqueue", None)
    if own is not None:
        return lambda task_id: str(own(client, job.stream, task_id))
    queue = TaskQueue(client, job.stream, group=job.group)
    return lambda task_id: queue.enqueue("x", task_id=task_id).entry_id or ""


def _send(send: Callable[[str], str], ledger: Ledger, task_id: str) -> None:
    for _ in range(_ATTEMPTS):
        ledger.record(Kind.ATTEMPTED, task_id, _ME)
        try:
            entry_id = send(task_id)
        except NotEnqueuedError as exc:
            ledger.record(Kind.REFUSED, task_id, _ME, detail=str(exc)[:120])
            time.sleep(_AGAIN_AFTER_S)
            continue
        except (OutcomeUnknownError, redis.ConnectionError, redis.TimeoutError) as exc:
            ledger.record(Kind.UNKNOWN, task_id, _ME, detail=str(exc)[:120])
        else:
            ledger.record(Kind.ACKNOWLEDGED, task_id, _ME, entry_id)
        return


def main() -> None:
    """Send the job's tasks at an even pace; what was refused is sent again."""
    logging.basicConfig(level=logging.CRITICAL)
    sys.path.insert(0, str(Path.cwd()))
    job = Job.from_environment()
    ledger, send = Ledger(Path(job.folder) / "producer.ledger"), _sender(job)
    started = time.monotonic()
    for number in range(job.tasks):
        due = started + job.seconds * number / job.tasks
        time.sleep(max(0.0, due - time.monotonic()))
        _send(send, ledger, task_name(number))


if __name__ == "__main__":
    main()
