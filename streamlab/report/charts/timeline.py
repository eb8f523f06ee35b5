"""A run over time: what was sent and done, what waited, how long it took, what was done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from streamlab.load.observed import WARMUP_SHARE
from streamlab.report.charts.axes import number_axis, time_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import GREY, NAVY, SKY, canvas
from streamlab.report.charts.marks import legend
from streamlab.report.charts.rows import wrapped
from streamlab.report.timelines import MOST, Lived, chosen, lived, story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlab.measure.details import Timeline
    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

# A peak this many times above nearly all the rest is cut off and told in words: uncut it would
# flatten everything else.
_PEAK, _NEARLY_ALL = 3.0, 0.98
_FIRST: Any = {"color": SKY, "ls": "-", "lw": 2.8}
_SECOND: Any = {"color": NAVY, "ls": (0, (3, 1.2)), "lw": 1.2}
_SMALL: Any = {"frameon": False, "borderpad": 0.1, "handlelength": 1.6, "columnspacing": 1.0}
_NAMES = (("sent", "done"), ("waiting", "pending"))
_STALL, _WARMUP = "#f6d5c3", "#ececec"
_HOW = (
    "From above: tasks sent and done per second; tasks that wait on the stream and tasks that a "
    "consumer holds (pending), by the records of the processes; the longest latency among the "
    "tasks that were due in each step. The warm-up counts for nothing."
)


def timeline_of(results: Results, runs: Sequence[Run]) -> Figure | None:
    """The timelines of one run, or two side by side; None where none was kept."""
    known = [one for run in runs if (one := lived(results, run))][:MOST]
    if not known:
        return None
    figure, grid = canvas(
        5.2, 3, len(known), sharex="col", sharey="row", squeeze=False, height_ratios=[1, 1, 1.15]
    )
    for panels, one in zip(grid.T, known, strict=True):
        _panels(panels, one)
    rates = [rate for one in known for rate in (*one.line.sent_per_s, *one.line.done_per_s)]
    depths = [depth for one in known for depth in (*one.line.waiting, *one.line.pending)]
    usual = float(np.quantile(rates, _NEARLY_ALL))
    _limit(grid[0, 0], 2 * usual if max(rates) > _PEAK * usual > 0 else 1.4 * max(rates))
    _limit(grid[1, 0], 1.4 * max(depths))
    for axes, one in zip(grid[0], known, strict=True):
        _tell_peak(axes, one.line)
    for axes in grid[:2, -1]:
        axes.legend(loc="upper right", ncols=2, **_SMALL)
    time_axis(grid[2, 0].yaxis)
    for axes, label in zip(grid[:, 0], ("Tasks/s", "Tasks", "Longest latency"), strict=True):
        axes.set_ylabel(label)
    figure.align_ylabels(grid[:, 0])
    figure.supxlabel("Time since the first task was due (s)", fontsize=9.5)
    legend(figure, _keys(known))
    return figure


def _panels(panels: Sequence[Axes], one: Lived) -> None:
    line = one.line
    pairs: Any = ((line.sent_per_s, line.done_per_s), (line.waiting, line.pending))
    for axes, pair, names in zip(panels[:2], pairs, _NAMES, strict=True):
        for values, name, look in zip(pair, names, (_FIRST, _SECOND), strict=True):
            # The last step is cut short by the run's end: a rate in it would be too small.
            axes.plot(line.at_s[:-1], values[:-1], drawstyle="steps-post", label=name, **look)
    panels[2].set_yscale("log")
    known = [(at, us) for at, us in zip(line.at_s, line.max_us, strict=True) if us]
    if known:
        panels[2].plot(*zip(*known, strict=True), color=NAVY, lw=1.1, marker=".", ms=3)
    for axes in panels:
        axes.axvspan(0, WARMUP_SHARE * (one.run.seconds or 0), color=_WARMUP, lw=0, zorder=0)
        for begin, end in one.stalls():
            axes.axvspan(begin, end, color=_STALL, lw=0, zorder=0)
        for at_s in one.kills():
            axes.axvline(at_s, color=GREY, lw=0.9, ls=":", zorder=1)
    top = panels[0].get_xaxis_transform()
    for at_s in one.kills():
        panels[0].plot(
            at_s, 1.0, marker="v", color=GREY, ms=5, transform=top, clip_on=False, ls="none"
        )
    name = one.run.case if one.run.valid else f"{one.run.case} (invalid run)"
    panels[0].set_title(wrapped(name), loc="left")
    panels[2].set_xlim(0, line.at_s[-1] + line.step_s)


def _limit(axes: Axes, top: float) -> None:
    axes.set_ylim(0, max(1.5, top))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    number_axis(axes.yaxis)


def _tell_peak(axes: Axes, line: Timeline) -> None:
    """A rate that was cut off, in words beside it."""
    values = np.maximum(line.sent_per_s, line.done_per_s)
    at = int(values.argmax())
    top = axes.get_ylim()[1]
    if values[at] <= top:
        return
    right = line.at_s[at] < 0.6 * line.at_s[-1]
    axes.annotate(
        f"up to {values[at]:,.0f}",
        (line.at_s[at] + line.step_s / 2, top),
        (5 if right else -5, -9),
        textcoords="offset points",
        ha="left" if right else "right",
        fontsize=8.5,
        color=GREY,
    )


def _keys(known: Sequence[Lived]) -> list[object]:
    keys: list[object] = [Patch(fc=_WARMUP, label="warm-up")]
    if any(one.stalls() for one in known):
        keys.append(Patch(fc=_STALL, label="server stopped (SIGSTOP)"))
    if any(one.kills() for one in known):
        look: Any = {"color": GREY, "ls": ":", "marker": "v", "ms": 5}
        keys.append(Line2D([], [], label="a consumer killed (SIGKILL)", **look))
    return keys


def _draw(results: Results) -> Figure | None:
    return timeline_of(results, chosen(results))


def _alt(results: Results) -> str:
    return " ".join(story(one) for run in chosen(results) if (one := lived(results, run)))


def _caption(results: Results) -> str:
    bad = [f"{run.case} is invalid: {run.reason}." for run in chosen(results) if not run.valid]
    return " ".join([_HOW, *bad])


TIMELINE = Chart("A run over time", _draw, _alt, _caption)
