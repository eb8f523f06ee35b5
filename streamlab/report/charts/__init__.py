"""The figures of a report by name, for the page and for notebooks.

A notebook shows one with its alternative text:
``plot(figure("capacity", results), alt=words("capacity", results))``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.errors import BenchError
from streamlab.report.charts.budget import BUDGET
from streamlab.report.charts.capacity import CAPACITY
from streamlab.report.charts.cases import CASES_CAPACITY, CASES_LATENCY
from streamlab.report.charts.commands import COMMANDS
from streamlab.report.charts.latency import LATENCY
from streamlab.report.charts.load import LOAD
from streamlab.report.charts.look import style
from streamlab.report.charts.memory import MEMORY
from streamlab.report.charts.naive import NAIVE
from streamlab.report.charts.percentiles import PERCENTILE_CURVE
from streamlab.report.charts.search import SEARCH
from streamlab.report.charts.timeline import TIMELINE, timeline_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run
    from streamlab.report.charts.chart import Chart

__all__ = ["CHARTS", "caption", "chart", "drawn", "figure", "timeline", "words"]

#: Every figure by the name that an experiment calls it.
CHARTS: dict[str, Chart] = {
    "capacity": CAPACITY,
    "search": SEARCH,
    "latency": LATENCY,
    "load": LOAD,
    "cases_capacity": CASES_CAPACITY,
    "cases_latency": CASES_LATENCY,
    "naive": NAIVE,
    "commands": COMMANDS,
    "percentiles": PERCENTILE_CURVE,
    "budget": BUDGET,
    "timeline": TIMELINE,
    "memory": MEMORY,
}


def chart(name: str) -> Chart:
    """The chart of that name.

    Raises
    ------
    BenchError
        There is none.
    """
    if name not in CHARTS:
        msg = f"no chart is called {name!r}: choose one of {', '.join(CHARTS)}"
        raise BenchError(msg)
    return CHARTS[name]


def drawn(name: str, results: Results) -> Figure | None:
    """The figure, or None where the folder has nothing for it.

    Raises
    ------
    BenchError
        There is no chart of that name.
    """
    with style():
        return chart(name).draw(results)


def figure(name: str, results: Results) -> Figure:
    """The figure of that name, drawn from a results folder.

    Raises
    ------
    BenchError
        There is no such chart, or the folder has nothing for it.
    """
    found = drawn(name, results)
    if found is None:
        modes = ", ".join(sorted({run.mode for run in results.runs})) or "no"
        msg = (
            f"nothing to draw for {name!r} in {results.path}: it has {modes} runs; choose one of "
            f"its own charts, {', '.join(results.manifest.get('charts', []))}"
        )
        raise BenchError(msg)
    return found


def timeline(results: Results, *runs: Run) -> Figure:
    """The timelines of one run of one's own choice, or of two side by side.

    Raises
    ------
    BenchError
        None was kept of them.
    """
    with style():
        found = timeline_of(results, runs)
    if found is None:
        names = ", ".join(run.name or run.case for run in runs) or "no run"
        msg = f"no timeline was kept of {names}: choose a latency run that has a name"
        raise BenchError(msg)
    return found


def words(name: str, results: Results) -> str:
    """What a person who does not see the figure should know: its alternative text, from the data.

    Raises
    ------
    BenchError
        There is no chart of that name.
    """
    return chart(name).alt(results)


def caption(name: str, results: Results) -> str:
    """How to read the figure, and how many of its runs are invalid, and why.

    Raises
    ------
    BenchError
        There is no chart of that name.
    """
    return chart(name).caption(results)
