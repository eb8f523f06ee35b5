"""One stream at one moment: its entries, its groups, and who holds what. No Redis in here."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple


class EntryId(NamedTuple):
    """An entry id, ordered as Redis orders them: by milliseconds, then by sequence number."""

    ms: int
    seq: int

    @classmethod
    def parse(cls, text: str) -> EntryId:
        """The id written as ``"1-2"``."""
        ms, _, seq = text.partition("-")
        return cls(int(ms), int(seq))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


class State(StrEnum):
    """What a group has done with an entry, as far as the server can tell."""

    #: Acknowledged, or never given to this group because it began, or was set, after the entry.
    DONE = "done"
    PENDING = "pending"
    WAITING = "waiting"
    #: In a stretch of the pending list that was counted and not listed.
    UNLISTED = "unlisted"
    #: Not in the stream any more, and not pending in this group.
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry; `data` is printable and shortened."""

    id: EntryId
    data: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry that was delivered and not acknowledged.

    Attributes
    ----------
    consumer
        Who holds it; None after XNACK (Redis >= 8.8) gave it back.
    idle_ms
        Milliseconds since the last delivery; None when nobody holds it.
    deliveries
        How many times it was delivered.
    """

    id: EntryId
    consumer: str | None
    idle_ms: int | None
    deliveries: int


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer and how many entries it holds."""

    name: str
    pending_count: int


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group.

    Attributes
    ----------
    cursor
        The last-delivered-id.
    lag
        Entries not delivered yet; None when the server does not know, which is not 0.
    pending
        The pending entries that were listed, by id; all of them unless `unlisted`.
    unlisted
        The open interval of ids in which pending entries were counted and not listed.
    """

    name: str
    cursor: EntryId
    pending_count: int
    lag: int | None
    consumers: tuple[Consumer, ...]
    pending: tuple[Pending, ...]
    unlisted: tuple[EntryId, EntryId] | None = None

    def held(self, entry_id: EntryId) -> Pending | None:
        """The pending record of that entry, if it was listed."""
        at = bisect_left(self.pending, entry_id, key=lambda pending: pending.id)
        found = at < len(self.pending) and self.pending[at].id == entry_id
        return self.pending[at] if found else None


@dataclass(frozen=True)
class Stream:
    """One stream and its groups.

    Attributes
    ----------
    length
        How many entries it has (XLEN).
    last_id
        The last id that was ever generated, deleted ones included.
    entries
        The entries that were read: all of them, or a head and a tail around `unread`.
    unread
        The open interval of ids whose entries were counted and not read.
    more_groups
        How many groups there are beyond `groups`.
    """

    name: str
    length: int
    last_id: EntryId
    entries: tuple[Entry, ...]
    groups: tuple[Group, ...]
    unread: tuple[EntryId, EntryId] | None = None
    more_groups: int = 0

    @cached_property
    def _present(self) -> frozenset[EntryId]:
        return frozenset(entry.id for entry in self.entries)

    @cached_property
    def gone(self) -> tuple[EntryId, ...]:
        """Ids that are pending in some group while their entry was trimmed or deleted."""
        pending = {p.id for group in self.groups for p in group.pending} - self._present
        # An entry that was added while we read, or that lies in the unread stretch, is not gone.
        last_read = self.entries[-1].id if self.entries else self.last_id
        newest = min(last_read, self.last_id) if self.unread else self.last_id
        return tuple(sorted(i for i in pending if i <= newest and not _between(i, self.unread)))

    @cached_property
    def ids(self) -> tuple[EntryId, ...]:
        """The ids of what was read, the `gone` among them."""
        return tuple(sorted(self._present | set(self.gone)))

    @property
    def extent(self) -> int:
        """How many places a complete picture has: every entry, and every gone one."""
        return self.length + len(self.gone)

    def data_of(self, entry_id: EntryId) -> str | None:
        """The data of an entry that was read; None if it is gone."""
        at = bisect_left(self.entries, entry_id, key=lambda entry: entry.id)
        found = at < len(self.entries) and self.entries[at].id == entry_id
        return self.entries[at].data if found else None

    def state(self, group: Group, entry_id: EntryId) -> State:
        """What `group` has done with that entry."""
        if group.held(entry_id):
            return State.PENDING
        if entry_id in self.gone:
            return State.ABSENT
        if entry_id > group.cursor:
            return State.WAITING
        return State.UNLISTED if _between(entry_id, group.unlisted) else State.DONE


def _between(entry_id: EntryId, interval: tuple[EntryId, EntryId] | None) -> bool:
    return interval is not None and interval[0] < entry_id < interval[1]
