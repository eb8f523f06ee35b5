"""What a worker tells of its work: counts at the end, and moments while it goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, repr=False)
class WorkerReport:
    """What a worker did between `Worker.run` and its return, in numbers of entries.

    Attributes
    ----------
    done
        Handled and acknowledged by us.
    failed
        The handler raised: pending until it is tried again, or given up.
    dead_lettered
        Given up: failed or delivered too often, or no task at all.
    recovered
        Of all that was read: how many had been delivered before, to us or to another.
    repeated
        With ``idempotent=True``: acknowledged without an effect, which an earlier run had had.
    overtaken
        Handled, and the acknowledgement answered 0: somebody else, or one of ours whose reply was
        lost, had given it before.
    expired
        Held too long before their turn came: left, as they may be another's.
    released
        Handed back: when we stopped, or as another's last chance came before theirs.
    gone
        Pending, and no longer on the stream (trimmed or deleted): acknowledged unrun.
    reaped
        Dead consumers without entries that were removed from the group: consumers, not entries.
    regrouped
        How often the group had vanished and was made again.
    reconnects
        How often the connection was lost or could not be made, or the server could not serve.
    """

    done: int = 0
    failed: int = 0
    dead_lettered: int = 0
    recovered: int = 0
    repeated: int = 0
    overtaken: int = 0
    expired: int = 0
    released: int = 0
    gone: int = 0
    reaped: int = 0
    regrouped: int = 0
    reconnects: int = 0

    def __repr__(self) -> str:
        """Its counts, without those that are 0."""
        told = [f"{what}={n}" for what, n in asdict(self).items() if n or what == "done"]
        return f"WorkerReport({', '.join(told)})"

    @classmethod
    def of(cls, counts: Iterable[Counter[str]]) -> WorkerReport:
        """The sum of what several loops counted."""
        return cls(**sum(counts, Counter()))


class Moment(StrEnum):
    """What a worker's observer is told of an entry."""

    DELIVERED = "delivered"
    DONE = "done"
    FAILED = "failed"
    ACKED = "acked"
    RELEASED = "released"
    DEAD_LETTERED = "dead-lettered"
