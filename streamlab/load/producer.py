"""``python -m streamlab.load.producer``: a process that keeps the schedule, and notes it."""

from __future__ import annotations

import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from streamlab.load.child import Job, connected, wait_for_go
from streamlab.load.ledger import SEND, Ledger
from streamlab.load.life import life_noted
from streamlab.load.pace import paced
from streamlab.load.payload import payload_of
from streamlab.load.settings import Sender
from streamlab.queue import TaskQueue

if TYPE_CHECKING:
    from collections.abc import Callable


def _sender(job: Job) -> Callable[[list[str]], object]:
    client, load = connected(), job.load
    if load.sender is Sender.QUEUE:
        queue = TaskQueue(client, job.stream)
        queue.depth()  # the queue's own connection is made before the clock runs
        one, many = queue.enqueue, queue.enqueue_many
        return lambda texts: one(texts[0]) if len(texts) == 1 else many(texts)

    def send(texts: list[str]) -> None:
        if len(texts) == 1:
            client.xadd(job.stream, {"data": texts[0]}, maxlen=load.maxlen)
            return
        with client.pipeline(transaction=False) as pipe:
            for text in texts:
                pipe.xadd(job.stream, {"data": text}, maxlen=load.maxlen)
            pipe.execute()

    return send


def main() -> None:
    """Send the tasks, each when it is due; those that are due together in one round trip."""
    job = Job.from_environment()
    ledger, send = Ledger(job.path("sends"), SEND), _sender(job)
    offsets_ns = array("q", (Path(job.folder) / "due").read_bytes())
    t0_ns = wait_for_go()
    due_ns = array("q", (t0_ns + offset for offset in offsets_ns))
    payload_bytes = job.load.payload_bytes
    with life_noted(job.path("life")):
        for numbers in paced(due_ns):
            texts = [payload_of(number, payload_bytes) for number in numbers]
            sent_ns = time.monotonic_ns()
            send(texts)
            replied_ns = time.monotonic_ns()
            ledger.write_all((number, sent_ns, replied_ns) for number in numbers)


if __name__ == "__main__":
    main()
