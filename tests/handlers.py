"""Handlers for workers that run as processes of their own; their effects go to Redis lists."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
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
    """Tells when and where it began and ended; every 500th task takes long."""
    where = f"{task.data} {os.getpid()}"
    _redis().rpush(os.environ["EFFECTS"], f"begin {where} {time.monotonic()}")
    long = int(task.data) % 500 == 0
    time.sleep(float(os.environ["WORK_S"]) if long else 0.003)
    _redis().rpush(os.environ["EFFECTS"], f"end {where} {time.monotonic()}")


def killer(task) -> None:
    """Ends its process as the task's data says; what is not a way to die is an effect."""
    _redis().rpush(os.environ["EFFECTS"], task.data)
    if task.data == "exit":
        os._exit(3)
    if task.data == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if task.data == "segfault":
        faulthandler.disable()
        ctypes.string_at(0)


def once(task, pipe) -> None:
    """An effect that is committed with the task's key; dies as ``KILL_AT`` says, but one time."""
    pipe.rpush(os.environ["EFFECTS"], task.data)
    if os.environ.get("KILL_AT") == "before EXEC":
        os.kill(os.getpid(), signal.SIGKILL)


def fail_in_turn(task) -> None:
    """Each third task fails at its first delivery to this process, the others have an effect."""
    if int(task.data) % 3 == 0 and task.data not in _failed:
        _failed.add(task.data)
        raise RuntimeError(task.data)
    _redis().rpush(os.environ["EFFECTS"], task.data)


_failed: set[str] = set()

not_callable = 7
