# /// script
# dependencies = []
# [tool.peer]
# tasks = 100_000
# promise = "at least once"
# settings = "batch=100"
# ///
"""Ours: acknowledged in batches, after the handlers."""

from __future__ import annotations

import os

import redis
from meter import done

from streamlab import TaskQueue, Worker

queue = TaskQueue(redis.Redis.from_url(os.environ["PEER_URL"], decode_responses=True), "tasks")


def enqueue(n: int) -> None:
    """Put `n` tasks on the stream."""
    queue.ensure_group()
    queue.enqueue_many(range(n))


def work(n: int) -> None:
    """Run them."""
    Worker(queue, lambda _: done(), batch=100).run(max_tasks=n)
