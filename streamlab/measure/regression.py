"""Whether the package has become slower than a baseline says, by ratios and not by seconds."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from streamlab.errors import BenchError
from streamlab.load.settings import check_number
from streamlab.measure.spread import FEWEST_RUNS, Interval, interval

if TYPE_CHECKING:
    from streamlab.measure.folder import Results

#: How much worse than the baseline's median a ratio may be, as a share.
TOLERANCE = 0.25
# Of the manifest's floor: entry, what it is in words, whether more is better.
_RATIOS = (
    ("p50_ratios", "median latency, in times the bare loop's", False),
    ("throughput_ratios", "throughput, in times the bare loop's", True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A ratio of ours to the bare loop of the same run, held against a baseline's.

    Attributes
    ----------
    figure
        What it is, in words.
    baseline, now
        Medians over the rounds.
    interval
        Of `now`, 95 %; None for fewer than three rounds.
    limit
        What it was not to pass.
    worse
        Whether all of the interval lies beyond the limit; None when there is no interval.
    words
        What it comes to.
    """

    figure: str
    baseline: float
    now: float
    interval: Interval | None
    limit: float
    worse: bool | None
    words: str


def regressions(
    baseline: Results, now: Results, *, tolerance: float = TOLERANCE
) -> list[Regression]:
    """What became of the ratios: two runs on different machines may be held together by them.

    Parameters
    ----------
    tolerance
        A latency may be `tolerance` above the baseline's, as a share, 0 to 10, and a throughput
        may be the baseline's over 1 + `tolerance`.

    Raises
    ------
    BenchError
        A folder has no floor.
    """
    check_number("tolerance", tolerance, float, 0, 10)
    return [
        _held(figure, _ratios(baseline, name), _ratios(now, name), tolerance, more_is_better=more)
        for name, figure, more in _RATIOS
    ]


def _ratios(results: Results, name: str) -> list[float]:
    ratios: list[float] = (results.manifest.get("floor") or {}).get(name) or []
    if not ratios:
        msg = f"{results.path} has no {name} in its floor: measure again, with `study.floor()`"
        raise BenchError(msg)
    return ratios


def _held(
    figure: str, old: list[float], new: list[float], tolerance: float, *, more_is_better: bool
) -> Regression:
    was, is_now, inside = median(old), median(new), interval(new)
    limit = was / (1 + tolerance) if more_is_better else was * (1 + tolerance)
    worse = None
    if inside is not None:
        worse = inside.high < limit if more_is_better else inside.low > limit
    rule = f"the limit is {limit:.3g}, {tolerance:.0%} worse than the baseline's {was:.3g}"
    if worse is None:
        verdict = f"cannot tell, {len(new)} rounds are fewer than {FEWEST_RUNS}"
    elif worse:
        verdict = f"worse: all of the interval, {inside}, lies beyond"
    else:
        verdict = f"not worse: not all of the interval, {inside}, lies beyond"
    return Regression(
        figure=figure,
        baseline=was,
        now=is_now,
        interval=inside,
        limit=limit,
        worse=worse,
        words=f"{figure}: {is_now:.3g} now; {rule}; {verdict}",
    )
