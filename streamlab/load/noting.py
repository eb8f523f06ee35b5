"""A connection that notes when replies came, below any client or worker that uses it."""

from __future__ import annotations

import threading
import time
from typing import Any

import redis


class Notes(threading.local):
    """Of each thread, in ns of `time.monotonic_ns`.

    Attributes
    ----------
    first_reply_ns
        When the first reply came to what was sent last. A worker sends XACK ahead of its next
        XREADGROUP in one pipeline: this is the acknowledgement's, not the blocked read's.
    entries_ns
        When the last reply came that was a list with something in it: entries.
    """

    first_reply_ns = 0
    entries_ns = 0


def noting(client: redis.Redis, notes: Notes) -> redis.Redis:
    """A client like `client` whose connections write into `notes`."""
    pool = client.connection_pool
    kind: type[Any] = pool.connection_class

    class Noting(kind):  # type: ignore[misc]
        def send_packed_command(self, *args: Any, **options: Any) -> None:
            notes.first_reply_ns = 0
            super().send_packed_command(*args, **options)

        def read_response(self, *args: Any, **options: Any) -> Any:
            reply = super().read_response(*args, **options)
            now_ns = time.monotonic_ns()
            notes.first_reply_ns = notes.first_reply_ns or now_ns
            if reply and isinstance(reply, (list, dict)):
                notes.entries_ns = now_ns
            return reply

    return redis.Redis.from_pool(redis.ConnectionPool(Noting, **pool.connection_kwargs))
