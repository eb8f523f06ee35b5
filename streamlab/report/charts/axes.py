"""Ticks with units, logarithmic steps, numbers of consumers: the axes of all figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from streamlab.report.phrases import bytes_text, number_text, time_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Up to which ratio of its ends a logarithmic axis has ticks at these multiples.
_STEPS = ((9, (1, 1.5, 2, 3, 5, 7)), (120, (1, 2, 5)), (1200, (1, 3)))
_LEAST_SPAN = 3.0


def _units(axis: Axis, text: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_formatter(NullFormatter())


def log_steps(axis: Axis) -> None:
    """Ticks of a logarithmic axis, the fewer the more decades it spans; never below a factor 3.

    An axis that spans less would make differences of a few per cent look like much.
    """
    low, high = sorted(axis.get_view_interval())
    if high < _LEAST_SPAN * low:
        stretch = (_LEAST_SPAN * low / high) ** 0.5
        low, high = low / stretch, high * stretch
        axes = axis.axes
        (axes.set_xlim if axis is axes.xaxis else axes.set_ylim)(low, high)
    subs = next((subs for most, subs in _STEPS if high / low < most), (1.0,))
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))


def time_axis(axis: Axis) -> None:
    """Ticks of a logarithmic axis in µs, each with its own unit: ``200 µs``, ``5 ms``."""
    log_steps(axis)
    _units(axis, time_text)


def number_axis(axis: Axis) -> None:
    """Ticks with commas between thousands."""
    _units(axis, number_text)


def compact_axis(axis: Axis) -> None:
    """Powers of ten without their zeros: ``100``, ``10k``, ``1M``."""
    axis.set_major_locator(LogLocator(numticks=8))
    _units(axis, _compact)


def _compact(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def bytes_axis(axis: Axis) -> None:
    """Ticks in kB and MB."""
    _units(axis, bytes_text)


def doubling(counts: Sequence[int]) -> bool:
    """Whether numbers of consumers are spread so far that they belong on a logarithmic scale."""
    return len(set(counts)) > 2 and max(counts) >= 8 * min(counts)  # noqa: PLR2004 - 1, 2, 4, 8


def count_axis(axes: Axes, counts: Sequence[int], label: str = "Consumer processes") -> None:
    """Whole numbers along x: a tick at each, on a logarithmic scale where they double."""
    ordered = sorted(set(counts))
    doubles = doubling(ordered)
    if doubles:
        axes.set_xscale("log", base=2)
        axes.set_xlim(min(ordered) / 1.15, max(ordered) * 1.15)
    elif len(ordered) == 1:
        axes.set_xlim(ordered[0] - 1, ordered[0] + 1)
    axes.xaxis.set_major_locator(FixedLocator(apart(ordered, log=doubles)))
    axes.xaxis.set_minor_locator(NullLocator())
    number_axis(axes.xaxis)
    axes.set_xlabel(label)


def rate_axis(axes: Axes, per_s: Sequence[float], *, log: bool) -> None:
    """Rates along y, from 0 on; logarithmic where x is, so that perfect scaling is straight."""
    axes.set_ylim(0, 1.18 * max(per_s))
    if log:
        axes.set_yscale("log")
        axes.set_ylim(min(per_s) / 1.4, max(per_s) * 1.9)
        log_steps(axes.yaxis)
    number_axis(axes.yaxis)


def apart(counts: Sequence[int], *, log: bool) -> list[int]:
    """The counts whose labels do not touch: those that leave a twentieth of the axis between."""
    span = max(counts) / min(counts) if log else max(counts) - min(counts)
    kept = [counts[0]]
    for count in counts[1:]:
        gap = count / kept[-1] if log else count - kept[-1]
        near = gap < span**0.05 if log else gap < 0.05 * span
        if not near:
            kept.append(count)
    return kept
