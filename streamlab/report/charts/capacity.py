"""Throughput against consumers: every run, perfect scaling, and the scaling law with its band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from streamlab.load.settings import consumers_text
from streamlab.measure.figures import MIDDLE
from streamlab.measure.runs import Mode
from streamlab.report.charts.axes import count_axis, doubling, rate_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import BLUE, GREY, ORANGE, Pen, canvas
from streamlab.report.charts.marks import curve, hollow_key, key, legend
from streamlab.report.chosen import by_consumers, medians, planned
from streamlab.report.laws import law_of, no_law_text, peak_text
from streamlab.report.phrases import (
    invalid_text,
    joined,
    number_text,
    percent_text,
    rate_text,
)
from streamlab.report.spread import bars_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run
    from streamlab.model.law import Law

_RUNS = Pen("runs, and their median", BLUE, "o", "-")
_LAW: dict[str, Any] = {"color": ORANGE, "ls": (0, (6, 2)), "lw": 1.6}
_BAND = "#f3c9a9"
_POINTS = 80
_HOW = (
    "Tasks finished per second while a backlog was drained, counted from "
    f"{percent_text(MIDDLE[0])} to {percent_text(MIDDLE[1])} of its tasks: the warm-up and "
    "the tail, when consumers find nothing more, are left out. Points are runs, the line joins the "
    "medians of the valid ones. Perfect scaling is the smallest number's median, multiplied."
)
_LAW_HOW = (
    "The dashed curve is the Universal Scalability Law fitted to all valid runs, with the 95 % "
    "band of the curve, not of single runs."
)


def _runs(results: Results) -> list[Run]:
    return planned(results, Mode.CAPACITY)


def _draw(results: Results) -> Figure | None:
    runs = [run for run in _runs(results) if run.throughput_per_s is not None]
    if not runs:
        return None
    groups = by_consumers(runs)
    figure, axes = canvas(4.1)
    known = curve(axes, {float(n): mine for n, mine in groups.items()}, "throughput_per_s", _RUNS)
    law = law_of(results)
    keys = [key(_RUNS), *hollow_key(runs)]
    count_axis(axes, list(groups))
    per_s = [run.throughput_per_s for run in runs if run.throughput_per_s]
    rate_axis(axes, per_s, log=doubling(list(groups)))
    axes.set_ylabel("Throughput (tasks/s)")
    if len(known) > 1:
        _perfect(axes, known[0], max(groups))
        keys.append(Line2D([], [], color=GREY, ls=":", label="perfect scaling"))
    if law is not None:
        _law(axes, law)
        keys.append(Line2D([], [], **_LAW, label="scaling law, 95 % band"))
    legend(figure, keys)
    return figure


def _perfect(axes: Axes, first: tuple[float, float], most: int) -> None:
    count, per_s = first
    n = np.geomspace(count, most, _POINTS)
    axes.plot(n, per_s / count * n, color=GREY, ls=":", lw=1.3, zorder=1.5)


def _law(axes: Axes, law: Law) -> None:
    n = np.geomspace(law.counts[0], law.largest, _POINTS)
    axes.plot(n, [law.predict(each).per_s for each in n], zorder=2.7, **_LAW)
    bands = [law.band(each) for each in n]
    if None not in bands:
        low, high = ([getattr(band, end) for band in bands] for end in ("low", "high"))
        axes.fill_between(n, low, high, color=_BAND, alpha=0.7, lw=0, zorder=1)
    if law.peak <= law.largest:
        foot, at = axes.get_ylim()[0], law.predict(law.peak).per_s
        axes.plot([law.peak, law.peak], [foot, at], color=ORANGE, lw=1, ls=":", zorder=1)
        left = law.peak > law.largest**0.75  # else the label would leave the axes
        axes.annotate(
            f"N* = {law.peak:.1f}",
            (law.peak, foot),
            (-4 if left else 4, 6),
            textcoords="offset points",
            color=ORANGE,
            ha="right" if left else "left",
        )


def _alt(results: Results) -> str:
    groups = by_consumers(_runs(results))
    per_s = medians(groups, "throughput_per_s")
    if not per_s:
        return "Throughput against consumers: no valid run, hollow points only."
    first, *_, last = [*per_s, *per_s]
    best = max(per_s, key=per_s.__getitem__)
    told = ", ".join(
        f"{number_text(x)} with {n}" for n, x in per_s.items() if n not in (first, last)
    )
    if len(per_s) == 1:
        text = f"Throughput is {rate_text(per_s[first])} with {consumers_text(first)}."
    else:
        verb = "rises" if per_s[last] >= per_s[first] else "falls"
        text = (
            f"Throughput {verb} from {rate_text(per_s[first])} with {consumers_text(first)} to "
            f"{number_text(per_s[last])} with {last}"
        )
        text += f"; between them {told}." if told else "."
        perfect = per_s[first] / first * last
        text += f" Perfect scaling would be {number_text(perfect)}."
    if best not in (first, last):
        text += f" The most is {number_text(per_s[best])}, with {best}."
    law = law_of(results)
    return joined(text, peak_text(law) if law else "")


def _caption(results: Results) -> str:
    runs = _runs(results)
    drawn = sum(not run.valid and run.throughput_per_s is not None for run in runs)
    bars = bars_text(by_consumers(runs).values())
    law = law_of(results)
    told = _LAW_HOW if law else no_law_text(results)
    if law and law.peak <= law.largest:
        told += " N* is its peak."
    if law and not law.trusted:
        told += f" It does not meet the runs: its mean miss is {percent_text(law.miss)}."
    return joined(_HOW, bars, told, invalid_text(runs, drawn))


CAPACITY = Chart("Capacity against consumers", _draw, _alt, _caption)
