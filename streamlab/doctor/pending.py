"""A group's pending list, read page by page up to a bound, kept as sums and a few examples."""

from __future__ import annotations

import itertools
import statistics
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamlab.doctor.asking import NotPermittedError
from streamlab.doctor.ids import EntryId, entry_id, id_text
from streamlab.doctor.words import span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab.doctor.asking import Asker
    from streamlab.doctor.state import Stream

# A page costs the server less than a millisecond, so that no other client waits for us.
_PAGE = 1_000

#: How many ids of each kind are kept: as many as a command line can hold.
MOST_IDS = 100

#: Deliveries after which an entry counts as poison.
MAX_DELIVERIES = 5

# Entries looked up one by one, to find those deleted from among others.
_LOOKED_UP = 50

# An entry delivered so often, at so short a distance, is polled and not retried.
_POLLS, _POLL_MS = 10, 10_000

_AGES = ((1_000, "< 1 s"), (60_000, "< 1 min"), (600_000, "< 10 min"), (3_600_000, "< 1 h"))
_OLDER = ">= 1 h"


@dataclass(slots=True)
class Some:
    """How many entries are of a kind, and the first of them."""

    count: int = 0
    ids: list[EntryId] = field(default_factory=list)

    def add(self, entry: EntryId) -> None:
        """Count one more."""
        self.count += 1
        if len(self.ids) < MOST_IDS:
            self.ids.append(entry)


@dataclass(slots=True)
class Pending:
    """What was seen of a group's pending list, from its oldest id on.

    Attributes
    ----------
    total, looked
        How many entries the group says are pending; how many were looked at.
    oldest
        The smallest pending id.
    idles_ms
        For how long nobody touched each entry that has an owner.
    owners, untouched
        How many entries each consumer holds; how many of them nobody touched for min-idle.
    most_deliveries
        The largest count among the poison and the polled.
    abandoned, unowned
        Entries that nobody touched for min-idle; entries handed back with XNACK (8.8+).
    poison, polled
        Entries delivered more than `MAX_DELIVERIES` times; those of them delivered within
        seconds, over and over.
    trimmed, deleted
        Entries that are no longer on the stream: from before its first; from among the others, as
        far as a sample shows; `not_looked_up` says why there is none.
    """

    total: int
    looked: int = 0
    oldest: EntryId | None = None
    idles_ms: array[int] = field(default_factory=lambda: array("q"))
    owners: Counter[str] = field(default_factory=Counter)
    untouched: Counter[str] = field(default_factory=Counter)
    most_deliveries: int = 0
    abandoned: Some = field(default_factory=Some)
    unowned: Some = field(default_factory=Some)
    poison: Some = field(default_factory=Some)
    polled: Some = field(default_factory=Some)
    trimmed: Some = field(default_factory=Some)
    deleted: Some = field(default_factory=Some)
    not_looked_up: str = ""

    @property
    def gone(self) -> int:
        """How many of them are known to be no longer on the stream."""
        return self.trimmed.count + self.deleted.count

    @property
    def stopped(self) -> str:
        """Words for where the look ended early, or nothing."""
        if self.looked >= self.total:
            return ""
        return f" (of the first {self.looked:,} of {self.total:,} pending: the look stopped there)"

    def ages(self) -> str:
        """The idle times as words: smallest, median, largest, and how many are in which range."""
        if not self.idles_ms:
            return "none with an owner"
        ranges = Counter(
            next((name for limit, name in _AGES if idle < limit), _OLDER) for idle in self.idles_ms
        )
        order = [name for _, name in _AGES] + [_OLDER]
        told = ", ".join(f"{ranges[name]:,} {name}" for name in order if ranges[name])
        middle = int(statistics.median_low(self.idles_ms))
        low, high = span(min(self.idles_ms)), span(max(self.idles_ms))
        return f"idle {low} to {high}, median {span(middle)} ({told})"


def read_pending(
    ask: Asker, stream: Stream, group: str, total: int, *, min_idle_ms: int, most: int
) -> Pending:
    """Read at most `most` entries of the pending list (XPENDING), and look some of them up."""
    pending = Pending(total)
    now_ms = ask.now_ms()
    kept: list[EntryId] = []
    for row in itertools.islice(_rows(ask, stream.key, group), most):
        entry = entry_id(row[0])
        pending.looked += 1
        pending.oldest = pending.oldest or entry
        if stream.gone(entry):
            pending.trimmed.add(entry)
            continue
        _note(pending, entry, row[1:], now_ms, min_idle_ms)
        if len(kept) < _LOOKED_UP:
            kept.append(entry)
    pending.total = max(total, pending.looked) if pending.looked == most else pending.looked
    if stream.max_deleted is None or (pending.oldest and stream.max_deleted >= pending.oldest):
        _look_up(ask, stream.key, group, kept, pending)
    return pending


def _look_up(ask: Asker, key: str, group: str, entries: list[EntryId], pending: Pending) -> None:
    try:
        for entry in entries:
            if _is_deleted(ask, key, group, entry):
                pending.deleted.add(entry)
    except NotPermittedError as exc:
        pending.not_looked_up = f"; whether they still exist is unknown, {exc} is not permitted"


def _rows(ask: Asker, key: str, group: str) -> Iterator[Any]:
    start = "-"
    while page := ask("XPENDING", key, group, start, "+", str(_PAGE)):
        yield from page
        if len(page) < _PAGE:
            return
        start = f"({page[-1][0]}"


def _note(
    pending: Pending, entry: EntryId, told: Any, now_ms: int | None, min_idle_ms: int
) -> None:
    owner, idle_ms, deliveries = told
    if idle_ms < 0 and not owner:  # handed back with XNACK
        pending.unowned.add(entry)
        return
    pending.idles_ms.append(idle_ms)
    pending.owners[owner] += 1
    if idle_ms >= min_idle_ms:
        pending.abandoned.add(entry)
        pending.untouched[owner] += 1
    if deliveries > MAX_DELIVERIES:
        pending.most_deliveries = max(pending.most_deliveries, deliveries)
        polled = _is_polled(entry, idle_ms, deliveries, now_ms)
        (pending.polled if polled else pending.poison).add(entry)


def _is_polled(entry: EntryId, idle_ms: int, deliveries: int, now_ms: int | None) -> bool:
    """Whether it was delivered every few seconds since it was added; its id tells when that was."""
    if now_ms is None or deliveries < _POLLS or idle_ms >= _POLL_MS:
        return False
    return abs(now_ms - entry[0]) / deliveries < _POLL_MS


def _is_deleted(ask: Asker, key: str, group: str, entry: EntryId) -> bool:
    text = id_text(entry)
    if ask("XRANGE", key, text, text):
        return False
    # It may have been acknowledged and deleted since its page was read.
    return bool(ask("XPENDING", key, group, text, text, "1"))
