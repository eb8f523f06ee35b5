"""What can happen to a server: it dies, is emptied, is short of memory, or stands still.

Only to a `RedisServer`, which the lab started itself: some of these erase everything. For its
clock see `streamlab.faults.clock`. `snapshot` before and after tells what the server lost.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError, NotOurServerError
from streamlab.server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

_PAGE = 1_000  # entries a reply: the server does nothing else while it writes one


def snapshot(client: redis.Redis, stream: str) -> frozenset[str]:
    """The ids on `stream` (XRANGE, 1,000 a page); of a key that is missing: none.

    What a server lost is the ids before minus the ids after. Nothing is changed; entries added
    while it reads may or may not be among them.
    """
    ids: set[str] = set()
    start = "-"
    while page := client.xrange(stream, min=start, count=_PAGE):
        found = [_text(entry_id) for entry_id, _ in page]
        ids.update(found)
        start = f"({found[-1]}"
    return frozenset(ids)


def crash(server: RedisServer, *, down_s: float = 0.0) -> None:
    """SIGKILL, then a start on the same folder and socket after `down_s` seconds, >= 0 (F46, F51).

    Every connection is cut, those of blocked readers too. What was written returns according to
    the server's persistence:

    ==============  ==============================================================================
    ``"none"``      Everything is lost: entries, groups, pending lists. If somebody called SAVE or
                    BGSAVE, the state of that moment returns instead: entries added since are
                    lost, and those acknowledged since are pending again.
    ``"everysec"``  Nothing that was replied to, as a rule: the command was handed to the operating
                    system before its reply, and that outlives the process. Lost is the last
                    second when the machine dies (no process can show that), or when the disk is
                    so slow that the server put off its write.
    ``"always"``    Nothing that was replied to.
    ==============  ==============================================================================

    A command whose reply had not come may have been done or not, with every persistence.

    Raises
    ------
    ServerError
        It was not running.
    ServerStartError
        It did not start again.
    """
    _check_ours(server)
    if not down_s >= 0:
        msg = f"down_s must be >= 0, got {down_s!r}"
        raise BadArgumentError(msg)
    server.kill()
    time.sleep(down_s)
    server.restart()


def flush(server: RedisServer) -> None:
    """FLUSHALL: every key is gone, and with a stream its groups and their pending lists (F48).

    Connections stay. Readers of a group get NOGROUP until it is made again; one that is blocked
    at that moment gets it at once (on 7.0 as UNBLOCKED), and on 6.2 waits out its time and gets
    nothing.
    """
    with _client(server) as client:
        client.flushall()


def destroy_group(server: RedisServer, stream: str, group: str) -> bool:
    """XGROUP DESTROY: the group, its consumers and its pending list are gone (F18).

    The entries stay, and whether they were done is forgotten: a new group at ``0`` delivers
    finished work again, one at ``$`` skips what was pending or unread. Readers, blocked ones too,
    get NOGROUP. Returns whether the group was there.
    """
    with _client(server) as client:
        return bool(client.xgroup_destroy(stream, group))


def delete_key(server: RedisServer, stream: str) -> bool:
    """DEL: the stream is gone with its entries, groups and pending lists; other keys stay (F48).

    Readers fare as after `flush`. Returns whether the key was there.
    """
    with _client(server) as client:
        return bool(client.delete(stream))


@contextlib.contextmanager
def memory_limit(server: RedisServer, policy: str, *, spare_bytes: int = 0) -> Iterator[int]:
    """Bound the server's memory (CONFIG SET maxmemory, maxmemory-policy) within a ``with`` (F37).

    ================  ============================================================================
    ``noeviction``    XADD is refused (OOM) and nothing is lost; XREADGROUP, XACK, XDEL work.
    ``volatile-*``    The same, unless keys have a time to live: a stream has none by itself.
    ``allkeys-*``     XADD works, and keys are evicted to make room for it: a stream goes as a
                      whole, with its groups and pending lists, acknowledged adds included.
    ================  ============================================================================

    At the end the settings of before return, if the server runs then; a restart within the
    ``with`` has brought them back already. What was evicted does not return.

    Parameters
    ----------
    policy
        One of the server's own names: ``"noeviction"``, ``"allkeys-lru"`` and so on.
    spare_bytes
        The limit is what the server uses now plus this; negative: it is over its limit at once.

    Yields
    ------
    int
        The limit, in bytes, >= 1.

    Raises
    ------
    redis.ResponseError
        The server knows no such policy; it names those it knows, and no setting was changed.
    """
    with _client(server) as client:
        names = ("maxmemory", "maxmemory-policy")
        before = {name: client.config_get(name)[name] for name in names}
        client.config_set("maxmemory-policy", policy)
        try:
            limit = max(1, client.info("memory")["used_memory"] + spare_bytes)  # 0: no limit
            client.config_set("maxmemory", limit)
            yield limit
        finally:
            if server.running:
                for name, value in before.items():
                    client.config_set(name, value)


@contextlib.contextmanager
def paused(server: RedisServer) -> Iterator[None]:
    """SIGSTOP within a ``with``, SIGCONT at its end: the server stands still, as in a long swap.

    Nothing is lost. Connections stay, new ones are even accepted, and no reply comes: clients run
    into their timeouts, and what they sent meanwhile is done when the server goes on (F11). The
    clock goes on: after a pause longer than a worker's ``min_idle_ms`` everything pending is idle
    for that long, and live work is taken over (F26). It is not resumed if it has been killed.
    """
    _check_ours(server)
    server.pause()
    try:
        yield
    finally:
        if server.running:
            server.resume()


def _client(server: RedisServer) -> redis.Redis:
    _check_ours(server)
    return server.client()


def _check_ours(server: object) -> None:
    if not isinstance(server, RedisServer):
        msg = f"faults are done to a RedisServer of one's own only, got {server!r}: start one"
        raise NotOurServerError(msg)


def _text(entry_id: object) -> str:
    return entry_id.decode() if isinstance(entry_id, bytes) else str(entry_id)
