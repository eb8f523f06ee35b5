"""The queue's own connections: to the same server as the reader's client, without blind retries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

from streamlab.errors import BadArgumentError, NotEnqueuedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.connection import Connection

    from streamlab.queue.task import Task

#: Waiting times between attempts to connect: up to 2 s, doubling, with jitter.
RECONNECT = ExponentialWithJitterBackoff(cap=2.0, base=0.05)

# redis-py takes the code off the text where it has a class for it; a script's error keeps it.
_PASSING_CLASSES = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
)
_PASSING_CODES = re.compile(
    r"(?:^|user_script: ?\d+: -?)"
    r"(?:BUSY|MISCONF|NOREPLICAS|UNBLOCKED|OOM|READONLY|MASTERDOWN|TRYAGAIN|CLUSTERDOWN)\b"
)

# Making a connection sends no task, so it may be tried again: half a second in all, about.
_CONNECT_AGAIN = Retry(ExponentialWithJitterBackoff(cap=0.2, base=0.02), 5)


def own_client(client: redis.Redis) -> redis.Redis:
    """A client with a pool of its own, to where `client` points.

    redis-py sends a command again, up to ten times, when the reply did not come; for XADD that
    makes two tasks of one. Here nothing is sent twice. Text is decoded so that bytes which are
    not UTF-8 survive as they are (``surrogateescape``) instead of ending the read. Replies have
    the shapes of RESP2, whatever `client` speaks: redis-py has others for each protocol.

    Raises
    ------
    BadArgumentError
        If `client` is not a `redis.Redis` (a cluster or asyncio client, say).
    """
    if not isinstance(client, redis.Redis):
        msg = f"client must be a redis.Redis, got {type(client).__name__}: make one of those"
        raise BadArgumentError(msg)
    settings = client.connection_pool.connection_kwargs | {
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
        "encoding_errors": "surrogateescape",
        "protocol": None,  # which means: RESP3 on the wire, in the shapes of RESP2
        "legacy_responses": True,
    }
    return redis.Redis.from_pool(
        redis.ConnectionPool(client.connection_pool.connection_class, **settings)
    )


def same_pool(client: redis.Redis, **changes: float) -> redis.ConnectionPool:
    """A new pool with the settings of `client`'s: connections of one's own, for one thread."""
    pool = client.connection_pool
    return redis.ConnectionPool(pool.connection_class, **pool.connection_kwargs | changes)


def socket_timeout_ms(client: redis.Redis) -> float | None:
    """How long `client` waits for a reply, in ms; None when it waits for ever.

    redis-py's default, 5 s since version 8, stands in no settings: a connection is asked, unopened.
    """
    # From a pool of its own: a pool counts what it has made against its maximum.
    connection = same_pool(client).make_connection()
    timeout_s: float | None = getattr(connection, "socket_timeout", None)
    return None if timeout_s is None else timeout_s * 1000


def is_passing(exc: redis.ResponseError) -> bool:
    """Whether the server says that it cannot serve now, though perhaps soon.

    Another's long script (BUSY), a full memory or disk (OOM, MISCONF), a failover (READONLY,
    UNBLOCKED, MASTERDOWN, NOREPLICAS), a cluster that moves (TRYAGAIN, CLUSTERDOWN).
    """
    return isinstance(exc, _PASSING_CLASSES) or _PASSING_CODES.search(str(exc)) is not None


def live_connection(
    client: redis.Redis, tasks: Sequence[Task], before: Sequence[Task] = ()
) -> Connection:
    """Take a live connection out of the pool: a failure after this is a failure of the XADD.

    Raises
    ------
    NotEnqueuedError
        If none can be made: the tasks have definitely not been sent.
    """
    try:
        return _CONNECT_AGAIN.call_with_retry(client.connection_pool.get_connection, lambda _: None)
    except (redis.ConnectionError, redis.TimeoutError) as exc:
        what = f"{len(tasks)} task(s) not sent" if tasks else "nothing was sent"
        msg = f"no connection to Redis ({exc}): {what}, send again later"
        raise NotEnqueuedError(msg, enqueued=before) from exc


def ensure_connected(
    client: redis.Redis, tasks: Sequence[Task], before: Sequence[Task] = ()
) -> None:
    """Have a live connection in the pool.

    Raises
    ------
    NotEnqueuedError
        If none can be made, as `live_connection`.
    """
    client.connection_pool.release(live_connection(client, tasks, before))
