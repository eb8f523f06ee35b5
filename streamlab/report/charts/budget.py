"""Where a message spends its time: the parts of its latency end to end, and the server's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from streamlab.measure.tasks import PARTS
from streamlab.report.budgets import MEANINGS, Budget, budgets, told_apart
from streamlab.report.charts.axes import number_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import AMBER, BLUE, HOLLOW, INK, NAVY, SKY
from streamlab.report.charts.marks import legend
from streamlab.report.charts.rows import right_of, rows
from streamlab.report.chosen import spread_out
from streamlab.report.phrases import invalid_text, joined, list_text, time_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results

#: How many bars a figure has room for.
MOST = 14
_STEEL = "#c9ced6"
_FILLS = {
    "lag": (AMBER, "xxxx"),
    "add": (SKY, "...."),
    "wait": (BLUE, "////"),
    "handler": (_STEEL, ""),
    "ack": (NAVY, ""),
}
_HOW = (
    "Means over the tasks of a run, medians over the valid runs; the parts add up to the time from "
    "due to acknowledged. Sent late: the producer was not free when the task was due, as when the "
    "server stalls. The diamond is the server's own time per task, all its stream commands "
    "together (INFO commandstats); it lies within the parts, not beside them."
)
_MS_FROM_US = 3_000


def _shown(results: Results) -> list[Budget]:
    fixed, grown = told_apart(results)
    first, then = budgets(fixed), budgets(grown)
    return [*spread_out(first, MOST - len(then)), *then]


def _draw(results: Results) -> Figure | None:
    shown = _shown(results)
    if not shown:
        return None
    figure, axes = rows([one.case for one in shown])
    longest = max(one.whole_us for one in shown)
    unit, size = ("ms", 1e3) if longest > _MS_FROM_US else ("µs", 1.0)
    for row, one in enumerate(shown):
        _bar(axes, row, one, size)
    axes.set_xlim(0, longest / size * 1.02)
    number_axis(axes.xaxis)
    axes.set_xlabel(f"Mean time of a message ({unit})")
    keys: list[object] = [
        Patch(fc=colour, ec=INK, lw=0.5, hatch=hatch, label=MEANINGS[part])
        for part, (colour, hatch) in _FILLS.items()
    ]
    if any(one.server_us is not None for one in shown):
        keys.append(
            Line2D([], [], ls="none", marker="D", mfc=HOLLOW, mec=INK, label="server's own")
        )
    if any(not one.valid for one in shown):
        keys.append(Patch(fc=HOLLOW, ec=INK, lw=0.5, ls="--", label="white: invalid runs only"))
    legend(figure, keys)
    return figure


def _bar(axes: Axes, row: int, one: Budget, size: float) -> None:
    left = 0.0
    for part in PARTS:
        colour, hatch = _FILLS[part]
        width = one.parts_us[part] / size
        axes.barh(
            row, width, 0.62, left, ec=INK, lw=0.5, hatch=hatch, ls="-" if one.valid else "--",
            color=colour if one.valid else HOLLOW,
        )  # fmt: skip
        left += width
    if one.server_us is not None:
        axes.plot(
            one.server_us / size, row, ls="none", marker="D", ms=5, mfc="white", mec=INK, mew=1.1,
            zorder=5, clip_on=False,
        )  # fmt: skip
    right_of(axes, row, time_text(one.whole_us))


def _alt(results: Results) -> str:
    parts = []
    for one in _shown(results):
        told = [
            f"{time_text(one.parts_us[part])} {MEANINGS[part]}"
            for part in sorted(PARTS, key=lambda part: -one.parts_us[part])
            if one.parts_us[part] >= 0.01 * one.whole_us
        ]
        invalid = "" if one.valid else " (invalid runs only)"
        parts.append(f"{one.case}{invalid}: {time_text(one.whole_us)}, of which {list_text(told)}")
    return f"Where a message spends its time, in the mean. {'. '.join(parts)}."


def _caption(results: Results) -> str:
    fixed, grown = told_apart(results)
    every, then = len(budgets(fixed)), len(budgets(grown))
    some = f"{MOST - then} of {every} cases are drawn." if every + then > MOST else ""
    case = f"The last {then} bars are one case as its load grows." if then and every else ""
    how = "left out where their case has valid ones, else drawn white"
    runs = [run for run in (*fixed, *grown) if run.handler_us is not None]
    return joined(_HOW, some, case, invalid_text(runs, how=how))


BUDGET = Chart("Where a message spends its time", _draw, _alt, _caption)
