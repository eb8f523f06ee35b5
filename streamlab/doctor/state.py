"""What a stream and its groups are right now, read with bounds and without payloads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from streamlab.doctor.asking import NotPermittedError, table
from streamlab.doctor.ids import EntryId, entry_id
from streamlab.doctor.pending import Pending, read_pending

if TYPE_CHECKING:
    from streamlab.doctor.asking import Asker

#: Groups of a stream, and consumers of a group, that are asked for: a reply has no paging here.
MOST_GROUPS = 100
MOST_CONSUMERS = 10_000


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer; `idle_ms` counts from its last try to read (7.2+), else from its last entry."""

    name: str
    pending: int
    idle_ms: int


@dataclass(frozen=True, slots=True)
class Group:
    """A group. `lag` and `entries_read` are None where the server does not know them.

    `consumers` is None when there are too many to ask for; `consumer_count` is always known.
    """

    name: str
    last_delivered: EntryId
    entries_read: int | None
    lag: int | None
    consumer_count: int
    consumers: tuple[Consumer, ...] | None
    pending: Pending


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream. What came with a newer version, or is not permitted to be asked, is None.

    `nodes` counts the listpacks, `entry_bytes` the larger one of the first and the last entry,
    `ttl_ms` is None without one.
    """

    key: str
    length: int
    nodes: int
    entry_bytes: int
    first: EntryId | None
    last: EntryId | None
    last_generated: EntryId
    added: int | None
    max_deleted: EntryId | None
    idmp_ids: int | None
    ttl_ms: int | None
    memory_bytes: int | None
    groups: tuple[Group, ...]
    group_count: int

    def waiting(self, group: Group) -> int | None:
        """How many entries `group` has not been given; None where that is unknown.

        Sharper than ``lag``, which 6.2 lacks, and which 7.0 overstates once entries were trimmed
        before they were delivered: one that leaves no room for the delivered ones is not believed.
        """
        if self.last is None or self.last <= group.last_delivered:
            return 0
        if self.first is not None and self.first > group.last_delivered:
            return self.length
        delivered = max(1, group.pending.looked - group.pending.gone)  # the first is one of them
        if group.lag is None or group.lag > self.length - delivered:
            return None
        return group.lag

    def lost_unread(self, group: Group) -> int | None:
        """How many entries, at least, were trimmed or deleted before `group` was given them.

        Those since its last read, that is: the server counts earlier ones as read. None where the
        counters that tell are missing, though the first entry is beyond the last delivered.
        """
        if self.first is not None and self.first <= group.last_delivered:
            return 0
        if self.last_generated <= group.last_delivered:
            return 0
        if self.added is None or group.entries_read is None:
            return 0 if self.added == self.length else None
        return max(0, self.added - group.entries_read - self.length)

    def gone(self, entry: EntryId) -> bool:
        """Whether `entry`, which a group may still list as pending, is no longer there."""
        if self.first is None:
            return entry <= self.last_generated
        return entry < self.first

    def done_below(self) -> EntryId | None:
        """The id below which every group has been given and has acknowledged all; None: no group.

        That is the smallest of each group's oldest pending id, else its last-delivered id.
        """
        if not self.groups or self.group_count > len(self.groups):
            return None
        return min(group.pending.oldest or group.last_delivered for group in self.groups)

    def done(self) -> int | None:
        """How many entries are there though every group is done with them, at the most."""
        waiting = [self.waiting(group) for group in self.groups]
        left = [
            n + group.pending.total - group.pending.gone
            for n, group in zip(waiting, self.groups, strict=True)
            if n is not None
        ]
        return None if len(left) < len(waiting) or not left else max(0, self.length - max(left))


def read_stream(ask: Asker, key: str, *, min_idle_ms: int, most_pending: int) -> Stream:
    """Read the state of the stream `key`, no more than `most_pending` pending entries a group.

    The stream is read before its groups: what moves on meanwhile looks less bad, never worse.

    Raises
    ------
    NotPermittedError
        If XINFO or XPENDING may not be asked.
    """
    info = table(ask("XINFO", "STREAM", key))
    first, last = info["first-entry"], info["last-entry"]
    added, deleted = info.get("entries-added"), info.get("max-deleted-entry-id")
    told = [table(group) for group in ask("XINFO", "GROUPS", key)]
    bare = Stream(
        key=key,
        length=info["length"],
        nodes=info["radix-tree-keys"],
        entry_bytes=max(_size(first), _size(last)),
        first=entry_id(first[0]) if first else None,
        last=entry_id(last[0]) if last else None,
        last_generated=entry_id(info["last-generated-id"]),
        added=added,
        max_deleted=entry_id(deleted) if deleted else None,
        idmp_ids=info.get("iids-added"),
        ttl_ms=_ttl_ms(ask, key),
        memory_bytes=_memory_bytes(ask, key),
        groups=(),
        group_count=len(told),
    )
    groups = tuple(
        _group(ask, bare, group, min_idle_ms, most_pending) for group in told[:MOST_GROUPS]
    )
    return replace(bare, groups=groups)


def _group(ask: Asker, stream: Stream, told: dict[str, Any], min_idle_ms: int, most: int) -> Group:
    name, count = told["name"], told["consumers"]
    consumers = None
    if count <= MOST_CONSUMERS:
        rows = [table(row) for row in ask("XINFO", "CONSUMERS", stream.key, name)]
        consumers = tuple(Consumer(row["name"], row["pending"], row["idle"]) for row in rows)
    return Group(
        name=name,
        last_delivered=entry_id(told["last-delivered-id"]),
        entries_read=told.get("entries-read"),
        lag=told.get("lag"),
        consumer_count=count,
        consumers=consumers,
        pending=read_pending(
            ask, stream, name, told["pending"], min_idle_ms=min_idle_ms, most=most
        ),
    )


def _size(entry: Any) -> int:
    return sum(len(part) for part in entry[1] or ()) if entry else 0


def _ttl_ms(ask: Asker, key: str) -> int | None:
    try:
        left: int = ask("PTTL", key)
    except NotPermittedError:
        return None
    return left if left >= 0 else None


def _memory_bytes(ask: Asker, key: str) -> int | None:
    try:
        size: int | None = ask("MEMORY", "USAGE", key)
    except NotPermittedError:
        return None
    return size
