"""What a benchmark that waits would have said, beside what the tasks went through."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from streamlab.measure.hdr_log import CORRECTED, UNCORRECTED
from streamlab.measure.runs import Mode
from streamlab.report.charts.axes import time_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import BLUE, HOLLOW, ORANGE, Pen, canvas
from streamlab.report.charts.marks import hollow_key, key, legend
from streamlab.report.charts.rows import name_rows, right_of
from streamlab.report.chosen import by_condition, has_percentiles, planned, spread_out
from streamlab.report.phrases import invalid_text, joined, number_text, time_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

    Pairs = dict[str, tuple[float, float]]

MOST = 4
# Nearer than this the two clocks tell the same.
_APART = 1.05
_TIMES = "\N{MULTIPLICATION SIGN}"
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
_NAIVE = Pen("naive: from when it was sent", ORANGE, "s")
_TRUE = Pen("corrected: from when it was due", BLUE, "o")
_HOW = (
    "The same tasks, counted twice. A benchmark that waits for a reply before it sends the next "
    "task sends nothing while the server stands still: what should have been sent then "
    "is missing from its figures (coordinated omission). Counted from when each task was due, it "
    "is there. Medians over the valid runs; the factor says how much too small the naive figure is."
)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is drawn of a case; not valid when it has invalid runs only."""

    valid: bool
    pairs: Pairs


def pairs(results: Results, runs: Sequence[Run]) -> Pairs:
    """By percentile the naive and the corrected latency in µs; medians over the valid runs.

    Of the invalid ones where no run is valid.
    """
    mine = [run for run in runs if run.valid] or list(runs)
    found: dict[str, list[tuple[float, float]]] = {}
    for run in mine:
        logs = results.histograms(run)
        if run.p50_us is None or CORRECTED not in logs or UNCORRECTED not in logs:
            continue
        naive, true = logs[UNCORRECTED], logs[CORRECTED]
        told = {n: (naive.quantile_us(q), true.quantile_us(q)) for n, q in _QUANTILES.items()}
        for name, (low, high) in (told | {"max": (naive.max_us, true.max_us)}).items():
            if low and high:
                found.setdefault(name, []).append((low, high))
    return {
        name: (median(low for low, _ in both), median(high for _, high in both))
        for name, both in found.items()
    }


def _cases(results: Results) -> dict[str, _Told]:
    groups = by_condition(planned(results, Mode.LATENCY))
    known = {
        case: _Told(any(run.valid for run in runs), told)
        for case, runs in groups.items()
        if (told := pairs(results, runs))
    }
    return {case: known[case] for case in spread_out(list(known), MOST)}


def _draw(results: Results) -> Figure | None:
    cases = _cases(results)
    if not cases:
        return None
    heights = [len(one.pairs) for one in cases.values()]
    figure, grid = canvas(
        1.1 + sum(0.3 * rows + 0.35 for rows in heights), len(cases), 1,
        sharex=True, squeeze=False, height_ratios=heights,
    )  # fmt: skip
    for axes, (case, one) in zip(grid[:, 0], cases.items(), strict=True):
        axes.set_xscale("log")
        name_rows(axes, list(one.pairs))
        if len(cases) > 1:
            axes.set_title(case, loc="left")
        for row, both in enumerate(one.pairs.values()):
            _pair(axes, row, both, valid=one.valid)
    bottom = grid[-1, 0]
    hollow = hollow_key(cases.values(), "hollow: invalid runs only")
    time_axis(bottom.xaxis)
    bottom.set_xlabel("Latency")
    legend(figure, [key(_NAIVE, line=False), key(_TRUE, line=False), *hollow])
    return figure


def _pair(axes: Axes, row: int, both: tuple[float, float], *, valid: bool) -> None:
    axes.plot(both, [row, row], color="#b5b5b5", lw=2.2, zorder=2)
    for us, pen, size in zip(both, (_NAIVE, _TRUE), (9.5, 6.5), strict=True):
        axes.plot(
            us, row, ls="none", marker=pen.marker, ms=size, mec=pen.colour, mew=1.3, zorder=3,
            mfc=pen.colour if valid else HOLLOW,
        )  # fmt: skip
    low, high = both
    right_of(axes, row, f"{_TIMES} {number_text(high / low)}" if high >= _APART * low else "same")


def _alt(results: Results) -> str:
    parts = []
    for case, one in _cases(results).items():
        both = one.pairs.items()
        rows = [
            f"{name} {time_text(low)} and {time_text(high)}"
            if high >= _APART * low
            else f"{name} {time_text(high)} both ways"
            for name, (low, high) in both
        ]
        parts.append(f"{case}{'' if one.valid else ' (invalid runs only)'}: {'; '.join(rows)}")
    return f"Naive and corrected latency. {'. '.join(parts)}."


def _caption(results: Results) -> str:
    runs = [run for run in planned(results, Mode.LATENCY) if has_percentiles(results, run)]
    how = "left out where their case has valid ones, else drawn hollow"
    return joined(_HOW, invalid_text(runs, how=how))


NAIVE = Chart("Naive and corrected percentiles", _draw, _alt, _caption)
