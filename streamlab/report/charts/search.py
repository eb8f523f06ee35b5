"""The search for saturation: which rates each number of consumers held, and which it did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D

from streamlab.load.settings import consumers_text
from streamlab.measure.runs import Mode, Run
from streamlab.report.charts.axes import count_axis, doubling, rate_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import BLUE, INK, ORANGE, Pen, canvas
from streamlab.report.charts.marks import dots, hollow_key, key, legend
from streamlab.report.chosen import by_consumers, medians, planned
from streamlab.report.phrases import joined, rate_text, runs_text, why_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results

_HELD = Pen("held", BLUE, "o")
_NOT = Pen("not held", ORANGE, "v")
_HOW = (
    "Each try is a short open loop at one rate: held, or not held, since the backlog grew or the "
    "producer fell behind. The line joins the highest rates held; the crosses are what a drained "
    "backlog gave, with no producer beside it."
)


def _tries(results: Results) -> dict[int, list[Run]]:
    tries = [run for run in planned(results, Mode.SEARCH) if run.rate_per_s is not None]
    return by_consumers(tries)


def _best(groups: dict[int, list[Run]]) -> dict[int, float]:
    found = {n: [run.rate_per_s or 0 for run in mine if run.kept_up] for n, mine in groups.items()}
    return {count: max(rates) for count, rates in found.items() if rates}


def _draw(results: Results) -> Figure | None:
    groups = _tries(results)
    if not groups:
        return None
    figure, axes = canvas(3.9)
    every = [run for tries in groups.values() for run in tries]
    for pen, wanted in ((_HELD, True), (_NOT, False)):
        mine = [run for run in every if run.kept_up is wanted]
        dots(axes, [(run.consumers, run.rate_per_s or 0, run.valid) for run in mine], pen)
    best = _best(groups)
    if best:
        axes.plot(list(best), list(best.values()), color=BLUE, zorder=2)
    drained = medians(by_consumers(planned(results, Mode.CAPACITY)), "throughput_per_s")
    drained = {count: per_s for count, per_s in drained.items() if count in groups}
    cross: dict[str, Any] = {"ls": "none", "marker": "x", "color": INK, "mew": 1.6}
    axes.plot(list(drained), list(drained.values()), ms=8, **cross)
    count_axis(axes, list(groups))
    rates = [run.rate_per_s for run in every if run.rate_per_s]
    rate_axis(axes, [*rates, *drained.values()], log=doubling(list(groups)))
    axes.set_ylabel("Rate that was tried (tasks/s)")
    keys = [key(_HELD), key(_NOT, line=False)]
    if drained:
        keys.append(Line2D([], [], label="drained", **cross))
    legend(figure, [*keys, *hollow_key(every)])
    return figure


def _alt(results: Results) -> str:
    groups = _tries(results)
    best = _best(groups)
    told = [
        f"{consumers_text(count)} held {rate_text(best[count])}"
        if count in best
        else f"{consumers_text(count)} held none of the rates tried"
        for count in groups
    ]
    tries = sum(map(len, groups.values()))
    return f"Search for the highest rate held, in {tries} tries: {'; '.join(told)}."


def _caption(results: Results) -> str:
    tries = [run for mine in _tries(results).values() for run in mine]
    lost = sum(not run.kept_up for run in tries)
    bad = sum(not run.valid for run in tries)
    count = f"{lost} of {runs_text(len(tries))} did not hold their rate."
    hollow = f"{bad} are invalid as runs, drawn hollow." if bad else ""
    return joined(_HOW, count, hollow, why_text(tries))


SEARCH = Chart("The search for saturation", _draw, _alt, _caption)
