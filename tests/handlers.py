"""Handlers for workers that run as processes of their own; their effects go to Redis lists."""

from __future__ import annotations

import contextlib
import os
import time
from functools import cache

import redis


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(os.environ["STREAMLAB_REDIS_URL"], decode_responses=True)


def record(task) -> None:
    """The effect: the task's data in a list."""
    _redis().rpush(os.environ["EFFECTS"], task.data)


def slow(task) -> None:
    """An effect at the beginning and one at the end, with work between them."""
    _redis().rpush(os.environ["EFFECTS"], f"begin {task.data}")
    time.sleep(float(os.environ["WORK_S"]))
    _redis().rpush(os.environ["EFFECTS"], f"end {task.data}")


def stuck(task) -> None:
    """Begins, swallows every ordinary exception, and never ends."""
    _redis().rpush(os.environ["EFFECTS"], f"begin {task.data}")
    while True:
        with contextlib.suppress(Exception):
            time.sleep(60)


def timed(task) -> None:
    """Tells when and where it began and ended; every 250th task takes long."""
    where = f"{task.data} {os.getpid()}"
    _redis().rpush(os.environ["EFFECTS"], f"begin {where} {time.monotonic()}")
    long = int(task.data) % 250 == 0
    time.sleep(float(os.environ["WORK_S"]) if long else 0.003)
    _redis().rpush(os.environ["EFFECTS"], f"end {where} {time.monotonic()}")


not_callable = 7
