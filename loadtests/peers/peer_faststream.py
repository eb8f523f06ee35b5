# /// script
# dependencies = ["faststream[redis]==0.7.8", "uvloop==0.23.0", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 5_000
# promise = "kept, not swept"
# settings = "group, max_records=100, a message at a time, acks after it"
# ///
"""FastStream on a stream with a consumer group; its command runs on uvloop where that is."""

from __future__ import annotations

import asyncio
import logging
import os

import redis
import uvloop
from faststream import AckPolicy, FastStream
from faststream.redis import RedisBroker, StreamSub
from meter import done

URL = os.environ["PEER_URL"]


def enqueue(n: int) -> None:
    """Send `n` messages, 100 at a time, to a group that begins at the first."""
    with redis.Redis.from_url(URL) as r:
        r.xgroup_create("tasks", "workers", id="0", mkstream=True)

    async def send() -> None:
        async with RedisBroker(URL, logger=None) as broker:
            for start in range(0, n, 100):
                numbers = range(start, min(n, start + 100))
                await asyncio.gather(*(broker.publish(i, stream="tasks") for i in numbers))

    asyncio.run(send())


def subscribe(broker: RedisBroker, *, batch: bool) -> None:
    """The handler, for a message or for a batch of them."""
    stream = StreamSub("tasks", group="workers", consumer="one", max_records=100, batch=batch)
    subscriber = broker.subscriber(stream=stream, ack_policy=AckPolicy.NACK_ON_ERROR)

    if batch:

        @subscriber
        async def noop_batch(numbers: list[int]) -> None:
            for _ in numbers:
                done()
    else:

        @subscriber
        async def noop(_: int) -> None:
            done()


def work(_: int, *, batch: bool = False) -> None:
    """What the command ``faststream run`` runs."""
    broker = RedisBroker(URL, logger=None, apply_types=False)
    subscribe(broker, batch=batch)
    uvloop.run(FastStream(broker, logger=None).run(log_level=logging.CRITICAL))
