"""What to keep in mind about a scaling law, in words."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from streamlab.measure.spread import ratio_interval
from streamlab.model.law import ENOUGH_COUNTS, POOR_MISS

if TYPE_CHECKING:
    from collections.abc import Mapping

    Runs = Mapping[int, list[float]]

# A fall, or a gain per consumer, of this share is no longer the noise of a machine.
_FALL, _SUPERLINEAR = 0.02, 0.05


def caveats(runs: Runs, off: Mapping[int, float], peak: float, miss: float) -> list[str]:
    """What stands beside a law.

    Parameters
    ----------
    runs
        The throughputs of each count, by count, in order.
    off
        The mean logarithm of what was measured over the curve, by count.
    peak, miss
        As in `Law`.
    """
    told = [
        *_few(len(runs)),
        *_retrograde(runs),
        *_peak_beyond(peak, max(runs)),
        *_superlinear(runs),
    ]
    if miss > POOR_MISS:
        worst = max(off, key=lambda count: abs(off[count]))
        told.append(
            f"poor fit: at {worst} consumers the curve is {abs(math.expm1(-off[worst])):.0%} off; "
            "the law does not describe these figures"
        )
    return told


def _few(counts: int) -> list[str]:
    told = []
    if counts == 3:  # noqa: PLR2004 - lambda, sigma, kappa
        told.append(
            "three counts and three parameters: the curve passes through all of them, whatever "
            "they are; there are no intervals, and nothing shows whether the law holds"
        )
    if counts < ENOUGH_COUNTS:
        told.append(f"only {counts} different counts: a plan needs {ENOUGH_COUNTS} or more")
    return told


def _retrograde(runs: Runs) -> list[str]:
    at = {count: median(values) for count, values in runs.items()}
    best, largest = max(at, key=at.__getitem__), max(at)
    sure = ratio_interval(runs[largest], runs[best])
    if at[largest] >= (1 - _FALL) * at[best] or (sure is not None and sure.high >= 1):
        return []
    told = (
        f"retrograde: throughput falls from {at[best]:,.0f} tasks/s with {best} consumers to "
        f"{at[largest]:,.0f} with {largest}: more consumers finish less"
    )
    return [told]


def _peak_beyond(peak: float, largest: int) -> list[str]:
    if math.isinf(peak):
        return [f"no peak shows within the {largest} consumers that were measured"]
    if peak > largest:
        return [f"the peak, {peak:.3g} consumers, lies beyond the {largest} that were measured"]
    return []


def _superlinear(runs: Runs) -> list[str]:
    each = {count: median(values) / count for count, values in runs.items()}
    first, best = min(each), max(each, key=each.__getitem__)
    times = each[best] / each[first]
    if times <= 1 + _SUPERLINEAR:
        return []
    told = (
        f"each of {best} consumers finishes {times:.2f} times what each of {first} does: the law "
        "knows no gain from company"
    )
    return [told]
