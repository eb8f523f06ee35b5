"""How sure a median over a few runs is: bootstrap intervals, and what they cannot say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamlab.errors import BadArgumentError
from streamlab.load.settings import check_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

#: With fewer runs there is no interval: two say that something varies, not how much.
FEWEST_RUNS = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included, in the unit of what it is an interval of."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:.3g} to {self.high:.3g}"


def of_draws(draws: Floats, confidence: float = 0.95) -> Interval:
    """The percentile interval of bootstrap draws, which may be infinite.

    Its ends are draws, never something between two: between a number and infinity is nothing.
    """
    beyond = (1 - confidence) / 2
    ends = np.quantile(draws, [beyond, 1 - beyond], method="inverted_cdf")
    return Interval(float(ends[0]), float(ends[1]))


def interval(
    values: Sequence[float],
    statistic: Callable[..., Floats] = np.median,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 1,
) -> Interval | None:
    """The bootstrap percentile interval of a statistic over runs; None for fewer than three.

    The bootstrap knows no other runs than those it is given: the interval of a median never
    leaves their smallest and their largest, and of three to five runs it is these two. How sure
    that is, `coverage` tells: 75 % for three runs, 94 % for five, whatever `confidence` asks.
    Six runs are the fewest for which 95 % is more than a word. What all the runs share, a slow
    machine or a wrong setting, is in no interval.

    Parameters
    ----------
    values
        One figure a run, in any unit.
    statistic
        A function of an array and an ``axis``: ``numpy.median``, ``numpy.mean``.
    confidence
        In (0, 1).
    draws
        How many samples are drawn with replacement, 100 to 100,000.
    seed
        Of the drawing: the same values give the same interval.

    Raises
    ------
    BadArgumentError
        A value is not finite, or a parameter is out of its bounds.

    References
    ----------
    Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.
    """
    runs = _finite("values", values)
    _check(confidence, draws)
    if len(runs) < FEWEST_RUNS:
        return None
    return of_draws(_drawn(runs, statistic, draws, np.random.default_rng(seed)), confidence)


def ratio_interval(
    a: Sequence[float],
    b: Sequence[float],
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 1,
) -> Interval | None:
    """The bootstrap interval of median(a) / median(b); None if one has fewer than three runs.

    Of equals, chance alone gives an interval without 1 in about `false_alarms` of the comparisons.
    Values must be > 0; else as `interval`.
    """
    return quotient_interval([a], [b], confidence, draws, seed)


def quotient_interval(
    over: Sequence[Sequence[float]],
    under: Sequence[Sequence[float]],
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 1,
) -> Interval | None:
    """The interval of the medians of `over`, multiplied, over those of `under`, multiplied.

    With ``over=[after, bare_before], under=[before, bare_after]`` it is that of a ratio which the
    machine's own change is taken out of. Values must be > 0; else as `interval`.
    """
    _check(confidence, draws)
    rng = np.random.default_rng(seed)
    quotient = np.ones(draws)
    for sets, sign in ((over, 1), (under, -1)):
        for values in sets:
            runs = _positive(values)
            if len(runs) < FEWEST_RUNS:
                return None
            quotient *= _drawn(runs, np.median, draws, rng) ** sign
    return of_draws(quotient, confidence)


def coverage(runs: int) -> float:
    """How often the median of all possible runs lies between the least and the greatest of `runs`.

    1 - 2 * 0.5^runs, for runs that know nothing of each other, whatever their distribution (David,
    Nagaraja: Order Statistics, 2003, section 7.1): only all on one side of it miss it.
    """
    check_number("runs", runs, int, 1, 10**9)
    return 1 - 2 * 0.5**runs


def false_alarms(runs: int) -> float:
    """How often chance alone sets two equals apart, with so many runs a side, about.

    Measured on lognormal figures, 1,500 pairs each; for three it is 2 / 20, the chance that all of
    one side lie above all of the other. Two of 20 lines of a comparison of three runs a side.
    """
    check_number("runs", runs, int, FEWEST_RUNS, 10**9)
    return {3: 0.10, 4: 0.07}.get(runs, 0.04)


def _drawn(
    runs: Floats, statistic: Callable[..., Floats], draws: int, rng: np.random.Generator
) -> Floats:
    return statistic(runs[rng.integers(0, len(runs), (draws, len(runs)))], axis=1)


def _finite(what: str, values: Sequence[float]) -> Floats:
    runs = np.asarray(values, np.float64)
    if runs.ndim != 1 or not np.isfinite(runs).all():
        msg = f"{what} must be finite numbers in a row, got {values!r:.80}"
        raise BadArgumentError(msg)
    return runs


def _positive(values: Sequence[float]) -> Floats:
    runs = _finite("values of a ratio", values)
    if (runs <= 0).any():
        msg = f"values of a ratio must be > 0, got {float(runs.min()):g}: leave that run out"
        raise BadArgumentError(msg)
    return runs


def _check(confidence: float, draws: int) -> None:
    if not (math.isfinite(confidence) and 0 < confidence < 1):
        msg = f"confidence must lie between 0 and 1, got {confidence!r}: 0.95 is usual"
        raise BadArgumentError(msg)
    check_number("draws", draws, int, 100, 100_000)
