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


not_callable = 7
