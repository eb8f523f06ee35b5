# /// script
# dependencies = ["saq[redis,hiredis]==0.26.4", "typing_extensions>=4"]
# [tool.peer]
# tasks = 5_000
# promise = "at most once"
# settings = "concurrency=10, retries=1 (its defaults), ttl=-1: no results"
# ///
"""SAQ: a list that is moved (BLMOVE) to a list of active jobs."""

from __future__ import annotations

import asyncio
import os

from meter import done
from saq import Queue, Worker

URL = os.environ["PEER_URL"]


async def noop(_: dict[str, object]) -> None:
    """The task."""
    done()


def enqueue(n: int) -> None:
    """Send `n` jobs, 10 at a time."""

    async def send() -> None:
        queue = Queue.from_url(URL)
        await queue.connect()
        for start in range(0, n, 10):
            jobs = range(min(10, n - start))
            await asyncio.gather(*(queue.enqueue("noop", ttl=-1) for _ in jobs))
        await queue.disconnect()

    asyncio.run(send())


def work(_: int) -> None:
    """Run the worker in this process, as the command ``saq`` does."""

    async def serve() -> None:
        queue = Queue.from_url(URL)
        await queue.connect()
        await Worker(queue, [noop], concurrency=10).start()

    asyncio.run(serve())
