"""Raw replies of redis-py, narrowed: the only code that sees their shapes.

redis-py answers the same command with lists or with dictionaries, depending on the protocol that
the client was made for; nothing else in the package looks at a raw reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as a group delivers it; `fields` is None when it was trimmed or deleted."""

    entry_id: str
    fields: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What XAUTOCLAIM answered.

    Attributes
    ----------
    cursor
        Where the next call goes on; ``"0-0"`` when the pending list has been walked.
    entries
        What is now ours.
    gone
        How many ids were taken off the pending list since their entries no longer exist (7.0+).
    nil
        How many entries were claimed and are gone, without an id to tell which (6.2).
    """

    cursor: str
    entries: list[Entry]
    gone: int
    nil: int


def read_entries(reply: Any) -> list[Entry]:
    """The entries of an XREADGROUP over one stream, in order; none when it timed out."""
    if not reply:
        return []
    if isinstance(reply, dict):  # protocol=3: {stream: [[entry, …]]}
        (pages,) = reply.values()
        pairs = [pair for page in pages for pair in page] if _is_nested(pages) else pages
    else:
        ((_, pairs),) = reply
    return [Entry(entry_id, fields or None) for entry_id, fields in pairs]


def _is_nested(pages: Any) -> bool:
    return bool(pages) and isinstance(pages[0], list)


def claimed(reply: Any) -> Claimed:
    """The reply of XAUTOCLAIM without JUSTID, from 6.2 on."""
    cursor, pairs, *deleted = reply
    entries = [Entry(entry_id, fields or None) for entry_id, fields in pairs if entry_id]
    return Claimed(cursor, entries, len(deleted[0]) if deleted else 0, len(pairs) - len(entries))


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
