"""Two figures: throughput and latency against consumers, with every run as a point."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from streamlab.bench.runs import Mode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from streamlab.bench.result import BenchResult

# Blue, orange, black: apart for the colour-blind and, by their markers and dashes, in grey.
_BLUE, _ORANGE, _BLACK, _GREY = "#0072b2", "#d55e00", "#000000", "#767676"


@dataclass(frozen=True, slots=True)
class _Series:
    """One column of the runs and how it is drawn; `unit` is what its values are multiplied by."""

    mode: Mode
    column: str
    label: str
    colour: str
    marker: str
    dashes: str
    unit: float = 1.0


_THROUGHPUT = _Series(Mode.CAPACITY, "throughput_per_s", "median of the runs", _BLUE, "o", "-")
_P99 = _Series(Mode.LATENCY, "p99_us", "p99", _BLACK, "^", ":", 1e-3)
_PERCENTILES = (
    _Series(Mode.LATENCY, "p50_us", "p50", _BLUE, "o", "-", 1e-3),
    _Series(Mode.LATENCY, "p90_us", "p90", _ORANGE, "s", "--", 1e-3),
    _P99,
)


def throughput_chart(result: BenchResult) -> bytes:
    """A PNG: tasks per second against consumers, beside what perfect scaling would give."""
    figure, axes = _figure("Throughput (tasks/s)", result)
    _ideal(axes, result)
    _draw(axes, result, _THROUGHPUT)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_ylim(bottom=0)
    return _png(figure, axes, result, _THROUGHPUT)


def latency_chart(result: BenchResult) -> bytes:
    """A PNG: p50, p90 and p99 in ms, on a logarithmic axis, against consumers, at one λ."""
    figure, axes = _figure("Latency from the due time (ms)", result)
    axes.set_yscale("log")
    for series in _PERCENTILES:
        _draw(axes, result, series)
    # Powers of ten alone would leave an axis of one decade with one number on it.
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return _png(figure, axes, result, _P99)


def _figure(ylabel: str, result: BenchResult) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, 4.2), dpi=144, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel("Consumer processes")
    axes.set_ylabel(ylabel)
    axes.set_xticks(sorted(result.settings.consumers))
    axes.grid(visible=True, axis="y", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _ideal(axes: Axes, result: BenchResult) -> None:
    least, most = min(result.settings.consumers), max(result.settings.consumers)
    per_s = result.median(Mode.CAPACITY, least, "throughput_per_s")
    if per_s is not None and most > least:
        ends = [per_s, per_s / least * most]
        axes.plot([least, most], ends, color=_GREY, ls=":", lw=1.2, label="perfect scaling")


def _draw(axes: Axes, result: BenchResult, series: _Series) -> None:
    """Each run as a point, hollow when invalid, and a line through the medians of the valid."""
    look: dict[str, Any] = {"color": series.colour, "marker": series.marker}
    for run in result.runs:
        value = getattr(run, series.column)
        if run.mode is series.mode and value is not None:
            face = series.colour if run.valid else "none"
            axes.plot(run.consumers, value * series.unit, mfc=face, ms=6, alpha=0.75, **look)
    counts = sorted(result.settings.consumers)
    medians = [(n, result.median(series.mode, n, series.column)) for n in counts]
    known = [(count, value * series.unit) for count, value in medians if value is not None]
    if known:
        line: dict[str, Any] = {"ls": series.dashes, "ms": 3, "label": series.label}
        axes.plot(*zip(*known, strict=True), **look, **line)


def _png(figure: Figure, axes: Axes, result: BenchResult, series: _Series) -> bytes:
    if notes := invalid_note(result, series.mode, series.column):
        axes.set_title(notes, fontsize=9, loc="left", color=_BLACK)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper left", ncols=3, frameon=False)
    buffer = io.BytesIO()
    # No software version or date in the file: equal figures are equal bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def invalid_note(result: BenchResult, mode: Mode, column: str) -> str:
    """How many invalid runs a figure shows as hollow points, and how many it cannot show."""
    bad = [run for run in result.runs if run.mode is mode and not run.valid]
    drawn = sum(getattr(run, column) is not None for run in bad)
    parts = []
    if drawn:
        parts.append(f"hollow: {drawn} invalid run" + "s" * (drawn != 1))
    if len(bad) > drawn:
        parts.append(f"not drawn: {len(bad) - drawn} invalid, without a figure")
    return ", ".join(parts)
