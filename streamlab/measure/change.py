"""One figure before and after: the ratio of the medians, its interval, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

from streamlab.measure.spread import FEWEST_RUNS, Interval, quotient_interval, ratio_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    Values = Sequence[float]

#: A difference below this share is not told: it is of no use, and a shared machine drifts as much.
SMALLEST = 0.02


class Verdict(StrEnum):
    """What became of a figure."""

    FASTER = "faster"
    SLOWER = "slower"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure of two folders.

    Attributes
    ----------
    case
        Of what; with the rate or the load of a latency.
    figure
        ``tasks/s``, ``p50 µs``, ``p99 µs``, or what a ratio is one of.
    before, after
        Medians over the valid runs; None without any.
    ratio, interval
        After over before, with the 95 % bootstrap interval over the runs.
    to_bare, to_bare_interval
        The same after the change of the bare loop of the same runs is taken out of it.
    verdict, reason
        What it comes to, and why.
    rests_on
        What a verdict is taken from: ``seconds and bare loop``, where there is one; ``seconds``;
        ``its rounds`` for the bare loop itself, and for a ratio to it.
    runs
        Valid runs before and after.
    """

    case: str
    figure: str
    before: float | None
    after: float | None
    ratio: float | None
    interval: Interval | None
    to_bare: float | None
    to_bare_interval: Interval | None
    verdict: Verdict
    reason: str
    rests_on: str
    runs: tuple[int, int]

    def cells(self) -> tuple[str, ...]:
        """A row of a table."""
        inside = self.interval
        return (
            self.case,
            self.figure,
            _number(self.before),
            _number(self.after),
            "-" if self.ratio is None else f"{self.ratio:.3f}",
            "-" if inside is None else f"{inside.low:.3f} to {inside.high:.3f}",
            "-" if self.to_bare is None else f"{self.to_bare:.3f}",
            f"{self.verdict}: {self.reason or f'by {self.rests_on}'}",
        )


_HEAD = ("", "", "before", "after", "ratio", "95 % interval", "to bare", "verdict")
_WHOLE_FROM = 1000


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.4g}"


def table(changes: Sequence[Change]) -> list[str]:
    """The changes as lines of text, under a head."""
    rows = [_HEAD, *(change.cells() for change in changes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    widths.append(0)  # the last is as wide as it is
    pairs = [zip(row, widths, strict=True) for row in rows]
    return ["  ".join(cell.ljust(width) for cell, width in pair) for pair in pairs]


def changed(
    case: str,
    figure: str,
    before: Values,
    after: Values,
    *,
    more_is_better: bool,
    bare: tuple[Values, Values] = ((), ()),
    rests_on: str = "seconds",
    doubt: str = "",
) -> Change:
    """Compare a figure's values, one a run.

    "Faster" and "slower" need an interval without 1 and a difference of 2 % or more. How much of
    a task's time the machine is to blame for is unknown, somewhere between nothing and all of it;
    what is true of the seconds and of the seconds over the bare loop's is true of all between. So
    both intervals must say the same: of equals, on a machine that drifted by 10 %, 3 % were set
    apart by chance, where the seconds alone set apart a fifth to two thirds.

    Parameters
    ----------
    more_is_better
        Whether a larger value is the faster one.
    bare
        The bare loop's figures before and after, one a round; empty when it was not measured.
    rests_on
        What the values are.
    doubt
        A reason for which nothing can be told; empty when there is none.
    """
    inside, ratio = ratio_interval(after, before), _over(after, before)
    drift = _over(bare[1], bare[0])
    cleaned = None if ratio is None or drift is None else ratio / drift
    cleaned_inside = quotient_interval([after, bare[0]], [before, bare[1]])
    way = Verdict.FASTER if ((ratio or 1) > 1) == more_is_better else Verdict.SLOWER
    reason = doubt or _unsure(ratio, inside, (len(before), len(after)))
    if not reason and cleaned is not None and not _agrees(ratio, cleaned, cleaned_inside):
        beside = "has too few rounds" if cleaned_inside is None else f"leaves {cleaned_inside}"
        reason = f"by seconds alone {way}, but the bare loop {beside}"
    return Change(
        case=case,
        figure=figure,
        before=median(before) if before else None,
        after=median(after) if after else None,
        ratio=ratio,
        interval=inside,
        to_bare=cleaned,
        to_bare_interval=cleaned_inside,
        verdict=Verdict.CANNOT_TELL if reason else way,
        reason=reason,
        rests_on=rests_on if drift is None else "seconds and bare loop",
        runs=(len(before), len(after)),
    )


def _over(after: Values, before: Values) -> float | None:
    return median(after) / median(before) if after and before else None


def _unsure(ratio: float | None, inside: Interval | None, runs: tuple[int, int]) -> str:
    """Why the seconds by themselves say nothing; nothing when they do."""
    if ratio is None or inside is None:
        return f"fewer than {FEWEST_RUNS} valid figures on a side: {runs[0]} and {runs[1]}"
    if 1 in inside:
        return "the interval contains 1"
    if max(ratio, 1 / ratio) < 1 + SMALLEST:
        return f"a difference below {SMALLEST:.0%}"
    return ""


def _agrees(ratio: float | None, cleaned: float, inside: Interval | None) -> bool:
    """Whether the seconds over the bare loop's say the same, and surely."""
    same_side = (cleaned > 1) == ((ratio or 1) > 1)
    return inside is not None and 1 not in inside and same_side
