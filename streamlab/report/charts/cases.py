"""A row per case: throughput, or latency, for cases that are not numbers of consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.measure.runs import Mode
from streamlab.report.charts.axes import number_axis, time_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import BLUE, PERCENTILES, Pen
from streamlab.report.charts.marks import bar, dots, hollow_key, key, legend
from streamlab.report.charts.rows import head_rows, right_of, rows
from streamlab.report.chosen import by_condition, medians, middle, planned, values
from streamlab.report.phrases import (
    interval_text,
    invalid_text,
    joined,
    list_text,
    number_text,
    percent_text,
    rate_text,
    time_text,
)
from streamlab.report.spread import bars_text, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

    Groups = Mapping[str, list[Run]]

_PER_S = {"throughput_per_s": Pen("", BLUE)}
# How far the percentiles of one case lie apart, in rows: they may be equal.
_APART = 0.2
# More cases than this are not told one by one.
_MANY = 8
_HOW = (
    "Small points are runs, large ones the medians of the valid. Where the bars of two cases "
    "overlap, these runs do not tell which is the better."
)


def dot_rows(groups: Groups, columns: Mapping[str, Pen], axis: str) -> tuple[Figure, Axes]:
    """A row per group with its runs, their median and its interval, for each column."""
    figure, axes = rows(list(groups))
    for row, runs in enumerate(groups.values()):
        for at, (column, pen) in enumerate(columns.items()):
            y = row + _APART * (at - (len(columns) - 1) / 2)
            told = [(getattr(run, column), y, run.valid) for run in runs]
            dots(axes, [one for one in told if one[0] is not None], pen, size=4.5)
            found = spread(values(runs, column))
            if found is not None:
                axes.plot(found.value, y, marker=pen.marker, ms=7.5, color=pen.colour, ls="none")
                bar(axes, y, found, pen, flat=True)
    head_rows(axes, axis)
    return figure, axes


def having(groups: Groups, columns: Mapping[str, Pen]) -> dict[str, list[Run]]:
    """The groups that have a point to draw."""
    return {
        name: runs
        for name, runs in groups.items()
        if any(getattr(run, column) is not None for run in runs for column in columns)
    }


def shown(runs: Sequence[Run], columns: Mapping[str, Pen]) -> list[Run]:
    """The runs that have a point to draw."""
    return [run for run in runs if any(getattr(run, column) is not None for column in columns)]


def _draw_capacity(results: Results) -> Figure | None:
    runs = planned(results, Mode.CAPACITY)
    groups = having(by_condition(runs), _PER_S)
    if not groups:
        return None
    figure, axes = dot_rows(groups, _PER_S, results.manifest.get("axis", ""))
    axes.set_xlim(left=0)
    number_axis(axes.xaxis)
    axes.set_xlabel("Throughput (tasks/s)")
    for row, mine in enumerate(groups.values()):
        found = spread(values(mine, "throughput_per_s"))
        right_of(axes, row, number_text(found.value) if found else "no valid run")
    legend(figure, hollow_key(shown(runs, _PER_S)))
    return figure


def _draw_latency(results: Results) -> Figure | None:
    runs = planned(results, Mode.LATENCY)
    groups = having(by_condition(runs), PERCENTILES)
    if not groups:
        return None
    figure, axes = dot_rows(groups, PERCENTILES, results.manifest.get("axis", ""))
    axes.set_xscale("log")
    time_axis(axes.xaxis)
    axes.set_xlabel("Latency from the due time")
    for row, mine in enumerate(groups.values()):
        found = spread(values(mine, "p99_us"))
        right_of(axes, row, f"p99 {time_text(found.value)}" if found else "no valid p99")
    keys = [key(pen, line=False) for pen in PERCENTILES.values()]
    legend(figure, [*keys, *hollow_key(shown(runs, PERCENTILES))])
    return figure


def _alt_capacity(results: Results) -> str:
    groups = having(by_condition(planned(results, Mode.CAPACITY)), _PER_S)
    found = medians(groups, "throughput_per_s")
    if len(groups) > _MANY and found:
        return _ends("Throughput", found, rate_text, len(groups))
    told = []
    for name, runs in groups.items():
        known = spread(values(runs, "throughput_per_s"))
        text = f"{rate_text(known.value)}{interval_text(known)}" if known else "no valid run"
        told.append(f"{name} {text}")
    return f"Throughput of each case: {'; '.join(told)}."


def _alt_latency(results: Results) -> str:
    groups = having(by_condition(planned(results, Mode.LATENCY)), PERCENTILES)
    found = medians(groups, "p99_us")
    if len(groups) > _MANY and found:
        return _ends("p99", found, time_text, len(groups))
    told = []
    for name, runs in groups.items():
        known = [
            f"{pen.label} {time_text(us)}"
            for column, pen in PERCENTILES.items()
            if (us := middle(runs, column)) is not None
        ]
        told.append(f"{name} {list_text(known) or 'no valid run'}")
    return f"Latency of each case: {'; '.join(told)}."


def _ends(what: str, found: Mapping[str, float], text: Callable[[float], str], count: int) -> str:
    """The smallest and the largest of many."""
    least, most = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    return (
        f"{what} of {count} cases, from {text(found[least])} ({least}) to {text(found[most])} "
        f"({most}); the table of runs has the rest."
    )


def _caption_capacity(results: Results) -> str:
    runs = planned(results, Mode.CAPACITY)
    drawn = [run for run in shown(runs, _PER_S) if not run.valid]
    return joined(
        "Tasks per second from a backlog.",
        _HOW,
        bars_text(by_condition(runs).values()),
        invalid_text(runs, len(drawn)),
    )


def _caption_latency(results: Results) -> str:
    runs = planned(results, Mode.LATENCY)
    drawn = [run for run in shown(runs, PERCENTILES) if not run.valid]
    rates = {run.rate_per_s for run in runs}
    shares = {run.share for run in runs}
    where = "Each case at the rate that its table row names."
    if len(rates) == 1 and None not in rates:
        where = f"All at {rate_text(next(iter(rates)) or 0)}."
    elif len(shares) == 1 and None not in shares:
        where = f"Each case at {percent_text(next(iter(shares)) or 0)} of its own capacity."
    return joined(
        where, _HOW, bars_text(by_condition(runs).values()), invalid_text(runs, len(drawn))
    )


CASES_CAPACITY = Chart("Throughput of each case", _draw_capacity, _alt_capacity, _caption_capacity)
CASES_LATENCY = Chart("Latency of each case", _draw_latency, _alt_latency, _caption_latency)
