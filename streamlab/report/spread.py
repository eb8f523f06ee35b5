"""A median with its interval, or a ratio of two: what sentences and figures tell of a few runs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from streamlab.measure.spread import coverage, interval, ratio_interval
from streamlab.report.phrases import percent_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamlab.measure.runs import Run
    from streamlab.measure.spread import Interval

_ASKED = 0.95


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure with its interval.

    Attributes
    ----------
    value
        The median over the runs, or a ratio of two medians.
    interval
        None for fewer than three runs, of which nobody can say how much they vary.
    """

    value: float
    interval: Interval | None

    @property
    def told_apart(self) -> bool:
        """Of a ratio: whether it is surely not 1."""
        return self.interval is not None and 1 not in self.interval


def spread(values: Sequence[float]) -> Spread | None:
    """The median of `values` and its bootstrap interval; None of nothing."""
    return Spread(median(values), interval(values)) if values else None


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread | None:
    """The median of `over` through that of `under`, with its interval; None without both."""
    if not over or not under or min(*over, *under) <= 0:
        return None
    return Spread(median(over) / median(under), ratio_interval(over, under))


def bars_text(groups: Iterable[Sequence[Run]]) -> str:
    """What the intervals of a figure are, and how sure: that depends on the number of runs."""
    counts = [sum(run.valid for run in runs) for runs in groups]
    few = min((count for count in counts if count), default=0)
    if max(counts, default=0) < 3:  # noqa: PLR2004 - measure.spread.FEWEST_RUNS
        return "There are no intervals: these take three valid runs at least." if few else ""
    few = max(few, 3)
    sure = min(_ASKED, coverage(few))
    told = percent_text(round(sure, 2))
    return f"Bars are bootstrap intervals of the median ({told} sure with {few} runs)."
