# /// script
# dependencies = ["celery[redis]==5.7.0", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 5_000
# promise = "at most once"
# settings = "-P solo, prefetch multiplier 128, ignore_result, acks early (its default)"
# ///
"""Celery with the settings of its optimizing guide for short tasks."""

from __future__ import annotations

import os

from celery import Celery
from meter import done

app = Celery("peer_celery", broker=os.environ["PEER_URL"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=128,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop() -> None:
    """The task."""
    done()


def enqueue(n: int) -> None:
    """Send `n` messages on one connection."""
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(n):
            noop.apply_async(producer=producer)


def work(_: int, *pool: str) -> None:
    """Run ``celery worker`` in this process."""
    quiet = ("--loglevel=CRITICAL", "--without-gossip", "--without-mingle", "--without-heartbeat")
    app.worker_main(["worker", *(pool or ("-P", "solo")), *quiet])
