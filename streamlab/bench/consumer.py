"""``python -m streamlab.bench.consumer``: a process that works, and notes what and when."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from streamlab.bench.child import Job, connected, wait_for_go
from streamlab.bench.ledger import Ledger
from streamlab.bench.payload import number_of
from streamlab.queue import Task, TaskQueue
from streamlab.queue.replies import read_entries
from streamlab.worker import Worker

if TYPE_CHECKING:
    from types import FrameType

    import redis

# How long the bare loop's read waits, in ms: it looks between two reads whether it shall end.
_BARE_BLOCK_MS = 100


def _work(job: Job, ledger: Ledger) -> None:
    """The package's own worker, with a handler that sleeps and writes to the ledger."""
    work_s = job.work_ms / 1000

    def handler(task: Task) -> None:
        started_ns = time.monotonic_ns()
        if work_s:
            time.sleep(work_s)
        ledger.write(number_of(task.data), started_ns, time.monotonic_ns())

    worker = Worker(TaskQueue(connected(), job.stream), handler, batch=job.batch)
    wait_for_go()
    worker.run()


def _bare(job: Job, ledger: Ledger, client: redis.Redis) -> None:
    """The least that one could write with redis-py: XREADGROUP, the effect, XACK."""
    going = True

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal going
        going = False

    wait_for_go()
    signal.signal(signal.SIGTERM, stop)
    while going:
        reply = client.xreadgroup(
            "workers", "bare", {job.stream: ">"}, count=job.batch, block=_BARE_BLOCK_MS
        )
        for entry in read_entries(reply):
            started_ns = time.monotonic_ns()
            ledger.write(number_of(entry.fields["data"]), started_ns, time.monotonic_ns())
            client.xack(job.stream, "workers", entry.entry_id)


def main() -> None:
    """Consume until SIGTERM."""
    job = Job.from_environment()
    ledger = Ledger(Path(job.ledger))
    if job.bare:
        _bare(job, ledger, connected())
    else:
        _work(job, ledger)


if __name__ == "__main__":
    main()
