# /// script
# dependencies = ["huey==3.5.4", "redis==8.1.0", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 10_000
# promise = "at most once"
# settings = "1 thread (its default), blocking pop, results=False"
# ///
"""huey: a list and BRPOP; a task is gone from Redis when its worker takes it."""

from __future__ import annotations

import logging
import os

from huey import RedisHuey
from meter import done

huey = RedisHuey("peers", url=os.environ["PEER_URL"], results=False)


@huey.task()
def noop() -> None:
    """The task."""
    done()


def enqueue(n: int) -> None:
    """Send `n` tasks."""
    for _ in range(n):
        noop()


def work(_: int) -> None:
    """Run the consumer in this process, as the command ``huey_consumer`` does."""
    logging.disable(logging.ERROR)
    huey.create_consumer(workers=1, worker_type="thread", periodic=False).run()
