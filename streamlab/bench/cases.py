"""Cases side by side: the capacity of each, then the latency of each at one rate for all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamlab.bench.consumers import AUTO_SHARE, auto_rate_per_s, latency_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamlab.bench.study import Study
    from streamlab.load.settings import Load

# One producer process keeps this with ease, so that it is never what a case is held back by.
_HIGHEST_PER_S = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """What is compared, and for how long.

    Attributes
    ----------
    loads
        What producer and consumers are, by the name of the case, in the order of the figures.
    persistence
        Of the server, for the cases where it is not ``"none"``.
    capacity_of
        The cases whose capacity is measured; empty for all.
    share
        λ of the latency runs, as a share of the smallest capacity measured, in (0, 1); no more
        than 1,000 tasks/s.
    capacity_s, latency_s
        A run is measured no longer than the size's seconds, nor than this, in s, > 0. A latency
        run lasts until there are enough tasks for a p99, up to five times that.
    """

    loads: Mapping[str, Load]
    persistence: Mapping[str, str] = field(default_factory=dict)
    capacity_of: tuple[str, ...] = ()
    share: float = AUTO_SHARE
    capacity_s: float = 0.8
    latency_s: float = 2.0

    def measure(self, study: Study) -> None:
        """Capacity first, since λ depends on it; then the harness's floor, then latency.

        The seed of a latency run is its repeat's number: where arrivals are random they are the
        same for all cases, and others in each repeat.
        """
        measured = self.capacity_of or tuple(self.loads)
        floor = 0 if study.size.tiny else 6
        study.add_facts({"cases": list(self.loads)})
        study.expect(study.size.repeats * (len(measured) + len(self.loads)) + floor)
        seconds = min(self.capacity_s, study.size.seconds)
        for repeat, case in study.shuffled(measured):
            persistence = self.persistence.get(case, "none")
            study.capacity(case, self.loads[case], repeat, seconds=seconds, persistence=persistence)
        if floor:
            study.floor()
        rate_per_s = min(_HIGHEST_PER_S, auto_rate_per_s(study, measured, self.share))
        seconds = latency_seconds(min(self.latency_s, study.size.seconds), rate_per_s)
        study.add_facts({"latency": {"rate_per_s": rate_per_s, "seconds": round(seconds, 3)}})
        for repeat, case in study.shuffled(list(self.loads)):
            load = replace(self.loads[case], seed=repeat)
            persistence = self.persistence.get(case, "none")
            study.latency(case, load, rate_per_s, repeat, seconds=seconds, persistence=persistence)
