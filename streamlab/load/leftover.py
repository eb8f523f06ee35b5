"""What a run left on the stream: tasks that are pending, and tasks nobody has read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.errors import BenchError
from streamlab.load.payload import number_of
from streamlab.queue import replies

if TYPE_CHECKING:
    import redis

_PAGE = 1000  # entries per command


def leftover(client: redis.Redis, stream: str, group: str) -> tuple[list[int], list[int]]:
    """The numbers of the tasks that are pending, and of those that are unread.

    XINFO GROUPS, XPENDING and XRANGE, in pages of 1,000. Unread is what lies beyond the group's
    last delivered id: so it is known on Redis 6.2 too, whose groups have no lag.
    """
    info = replies.find_group(client.xinfo_groups(stream), group)
    if info is None:
        msg = f"the group {group!r} vanished from {stream!r} during the run: who else uses it?"
        raise BenchError(msg)
    pending: list[int] = []
    start = "-"
    while page := replies.pending_page(client.xpending_range(stream, group, start, "+", _PAGE)):
        for entry_id, _ in page:
            pending += _numbers(_page(client, stream, entry_id, entry_id))
        start = f"({page[-1][0]}"
    unread: list[int] = []
    start = f"({info['last-delivered-id']}"
    while entries := _page(client, stream, start, "+"):
        unread += _numbers(entries)
        start = f"({entries[-1].entry_id}"
    return pending, unread


def _page(client: redis.Redis, stream: str, start: str, end: str) -> list[replies.Delivery]:
    # The reply has the shape of one stream's part of an XREADGROUP.
    return replies.read_entries([(stream, client.xrange(stream, start, end, _PAGE))])


def _numbers(entries: list[replies.Delivery]) -> list[int]:
    return [number_of(entry.fields["data"]) for entry in entries]
