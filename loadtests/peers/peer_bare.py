# /// script
# dependencies = []
# [tool.peer]
# tasks = 100_000
# promise = "kept, not swept"
# settings = "COUNT 100, one XACK a batch; no recovery, no lease, no dead letters"
# ///
"""No peer: the least that redis-py can do with a stream and a group. What a library adds to it."""

from __future__ import annotations

import os

import redis
from meter import done

r = redis.Redis.from_url(os.environ["PEER_URL"])


def enqueue(n: int) -> None:
    """Put `n` entries on the stream, in pipelines of 500."""
    r.xgroup_create("bare", "workers", id="0", mkstream=True)
    for start in range(0, n, 500):
        with r.pipeline(transaction=False) as pipe:
            for number in range(start, min(n, start + 500)):
                pipe.xadd("bare", {"data": number})
            pipe.execute()


def work(n: int) -> None:
    """Read, do, acknowledge."""
    worked = 0
    while worked < n:
        ((_, batch),) = r.xreadgroup("workers", "one", {"bare": ">"}, count=100, block=1000)
        for _ in batch:
            done()
        r.xack("bare", "workers", *[entry_id for entry_id, _ in batch])
        worked += len(batch)
