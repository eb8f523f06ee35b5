"""Latency percentiles against consumers, at one λ for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.load.settings import consumers_text
from streamlab.report.charts.axes import count_axis, time_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import PERCENTILES, canvas
from streamlab.report.charts.marks import curve, hollow_key, key, legend
from streamlab.report.chosen import by_consumers, fixed_rate, medians
from streamlab.report.phrases import (
    invalid_text,
    joined,
    list_text,
    rate_text,
    time_text,
)
from streamlab.report.spread import bars_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

_HOW = (
    "From the moment a task was due, by a schedule that waits for nobody, to the end of its "
    "handler. Points are runs, lines join the medians of the valid ones. A percentile is drawn "
    "where ten samples lie beyond it."
)


def drawn_of(runs: Sequence[Run]) -> int:
    """How many of the invalid runs have a percentile that a figure can show."""
    return sum(
        not run.valid and any(getattr(run, column) is not None for column in PERCENTILES)
        for run in runs
    )


def _draw(results: Results) -> Figure | None:
    _, runs = fixed_rate(results)
    groups = by_consumers(runs)
    shown = [run for run in runs if run.p50_us is not None]
    if not shown:
        return None
    figure, axes = canvas(3.9)
    axes.set_yscale("log")
    for column, pen in PERCENTILES.items():
        curve(axes, {float(count): mine for count, mine in groups.items()}, column, pen)
    count_axis(axes, list(groups))
    time_axis(axes.yaxis)
    axes.set_ylabel("Latency from the due time")
    having = [pen for column, pen in PERCENTILES.items() if _has(runs, column)]
    legend(figure, [*map(key, having), *hollow_key(shown)])
    return figure


def _has(runs: Sequence[Run], column: str) -> bool:
    return any(getattr(run, column) is not None for run in runs)


def _alt(results: Results) -> str:
    rate, runs = fixed_rate(results)
    groups = by_consumers(runs)
    parts = []
    half, most = medians(groups, "p50_us"), medians(groups, "p99_us")
    for count in groups:
        told = [
            f"{name} {time_text(found[count])}"
            for name, found in (("p50", half), ("p99", most))
            if count in found
        ]
        if told:
            parts.append(f"{list_text(told)} with {consumers_text(count)}")
    told_rate = f" at {rate_text(rate)}" if rate else ""
    if not parts:
        return f"Latency against consumers{told_rate}: no valid run, hollow points only."
    return f"Latency against consumers{told_rate}: {'; '.join(parts)}."


def _caption(results: Results) -> str:
    rate, runs = fixed_rate(results)
    where = f"One rate for all: {rate_text(rate)}." if rate else ""
    return joined(
        where, _HOW, bars_text(by_consumers(runs).values()), invalid_text(runs, drawn_of(runs))
    )


LATENCY = Chart("Latency at one rate, against consumers", _draw, _alt, _caption)
