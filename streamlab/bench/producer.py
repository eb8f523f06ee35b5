"""``python -m streamlab.bench.producer``: a process that keeps the schedule, and notes it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from streamlab.bench.child import Job, connected, wait_for_go
from streamlab.bench.ledger import Ledger
from streamlab.bench.payload import payload_of
from streamlab.bench.schedule import paced
from streamlab.queue import TaskQueue

if TYPE_CHECKING:
    from collections.abc import Callable


def _sender(job: Job) -> Callable[[str], object]:
    client = connected()
    if job.bare:
        return lambda text: client.xadd(job.stream, {"data": text})
    queue = TaskQueue(client, job.stream)
    queue.depth()  # the queue's own connection is made before the clock runs
    return queue.enqueue


def main() -> None:
    """Send the job's tasks, each when it is due, one XADD at a time.

    The last record has the number -1: the CPU time and the wall time of the sending, in ns.
    """
    job = Job.from_environment()
    ledger, send = Ledger(Path(job.ledger)), _sender(job)
    t0_ns = wait_for_go()
    cpu_ns = time.process_time_ns()
    for number in paced(job.tasks, t0_ns, job.rate_per_s):
        text = payload_of(number, job.payload_bytes)
        sent_ns = time.monotonic_ns()
        send(text)
        ledger.write(number, sent_ns, time.monotonic_ns())
    ledger.write(-1, time.process_time_ns() - cpu_ns, time.monotonic_ns() - t0_ns)


if __name__ == "__main__":
    main()
