"""Raw replies of redis-py, narrowed: the only code that sees their shapes.

They are those of RESP2, for which `connection.own_client` asks; nothing else in the package looks
at a raw reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry as the group delivered it.

    Attributes
    ----------
    entry_id
        Its id on the stream.
    fields
        Its fields.
    deliveries
        How often it has been delivered, this time included.
    """

    entry_id: str
    fields: dict[str, str]
    deliveries: int = 1


@dataclass(frozen=True, slots=True)
class Taken:
    """What ``lua/take.lua`` answered.

    Attributes
    ----------
    cursor
        Where the next call goes on; ``""`` when the pending list has been walked.
    entries
        What is now ours, delivered once more.
    gone
        How many pending ids were acknowledged, since their entries are off the stream.
    """

    cursor: str
    entries: list[Delivery]
    gone: int


def read_entries(reply: Any) -> list[Delivery]:
    """The entries of an XREADGROUP over one stream, in order; none when it timed out.

    With CLAIM each has its idle time and the number of deliveries before this one.
    """
    if not reply:
        return []
    ((_, entries),) = reply
    return [
        Delivery(entry_id, fields, 1 + (more[1] if more else 0))
        for entry_id, fields, *more in entries
    ]


def range_entries(reply: Any) -> list[Delivery]:
    """The entries of an XRANGE."""
    return [Delivery(entry_id, fields) for entry_id, fields in reply]


def autoclaimed(reply: Any) -> tuple[str, list[Delivery]]:
    """The next cursor of an XAUTOCLAIM, and its entries; how often each was delivered is not told.

    Redis 6.2 names an entry that was deleted meanwhile without its fields: nobody can handle it.
    """
    cursor, entries, *_ = reply
    return cursor, [Delivery(entry_id, fields) for entry_id, fields in entries if fields]


def taken(reply: Any) -> Taken:
    """The reply of ``lua/take.lua``: a cursor, [id, deliveries, flat fields] of each, a number."""
    cursor, entries, gone = reply
    return Taken(
        cursor,
        [
            Delivery(entry_id, dict(zip(flat[::2], flat[1::2], strict=True)), int(deliveries))
            for entry_id, deliveries, flat in entries
        ],
        int(gone),
    )


def find_group(reply: Any, group: str) -> dict[str, Any] | None:
    """The entry of `group` in XINFO GROUPS."""
    return next((found for found in reply if found["name"] == group), None)


def group_lag(info: dict[str, Any]) -> int | None:
    """``lag``, or None where the server does not know it (6.2, or after some deletions)."""
    lag = info.get("lag")
    return None if lag is None else int(lag)


def pending_page(reply: Any) -> list[tuple[str, int]]:
    """(entry id, idle ms) of each line of an extended XPENDING."""
    return [(line["message_id"], int(line["time_since_delivered"])) for line in reply]


def resting_consumers(reply: Any, at_least_ms: int) -> list[str]:
    """The consumers in XINFO CONSUMERS that hold nothing and have been idle for so long."""
    return [
        found["name"]
        for found in reply
        if found["pending"] == 0 and int(found["idle"]) >= at_least_ms
    ]
