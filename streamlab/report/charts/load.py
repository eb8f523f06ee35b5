"""Latency percentiles against the load, as a share of each case's own capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import FixedLocator, FuncFormatter

from streamlab.report.charts.axes import time_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.latency import drawn_of
from streamlab.report.charts.look import PERCENTILES, canvas
from streamlab.report.charts.marks import curve, hollow_key, key, legend
from streamlab.report.chosen import grouped, loaded, medians, spread_out
from streamlab.report.phrases import invalid_text, joined, percent_text, time_text
from streamlab.report.spread import bars_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

#: How many cases have a panel; past this they are too small to read.
MOST = 6
_HOW = (
    "The load is λ as a share of the case's own capacity, so that 80 % is another rate in each "
    "panel. Points are runs, lines join the medians of the valid ones. Near 100 % a queue grows "
    "without bound: a run in which it did has no percentiles."
)


def _cases(results: Results) -> dict[str, list[Run]]:
    every = grouped(loaded(results), lambda run: run.case)
    having = [case for case, runs in every.items() if any(run.p50_us for run in runs)]
    return {case: every[case] for case in spread_out(having, MOST)}


def _draw(results: Results) -> Figure | None:
    cases = _cases(results)
    if not cases:
        return None
    cols = min(3, len(cases))
    rows = -(-len(cases) // cols)
    figure, grid = canvas(
        0.8 + 2.7 * rows if cols > 1 else 3.9, rows, cols, sharex=True, sharey=True, squeeze=False
    )
    panels = grid.flat
    for axes, (case, runs) in zip(panels, cases.items(), strict=False):
        axes.set_yscale("log")
        by_load = grouped(sorted(runs, key=lambda run: run.share or 0), lambda run: run.share or 0)
        for column, pen in PERCENTILES.items():
            curve(axes, by_load, column, pen)
        axes.set_title(case, loc="left")
        axes.set_xlim(0, 1.04)
        ticks = [0.2, 0.5, 0.8] if cols > 1 else [0, 0.2, 0.4, 0.6, 0.8, 1]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent_text(value)))
    for axes in list(grid.flat)[len(cases) :]:
        axes.set_visible(False)
    time_axis(grid[0, 0].yaxis)
    figure.supxlabel("Load, as a share of the case's own capacity", fontsize=9.5)
    figure.supylabel("Latency from the due time", fontsize=9.5)
    every = [run for runs in cases.values() for run in runs if run.p50_us is not None]
    legend(figure, [*map(key, PERCENTILES.values()), *hollow_key(every)])
    return figure


def _alt(results: Results) -> str:
    parts = []
    for case, runs in _cases(results).items():
        found = medians(grouped(runs, lambda run: run.share or 0), "p99_us")
        if found:
            ends = sorted({min(found), max(found)})
            told = [f"{time_text(found[load])} at {percent_text(load)} load" for load in ends]
            parts.append(f"{case}: p99 {' and '.join(told)}")
    if not parts:
        return "Latency against load: no valid run has a p99."
    return f"Latency against load. {'. '.join(parts)}."


def _caption(results: Results) -> str:
    runs = loaded(results)
    bars = bars_text(grouped(runs, lambda run: (run.case, run.share)).values())
    cases = len({run.case for run in runs})
    some = f"{MOST} of {cases} cases are drawn." if cases > MOST else ""
    return joined(_HOW, bars, some, invalid_text(runs, drawn_of(runs)))


LOAD = Chart("Latency against load", _draw, _alt, _caption)
