"""How much is waiting: the figures to watch on a queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.queue import replies

if TYPE_CHECKING:
    import redis

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What stands on a stream, and how far its group has come.

    Attributes
    ----------
    length
        Entries on the stream (XLEN), done ones included: an acknowledgement deletes nothing.
    lag
        Entries the group has not been given yet; None when the server does not know (before 7.0,
        or after an unread entry was deleted). Unknown is not zero.
    pending
        Entries given to a consumer and not acknowledged.
    oldest_idle_ms
        The longest time since a pending entry was last delivered; None when nothing is pending.
    """

    length: int
    lag: int | None
    pending: int
    oldest_idle_ms: int | None


def read_depth(client: redis.Redis, stream: str, group: str) -> QueueDepth:
    """Read a `QueueDepth` with XLEN, XINFO GROUPS and, in pages of 1,000, XPENDING.

    A group that does not exist yet counts as one at the stream's beginning: all is lag.
    """
    length = client.xlen(stream)
    groups = client.xinfo_groups(stream) if client.exists(stream) else []
    info = replies.find_group(groups, group)
    if info is None:
        return QueueDepth(length, length, 0, None)
    pending = int(info["pending"])
    oldest = _oldest_idle_ms(client, stream, group) if pending else None
    return QueueDepth(length, replies.group_lag(info), pending, oldest)


def _oldest_idle_ms(client: redis.Redis, stream: str, group: str) -> int | None:
    """The list is ordered by id, not by idle time, so that every page must be looked at."""
    oldest: int | None = None
    start = "-"
    while page := replies.pending_page(client.xpending_range(stream, group, start, "+", _PAGE)):
        oldest = max(oldest or 0, *(idle_ms for _, idle_ms in page))
        start = f"({page[-1][0]}"
    return oldest
