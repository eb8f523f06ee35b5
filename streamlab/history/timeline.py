"""The story of one broken task: who did what to it, when, and what was broken meanwhile."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.history.classes import TaskClass
from streamlab.history.events import Event, Kind
from streamlab.history.ledger import scan
from streamlab.history.lines import to_event, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

#: A story has so many events at most: a half from its beginning, a half from its end.
MOST_EVENTS = 40
#: And so many faults, those nearest to its events.
MOST_FAULTS = 10
_BATCH = 1_000
_ORDER = {kind: number for number, kind in enumerate(Kind)}
_SHOWN, _SHOWN_DETAIL = 40, 100
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened to one task, in order of time.

    Attributes
    ----------
    task_id
        The task.
    broken
        The class that makes it broken.
    events
        Its events, and the faults from its first event to its last. A lost task's story has no
        end: for it, to the end of the history.
    events_left_out
        How many events from the middle of a long story are not in `events`.
    faults_left_out
        How many faults farther from the task's events are not in `events`.
    """

    task_id: str
    broken: TaskClass
    events: tuple[Event, ...]
    events_left_out: int = 0
    faults_left_out: int = 0

    def lines(self) -> list[str]:
        """The story as aligned text: time since its first event, actor, what, entry id, detail."""
        rows = [
            (
                f"{(event.at_ns - self.events[0].at_ns) / _NS_PER_MS:,.3f} ms",
                shown(event.actor),
                event.kind,
                shown(event.entry_id),
                shown(event.detail, _SHOWN_DETAIL),
            )
            for event in self.events
        ]
        time, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = [f"the shortest timeline: task {shown(self.task_id)} is {self.broken}"]
        for at, *texts in rows:
            cells = map(str.ljust, texts, widths)
            lines.append("  ".join(["", at.rjust(time), *cells]).rstrip())
        if self.events_left_out:
            lines.append(f"  … {self.events_left_out:,} more of its events, from the middle")
        if self.faults_left_out:
            lines.append(f"  … {self.faults_left_out:,} more faults, farther from its events")
        return lines


def shown(text: str, most: int = _SHOWN) -> str:
    r"""`text` fit for a terminal: what does not print is escaped, a long one loses its middle."""
    if len(text) > most:
        tail = most // 2
        text = f"{text[: most - tail - 1]}…{text[-tail:]}"
    return "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def timeline_of(paths: Sequence[Path], task: bytes, broken: TaskClass) -> Timeline:
    """The story of `task`, an id as the ledgers write it; reads them twice, keeps little of them.

    Raises
    ------
    LedgerError
        If a ledger cannot be read.
    """
    events, events_left_out = _kept(_events(paths, task=task), _ends)
    until_ns = math.inf if broken is TaskClass.LOST else events[-1].at_ns
    times_ns = [event.at_ns for event in events]

    def nearest(faults: Iterable[Event]) -> list[Event]:
        return heapq.nsmallest(MOST_FAULTS, faults, key=lambda f: (_gap_ns(f), *_order(f)))

    def _gap_ns(fault: Event) -> int:
        return min(abs(fault.at_ns - at_ns) for at_ns in times_ns)

    meanwhile = (f for f in _events(paths) if times_ns[0] <= f.at_ns <= until_ns)
    faults, faults_left_out = _kept(meanwhile, nearest)
    story = tuple(sorted([*events, *faults], key=_order))
    return Timeline(to_text(task), broken, story, events_left_out, faults_left_out)


def _events(paths: Sequence[Path], task: bytes | None = None) -> Iterator[Event]:
    """The events of `task`, or the faults."""
    fault = Kind.FAULT.encode()
    for path in paths:
        for line in scan(path, []):
            kind, of = line.group(1, 2)
            if kind == fault if task is None else of == task and kind != fault:
                yield to_event(line)


def _kept(
    events: Iterable[Event], keep: Callable[[Iterable[Event]], list[Event]]
) -> tuple[list[Event], int]:
    """What `keep` keeps of `events`, and how many it does not; never more than a batch is held."""
    held: list[Event] = []
    left_out = 0
    for event in events:
        held.append(event)
        if len(held) == _BATCH:
            held = keep(held)
            left_out += _BATCH - len(held)
    kept = keep(held)
    return kept, left_out + len(held) - len(kept)


def _ends(events: Iterable[Event]) -> list[Event]:
    ordered = sorted(events, key=_order)
    half = MOST_EVENTS // 2
    return ordered if len(ordered) <= MOST_EVENTS else ordered[:half] + ordered[-half:]


def _order(event: Event) -> tuple[int, int, str, str, str]:
    # By cause where the clock does not tell, so that the order of the ledgers changes nothing.
    return event.at_ns, _ORDER[event.kind], event.actor, event.entry_id, event.detail
