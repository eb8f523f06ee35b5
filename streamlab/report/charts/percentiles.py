"""The whole distribution: which latency which share of the tasks stayed within, by both clocks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from streamlab.measure.hdr_log import CORRECTED, UNCORRECTED
from streamlab.measure.runs import Mode
from streamlab.report.charts.axes import time_axis
from streamlab.report.charts.chart import Chart
from streamlab.report.charts.look import HOLLOW, INK, PENS, Pen, canvas
from streamlab.report.charts.marks import end_labels, hollow_key, legend
from streamlab.report.charts.rows import wrapped
from streamlab.report.chosen import (
    fixed_rate,
    grouped,
    has_percentiles,
    median_run,
    planned,
    spread_out,
)
from streamlab.report.phrases import invalid_text, joined, list_text, time_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results
    from streamlab.measure.histogram import LatencyHistogram
    from streamlab.measure.runs import Run

#: How many curves a figure has room for, each with its pair.
MOST = 6
_HEIGHT_IN = 4.4
_HOW = (
    "How to read it: at 99 %, the curve is at the latency that 99 of 100 tasks stayed within. The "
    "scale gives each further nine the same room. Solid: counted from when a task was due. Dashed: "
    "the same run counted from when it was sent, which is what a benchmark says that waits for "
    "the server before it sends; where the two part, it hides a stall. A curve ends where fewer "
    "than ten samples lie beyond it."
)


def chosen(results: Results) -> dict[str, Run]:
    """The median run of each case by p99, among those with a histogram; at most `MOST`."""
    _, runs = fixed_rate(results)
    having = [
        run for run in runs or planned(results, Mode.LATENCY) if has_percentiles(results, run)
    ]
    middle = {case: median_run(mine) for case, mine in grouped(having, lambda r: r.case).items()}
    return {case: run for case in spread_out(list(middle), MOST) if (run := middle[case])}


def points(histogram: LatencyHistogram) -> list[tuple[float, int]]:
    """(1 / (1 - q), latency in µs) along the curve, rising, from the median's neighbourhood on."""
    known = sorted(set(histogram.curve()))
    return [(1 / (1 - share), max(1, value)) for share, value in known]


def _draw(results: Results) -> Figure | None:
    runs = chosen(results)
    if not runs:
        return None
    figure, axes = canvas(_HEIGHT_IN)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = []
    for pen, (case, run) in zip(PENS, runs.items(), strict=False):
        found = results.histograms(run)
        solid = points(found[CORRECTED]) if CORRECTED in found else []
        dashed = points(found[UNCORRECTED]) if UNCORRECTED in found else []
        _line(axes, dashed, pen, "--", valid=run.valid)
        _line(axes, solid, pen, "-", valid=run.valid)
        if solid:
            ends.append((*solid[-1], replace(pen, label=wrapped(case))))
    _share_axis(axes)
    time_axis(axes.yaxis)
    axes.set_ylabel("Latency")
    if len(ends) > 1:
        end_labels(figure, axes, ends, _HEIGHT_IN - 1)
    keys = [
        Line2D([], [], color=INK, ls="-", label="from when it was due"),
        Line2D([], [], color=INK, ls="--", lw=1.3, label="from when it was sent"),
    ]
    legend(figure, [*keys, *hollow_key(runs.values())])
    return figure


def _line(
    axes: Axes, curve: list[tuple[float, int]], pen: Pen, dashes: str, *, valid: bool
) -> None:
    if not curve:
        return
    every = max(1, len(curve) // 6)
    axes.plot(
        *zip(*curve, strict=True), color=pen.colour, ls=dashes, marker=pen.marker, ms=5,
        markevery=(every // 2, every), mec=pen.colour, mfc=pen.colour if valid else HOLLOW,
        lw=1.7 if dashes == "-" else 1.3,
    )  # fmt: skip


def _share_axis(axes: Axes) -> None:
    most = max(100.0, axes.get_xlim()[1])
    nines = [10.0**power for power in range(1, 9) if 10.0**power <= most]
    axes.set_xlim(1, most)
    axes.xaxis.set_major_locator(FixedLocator([1, 2, *nines]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * (1 - 1 / x):.10g} %"))
    axes.set_xlabel("Share of the tasks that stayed within it")


def _alt(results: Results) -> str:
    parts = []
    for case, run in chosen(results).items():
        found = results.histograms(run)
        told = _quantiles(found[CORRECTED]) if CORRECTED in found else {}
        text = list_text([f"{name} {time_text(us)}" for name, us in told.items()])
        naive = _quantiles(found[UNCORRECTED]) if UNCORRECTED in found else {}
        if told and list(told)[-1] in naive:
            last = list(told)[-1]
            text += f" (counted from the sending, {last} is {time_text(naive[last])})"
        parts.append(f"{case}: {text or 'too few samples for a percentile'}")
    return f"Distribution of latencies. {'. '.join(parts)}."


def _quantiles(histogram: LatencyHistogram) -> dict[str, int]:
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
    known = {name: histogram.quantile_us(share) for name, share in shares.items()}
    return {name: us for name, us in known.items() if us is not None}


def _caption(results: Results) -> str:
    runs = chosen(results)
    which = "Of each case its median run by p99." if len(runs) > 1 else ""
    every = {run.case for run in fixed_rate(results)[1] or planned(results, Mode.LATENCY)}
    some = f"{len(runs)} of {len(every)} cases are drawn." if len(every) > len(runs) else ""
    return joined(_HOW, which, some, invalid_text(list(runs.values())))


PERCENTILE_CURVE = Chart("All percentiles", _draw, _alt, _caption)
