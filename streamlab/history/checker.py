"""The checker: it reads what everybody noted, and names what went wrong.

It knows nothing of queues or of Redis, and shares no code with them: it is the oracle.
"""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError, LedgerError
from streamlab.history.classes import TaskClass, Told, classes_of
from streamlab.history.lines import to_text
from streamlab.history.tally import events_told, tallies, told
from streamlab.history.timeline import timeline_of
from streamlab.history.verdict import BAD, Verdict, broken_classes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamlab.history.ledger import TornLine

#: So many task ids are named for each bad class.
_EXAMPLES = 5

# The number of a task's events, and its id as the ledgers write it: ordered, shortest first.
_Shortest = list[tuple[int, bytes]]


def check(
    paths: Sequence[Path | str],
    *,
    seed: int | None = None,
    replay: str | None = None,
    expect_exactly_once: bool = False,
) -> Verdict:
    """Classify every task of a history that has ended, and judge it.

    The ledgers are read once if their tasks have room in memory (`tally.ROOM`, 256 MiB), else
    once more for each part of them; and twice more for the timeline of a history that is not
    valid. No server is asked, nothing is written.

    Parameters
    ----------
    paths
        Every ledger of the history, in any order.
    seed
        What the run was drawn from; printed with the verdict.
    replay
        The line that runs it again; printed when the history is not valid.
    expect_exactly_once
        Whether a task with two effects makes the history not valid, as where effects carry an
        idempotency key.

    Raises
    ------
    BadArgumentError
        If there is no ledger, or one is named twice: its effects would count twice.
    LedgerError
        If a ledger cannot be read or holds a line that is no event, or all are empty.
    """
    ledgers = _checked(paths)
    torn: list[TornLine] = []
    found, shortest = _classified(ledgers, torn)
    if not found:
        msg = f"no event of any task in {len(ledgers)} ledgers: an empty history proves nothing"
        raise LedgerError(f"{msg}; name the files that the producer and the consumers wrote")
    must_be_empty = broken_classes(exactly_once=expect_exactly_once)
    broken = next((name for name in must_be_empty if shortest[name]), None)
    return Verdict(
        **_counts(found),
        torn=tuple(sorted(torn, key=lambda line: (str(line.path), line.offset))),
        examples={name: tuple(to_text(task) for _, task in shortest[name]) for name in BAD},
        timeline=timeline_of(ledgers, shortest[broken][0][1], broken) if broken else None,
        exactly_once_expected=expect_exactly_once,
        seed=seed,
        replay=replay,
    )


def _checked(paths: Sequence[Path | str]) -> list[Path]:
    ledgers = [Path(path) for path in paths]
    if not ledgers:
        msg = "paths must name at least one ledger, got none: name every file of the history"
        raise BadArgumentError(msg)
    (path, times), *_ = Counter(path.resolve() for path in ledgers).most_common(1)
    if times > 1:
        msg = f"paths must name a ledger once, got {path} {times} times: leave the others out"
        raise BadArgumentError(msg)
    return ledgers


def _classified(
    ledgers: Sequence[Path], torn: list[TornLine]
) -> tuple[Counter[int], dict[TaskClass, _Shortest]]:
    """How many tasks have each combination of `Told`, and the shortest tasks of each bad class."""
    found: Counter[int] = Counter()
    shortest: dict[TaskClass, _Shortest] = {name: [] for name in BAD}
    for states in tallies(ledgers, torn):
        here = Counter(map(told, states.values()))
        found += here
        for name in BAD:
            members = {bits for bits in here if name in classes_of(Told(bits))}
            shortest[name] = _shortest(shortest[name], states, members)
    return found, shortest


def _counts(found: Counter[int]) -> dict[str, int]:
    counts = dict.fromkeys(map(str, TaskClass), 0)
    for bits, tasks in found.items():
        for name in classes_of(Told(bits)):
            counts[name] += tasks
    return counts


def _shortest(known: _Shortest, states: Mapping[bytes, int], members: set[int]) -> _Shortest:
    if not members:
        return known
    more = ((events_told(s), task) for task, s in states.items() if told(s) in members)
    return heapq.nsmallest(_EXAMPLES, chain(known, more))
