"""``python -m streamlab.load.consumer``: a process that works, and notes what and when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from streamlab.load.child import Job, connected, wait_for_go
from streamlab.load.ledger import ACK, EFFECT, Ledger
from streamlab.load.life import life_noted
from streamlab.load.loop import Loop
from streamlab.load.noting import Notes, noting
from streamlab.load.payload import number_of
from streamlab.load.settings import Reader
from streamlab.load.work import work_of
from streamlab.queue import TaskQueue
from streamlab.worker import Moment, Worker

if TYPE_CHECKING:
    from streamlab.queue import Task


def _worker(job: Job) -> Worker:
    """The package's own worker; its handler works and writes, its observer notes the rest."""
    work, notes = work_of(job.load, job.name), Notes()
    effects, acks = Ledger(job.path("effects"), EFFECT), Ledger(job.path("acks"), ACK)
    numbers: dict[str, int] = {}  # of what is done and not yet acknowledged

    def handler(task: Task) -> None:
        received_ns, started_ns = notes.entries_ns, time.monotonic_ns()
        work()
        number = number_of(task.data)
        effects.write(number, received_ns, started_ns, time.monotonic_ns())

    def observe(moment: Moment, entry_id: str, task: Task | None) -> None:
        if moment is Moment.DONE and task is not None:
            numbers[entry_id] = number_of(task.data)
        elif moment is Moment.ACKED:
            acks.write(numbers.pop(entry_id), notes.first_reply_ns)

    queue = TaskQueue(noting(connected(), notes), job.stream, group=job.group)
    return Worker(
        queue,
        handler,
        name=job.consumer,
        batch=job.load.count,
        min_idle_ms=job.load.min_idle_ms,
        observer=observe,
    )


def main() -> None:
    """Consume until SIGTERM."""
    job = Job.from_environment()
    if job.load.reader is Reader.LOOP:
        consumer: Worker | Loop = Loop(job, connected())
    else:
        consumer = _worker(job)
    wait_for_go()
    with life_noted(job.path("life")):
        consumer.run()


if __name__ == "__main__":
    main()
