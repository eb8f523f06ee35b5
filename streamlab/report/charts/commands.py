"""One command again and again: its round trip, and the server's own time for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streamlab.measure.runs import Mode
from streamlab.report.charts.axes import compact_axis, time_axis
from streamlab.report.charts.cases import dot_rows, having
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import GREEN, P50, P99, PENS, Pen, canvas
from streamlab.report.charts.marks import curve, hollow_key, key, legend
from streamlab.report.chosen import grouped, middle, planned
from streamlab.report.phrases import invalid_text, joined, list_text, number_text, time_text
from streamlab.report.series import series_of
from streamlab.report.spread import bars_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run


_SERVER = Pen("server's own", GREEN, "D")
_COLUMNS = {"p50_us": P50, "p99_us": P99, "server_task_us": _SERVER}
_PANELS = {
    "p50_us": "Round trip, p50",
    "p99_us": "Round trip, p99",
    "server_task_us": "The server's own time",
}
_HEIGHT_IN = 3.9
_HOW = (
    "A command in a closed loop, one call at a time. Round trip: from its sending to its reply, "
    "as the client sees it. The server's own time is what INFO commandstats counts, without the "
    "network and the client. Points are runs, lines join the medians of the valid ones."
)


def _runs(results: Results) -> list[Run]:
    return [
        run
        for run in planned(results, Mode.COMMAND)
        if any(getattr(run, column) is not None for column in _COLUMNS)
    ]


def _draw(results: Results) -> Figure | None:
    runs = _runs(results)
    if not runs:
        return None
    series = series_of(runs)
    if series is None or max(map(len, series.values())) == 1:
        return _as_rows(results, runs)
    columns = [c for c in _PANELS if any(getattr(run, c) is not None for run in runs)]
    figure, grid = canvas(_HEIGHT_IN, 1, len(columns), sharex=True, sharey=True, squeeze=False)
    pens = [replace(PENS[at % len(PENS)], label=text) for at, text in enumerate(series)]
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_xscale("log")
        axes.set_yscale("log")
        for pen, points in zip(pens, series.values(), strict=True):
            curve(axes, points, column, pen)
        axes.set_title(_PANELS[column], loc="left")
    compact_axis(grid[0, 0].xaxis)
    time_axis(grid[0, 0].yaxis)
    figure.supxlabel(results.manifest.get("axis", ""), fontsize=9.5)
    legend(figure, [*map(key, pens), *hollow_key(runs)])
    return figure


def _as_rows(results: Results, runs: Sequence[Run]) -> Figure:
    groups = having(grouped(runs, lambda run: run.case), _COLUMNS)
    figure, axes = dot_rows(groups, _COLUMNS, results.manifest.get("axis", ""))
    axes.set_xscale("log")
    time_axis(axes.xaxis)
    axes.set_xlabel("Time of one call")
    legend(figure, [*(key(pen, line=False) for pen in _COLUMNS.values()), *hollow_key(runs)])
    return figure


def _alt(results: Results) -> str:
    runs = _runs(results)
    series = series_of(runs)
    if series is None:
        groups = grouped(runs, lambda run: run.case)
        return f"Time of one call. {'. '.join(_told(case, groups[case]) for case in groups)}."
    told = [
        _told(f"{text} {number_text(number)}", points[number])
        for text, points in series.items()
        for number in sorted({min(points), max(points)})
    ]
    return f"Time of one call at the ends of each line. {'. '.join(told)}."


def _told(name: str, runs: Sequence[Run]) -> str:
    known = [
        f"{pen.label} {time_text(us)}"
        for column, pen in _COLUMNS.items()
        if (us := middle(runs, column)) is not None
    ]
    return f"{name}: {list_text(known) or 'no valid run'}"


def _caption(results: Results) -> str:
    runs = _runs(results)
    return joined(_HOW, bars_text(grouped(runs, lambda run: run.case).values()), invalid_text(runs))


COMMANDS = Chart("One command: round trip and server", _draw, _alt, _caption)
