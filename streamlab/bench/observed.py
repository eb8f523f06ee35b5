"""What a run left behind, and which part of it counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamlab.bench.ledger import Records

#: The part of an open loop that comes before the measured one and is thrown away, as a share of it.
WARMUP_SHARE = 0.25


def first_measured(rate_per_s: float, seconds: float) -> int:
    """The number of the first task that counts: those before it are due during the warm-up."""
    return math.ceil(rate_per_s * seconds * WARMUP_SHARE)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run left behind; times in ns of `time.monotonic_ns`, which is one clock per host.

    Attributes
    ----------
    attempted
        The producer sent tasks 0 to `attempted` - 1, or was about to.
    sends
        A record for each task whose XADD was acknowledged. A backlog has no times in it.
    effects
        What the consumers did: a record for each time a handler ran to its end.
    pending, unread
        The tasks left on the stream: delivered and not acknowledged; never delivered.
    endings
        How processes ended that should not have ended like that.
    t0_ns
        When task 0 was due.
    producer_cpu
        The share of one core that the producer used; None for a backlog, or if it was killed.
    """

    attempted: int
    sends: Records
    effects: Records
    pending: list[int]
    unread: list[int]
    endings: tuple[str, ...]
    t0_ns: int = 0
    producer_cpu: float | None = None
