"""What was told of each task, packed into one integer a task, for so many tasks as there is room.

The integer, from its lowest bit: 8 bits of `Told`; 32 bits that count the task's events; above
them attempts - refusals, which may be negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.history.classes import Told
from streamlab.history.events import Kind
from streamlab.history.ledger import scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from streamlab.history.ledger import TornLine

_EVENT, _ATTEMPT = 1 << 8, 1 << 40
_FLAGS, _EVENTS = _EVENT - 1, _ATTEMPT - 1
# Plain integers: an IntFlag takes microseconds for what these take nanoseconds.
_EFFECT, _EFFECT_AGAIN = int(Told.EFFECT), int(Told.EFFECT_AGAIN)
_NOT_REFUSED = int(Told.NOT_REFUSED)

#: What each kind sets, and what it adds. A fault is of no task.
_STEPS: dict[bytes, tuple[int, int]] = {
    kind.encode(): (int(flag), _EVENT + attempts * _ATTEMPT)
    for kind, flag, attempts in (
        (Kind.ATTEMPTED, 0, 1),
        (Kind.ACKNOWLEDGED, Told.ACKNOWLEDGED, 0),
        (Kind.UNKNOWN, Told.UNKNOWN, 0),
        (Kind.REFUSED, Told.REFUSED, -1),
        (Kind.DELIVERED, 0, 0),
        (Kind.EFFECT, Told.EFFECT, 0),
        (Kind.ACKED, 0, 0),
        (Kind.RELEASED, 0, 0),
        (Kind.DEAD_LETTERED, Told.DEAD_LETTERED, 0),
        (Kind.SERVER_LOST, Told.SERVER_LOST, 0),
        (Kind.REMAINING, Told.REMAINING, 0),
    )
}

#: Bytes that tasks may take in memory at a time: 1.3 million tasks whose ids are UUIDs.
ROOM = 256 << 20
#: Bytes that a task takes besides its id (measured: 130 to 170).
_PER_TASK = 170


def told(state: int) -> int:
    """The bits of `Told` in a packed integer."""
    return state & _FLAGS | (_NOT_REFUSED if state >= _ATTEMPT else 0)


def events_told(state: int) -> int:
    """How many events a packed integer stands for."""
    return (state & _EVENTS) >> 8


def tallies(paths: Sequence[Path], torn: list[TornLine]) -> Iterator[dict[bytes, int]]:
    """What was told of each task, by its id as the ledgers write it; each task comes once.

    As long as all tasks have room, the ledgers are read once. When they have not, half of the
    tasks, by the hash of the id, are put off until the ledgers are read again, and so on.
    """
    passes = [(1, 0)]
    first = True
    while passes:
        parts, part = passes.pop()
        states, halved = _pass(paths, torn if first else [], parts, part)
        while parts < halved:
            passes.append((2 * parts, part + parts))
            parts *= 2
        first = False
        yield states
        states.clear()  # its room is the next pass's, even if the caller still holds it


def _pass(
    paths: Sequence[Path], torn: list[TornLine], parts: int, part: int
) -> tuple[dict[bytes, int], int]:
    """What was told of the tasks of hash `part` modulo `parts`, or a multiple, which is returned.

    Raised to a multiple, the modulus selects a subset of the tasks selected before: what was
    kept until then is complete.
    """
    states: dict[bytes, int] = {}
    taken = 0
    for path in paths:
        for line in scan(path, torn):
            kind, task = line.group(1, 2)
            if hash(task) % parts != part or kind not in _STEPS:
                continue
            flag, added = _STEPS[kind]
            state = states.get(task)
            if state is None:
                states[task] = flag + added
                taken += len(task) + _PER_TASK
                if taken > ROOM and len(states) > 1:
                    parts *= 2
                    states = {t: s for t, s in states.items() if hash(t) % parts == part}
                    taken = sum(map(len, states)) + _PER_TASK * len(states)
            else:
                if flag == _EFFECT and state & _EFFECT:
                    flag = _EFFECT_AGAIN
                states[task] = (state | flag) + added
    return states, parts
