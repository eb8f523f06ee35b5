"""A soak: the server's memory and the longest latency, over all of its time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from streamlab.measure.runs import Mode
from streamlab.report.charts.axes import bytes_axis, time_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import PENS, canvas
from streamlab.report.charts.marks import legend
from streamlab.report.chosen import grouped, planned
from streamlab.report.phrases import bytes_text, joined, time_text
from streamlab.report.timelines import Lived, lived

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results

MOST = 4
_MINUTES_FROM_S = 600.0
_HOW = (
    "Above, used_memory as the server tells it; below, the longest latency among the tasks that "
    "were due in each step. Level lines are what a soak should show: a slope that goes on is a "
    "leak, or a stream that nobody trims."
)


def soaks(results: Results) -> list[Lived]:
    """The longest run of each case with samples of memory, valid ones first; at most four."""
    known = [one for run in planned(results, Mode.LATENCY) if (one := lived(results, run))]
    known = [one for one in known if any(m is not None for m in one.line.memory_bytes)]
    by_case = grouped([one.run for one in known], lambda run: run.case)
    best = [max(runs, key=lambda run: (run.valid, run.seconds or 0)) for runs in by_case.values()]
    return [one for one in known if one.run in best][:MOST]


def drift(one: Lived) -> tuple[float, float]:
    """used_memory in bytes at the beginning and at the end, each over a tenth of the samples."""
    known = [m for m in one.line.memory_bytes if m is not None]
    few = max(1, len(known) // 10)
    return sum(known[:few]) / few, sum(known[-few:]) / few


def _draw(results: Results) -> Figure | None:
    shown = soaks(results)
    if not shown:
        return None
    figure, (upper, lower) = canvas(4.4, 2, 1, sharex=True)
    longest_s = max(one.line.at_s[-1] for one in shown)
    unit, size = ("min", 60.0) if longest_s >= _MINUTES_FROM_S else ("s", 1.0)
    keys = []
    for one, pen in zip(shown, PENS, strict=False):
        named = replace(pen, label=one.run.case + ("" if one.run.valid else " (invalid run)"))
        for axes, values in ((upper, one.line.memory_bytes), (lower, one.line.max_us)):
            known = [(at / size, v) for at, v in zip(one.line.at_s, values, strict=True) if v]
            if known:
                axes.plot(*zip(*known, strict=True), color=pen.colour, ls=pen.dashes, lw=1.3)
        keys.append(Line2D([], [], color=pen.colour, ls=pen.dashes, label=named.label))
    lower.set_yscale("log")
    upper.set_ylim(bottom=0)
    bytes_axis(upper.yaxis)
    time_axis(lower.yaxis)
    upper.set_ylabel("used_memory")
    lower.set_ylabel("Longest latency")
    lower.set_xlabel(f"Time since the first task was due ({unit})")
    lower.set_xlim(0, longest_s / size)
    legend(figure, keys if len(shown) > 1 or not shown[0].run.valid else [])
    return figure


def _alt(results: Results) -> str:
    told = []
    for one in soaks(results):
        first, last = drift(one)
        longest = max((us for us in one.line.max_us if us is not None), default=None)
        text = f"{one.run.case}: used_memory went from {bytes_text(first)} to {bytes_text(last)}"
        told.append(text + (f", the longest latency was {time_text(longest)}" if longest else ""))
    return f"Memory and latency over the run. {'; '.join(told)}."


def _caption(results: Results) -> str:
    bad = [
        f"{one.run.case} is invalid: {one.run.reason}." for one in soaks(results) if one.run.reason
    ]
    return joined(_HOW, *bad)


MEMORY = Chart("Memory and latency over time", _draw, _alt, _caption)
