"""F38: the article's producer bounds the stream with MAXLEN: that deletes work nobody has done."""

from __future__ import annotations

import time

from broken.f27_no_heartbeat import consume

__all__ = ["consume", "enqueue"]


def enqueue(client, stream, task_id):
    message = {"task_id": task_id, "data": "x", "created_at": str(time.time())}
    return client.xadd(stream, message, maxlen=20, approximate=False)
