# /// script
# dependencies = ["dramatiq[redis]==2.2.1", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 20_000
# promise = "at least once"
# settings = "8 threads, prefetch 200 (dramatiq_queue_prefetch)"
# ///
"""dramatiq; its Redis broker has a Lua script for everything. No result backend."""

from __future__ import annotations

import os
import signal

# Read when dramatiq is imported; its default, two messages a thread, is for long tasks.
os.environ["dramatiq_queue_prefetch"] = "200"  # noqa: SIM112 - its own name

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from meter import done

broker = RedisBroker(url=os.environ["PEER_URL"])
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None:
    """The task."""
    done()


def enqueue(n: int) -> None:
    """Send `n` messages."""
    for _ in range(n):
        noop.send()


def work(_: int) -> None:
    """What each process of the command ``dramatiq`` runs."""
    dramatiq.Worker(broker, worker_threads=8).start()
    signal.pause()
