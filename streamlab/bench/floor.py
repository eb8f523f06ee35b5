"""The harness's own floor: an open loop with redis-py alone, and one whose handler is empty."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from streamlab.bench.figures import open_loop_figures
from streamlab.bench.trial import Work
from streamlab.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.bench.trial import Bench

#: λ of the floor's runs, tasks per second, and how long each is measured, in s.
RATE_PER_S = 500.0
SECONDS = 0.5
#: How often each of the two is run, in turns: the noise of the machine meets both.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Floor:
    """Median latencies in µs at `RATE_PER_S` with one consumer, medians over the rounds.

    Attributes
    ----------
    bare_p50_us
        XADD in one process, XREADGROUP and XACK in another, nothing else.
    harness_p50_us
        `TaskQueue.enqueue` and a `Worker` whose handler does nothing.
    """

    bare_p50_us: float
    harness_p50_us: float

    @property
    def ratio(self) -> float:
        """How many times the bare loop's median the package's own is."""
        return self.harness_p50_us / self.bare_p50_us


def measure_floor(bench: Bench, tick: Callable[[str], None]) -> Floor:
    """Run both in turns; `tick` is told before each run.

    Raises
    ------
    BenchError
        If a run has no median: the machine did not even do this.
    """
    medians: dict[Work, list[int]] = {Work.BARE: [], Work.NOTHING: []}
    for number in range(ROUNDS):
        for work, found in medians.items():
            tick(f"floor {number + 1}/{ROUNDS}: {work}")
            observed = bench.open_loop(1, RATE_PER_S, SECONDS, work)
            loop = open_loop_figures(observed, RATE_PER_S, SECONDS)
            p50_us = loop.corrected.quantile_us(0.5)
            if p50_us is None:
                why = "; ".join(observed.endings) or f"only {loop.corrected.count} tasks were done"
                msg = f"no floor at {RATE_PER_S:g} tasks/s ({why}): try again on a quieter machine"
                raise BenchError(msg)
            found.append(p50_us)
    return Floor(median(medians[Work.BARE]), median(medians[Work.NOTHING]))
