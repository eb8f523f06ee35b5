# /// script
# dependencies = ["taskiq[orjson,uv]==0.13.0", "taskiq-redis==1.2.4", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 5_000
# promise = "at least once"
# settings = "RedisStreamBroker, 1 process, 100 async tasks, prefetch 100, acks when executed"
# ///
"""taskiq with its stream broker; no result backend."""

from __future__ import annotations

import asyncio
import os
import sys

from meter import done
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["PEER_URL"], consumer_id="0").with_serializer(
    ORJSONSerializer()
)


@broker.task
async def noop() -> None:
    """The task."""
    done()


def enqueue(n: int) -> None:
    """Send `n` tasks, 100 at a time."""

    async def send() -> None:
        await broker.startup()
        for start in range(0, n, 100):
            await asyncio.gather(*(noop.kiq() for _ in range(min(100, n - start))))
        await broker.shutdown()

    asyncio.run(send())


def work(_: int) -> None:
    """Become ``taskiq worker``."""
    options = "--workers 1 --max-async-tasks 100 --max-prefetch 100 --ack-type when_executed"
    quiet = "--no-parse --log-level ERROR"
    command = ["taskiq", "worker", "peer_taskiq:broker", *options.split(), *quiet.split()]
    os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606 - no shell
