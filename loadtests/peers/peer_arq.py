# /// script
# dependencies = ["arq==0.28.0"]
# [tool.peer]
# tasks = 5_000
# promise = "at least once"
# settings = "max_jobs=100, poll_delay=0.01, keep_result=0"
# ///
"""arq: a sorted set that is polled; by default every 0.5 s, which would bound it to 200 jobs/s."""

from __future__ import annotations

import asyncio
import os

from arq import create_pool, func
from arq.connections import RedisSettings
from arq.worker import Worker
from meter import done

settings = RedisSettings.from_dsn(os.environ["PEER_URL"])


async def noop(_: dict[object, object]) -> None:
    """The task."""
    done()


def enqueue(n: int) -> None:
    """Send `n` jobs, 100 at a time."""

    async def send() -> None:
        pool = await create_pool(settings)
        for start in range(0, n, 100):
            await asyncio.gather(*(pool.enqueue_job("noop") for _ in range(min(100, n - start))))

    asyncio.run(send())


def work(_: int) -> None:
    """Run the worker in this process, as the command ``arq`` does."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    Worker(
        [func(noop, name="noop", keep_result=0)],
        redis_settings=settings,
        max_jobs=100,
        poll_delay=0.01,
        log_results=False,
    ).run()
