"""Points, medians, intervals and direct labels: what several figures are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from matplotlib.lines import Line2D

from streamlab.report.charts.look import GREY, HOLLOW, INK
from streamlab.report.chosen import values
from streamlab.report.spread import spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlab.measure.runs import Run
    from streamlab.report.charts.look import Pen
    from streamlab.report.spread import Spread


class _Judged(Protocol):
    @property
    def valid(self) -> bool: ...


# The height of a line of text, in points; labels closer than this are pushed apart.
_LINE_PT = 11.5


def dots(
    axes: Axes, points: Iterable[tuple[float, float, bool]], pen: Pen, *, size: float = 5.5
) -> None:
    """Runs as (x, y, valid): filled markers, or hollow ones for invalid runs."""
    every = list(points)
    for valid in (True, False):
        mine = [(x, y) for x, y, judged in every if judged is valid]
        if not mine:
            continue
        axes.plot(
            *zip(*mine, strict=True),
            ls="none",
            marker=pen.marker,
            ms=size,
            mec=pen.colour,
            mew=0.4 if valid else 1.2,
            mfc=pen.colour if valid else HOLLOW,
            alpha=0.6 if valid else 1.0,
            zorder=3 if valid else 4,
        )


def curve(
    axes: Axes, groups: Mapping[float, Sequence[Run]], column: str, pen: Pen
) -> list[tuple[float, float]]:
    """Every run as a point, a line through the medians of the valid, their intervals as bars.

    Returns the medians: (x, y).
    """
    told = [(x, getattr(run, column), run.valid) for x, runs in groups.items() for run in runs]
    dots(axes, [(x, y, valid) for x, y, valid in told if y is not None], pen)
    known = []
    for x, runs in groups.items():
        found = spread(values(runs, column))
        if found is not None:
            known.append((x, found.value))
            bar(axes, x, found, pen)
    if known:
        axes.plot(*zip(*known, strict=True), color=pen.colour, ls=pen.dashes, zorder=2.5)
    return known


def bar(axes: Axes, at: float, found: Spread, pen: Pen, *, flat: bool = False) -> None:
    """An interval with its ends, upright at an x, or flat at a y; nothing without an interval."""
    if found.interval is None:
        return
    reach, place = (found.interval.low, found.interval.high), (at, at)
    look: dict[str, Any] = {"color": pen.colour, "lw": 1.4, "ms": 8, "mew": 1.4}
    if flat:
        axes.plot(reach, place, marker="|", **look)
    else:
        axes.plot(place, reach, marker="_", **look)


def end_labels(
    figure: Figure, axes: Axes, ends: Iterable[tuple[float, float, Pen]], height_in: float
) -> None:
    """To the right of each line's end (x, y, its pen) its marker and label, none on another.

    To be called when the axes' limits stand. `height_in` is the axes' height, about.
    """
    figure.draw_without_rendering()
    inverse = axes.transAxes.inverted()
    placed = [
        (float(inverse.transform(axes.transData.transform((x, y)))[1]), pen) for x, y, pen in ends
    ]
    placed.sort(key=lambda one: one[0])
    lines = max(pen.label.count("\n") + 1 for _, pen in placed)
    heights = pushed_apart([height for height, _ in placed], lines * _LINE_PT / 72 / height_in)
    place: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    for y, (_, pen) in zip(heights, placed, strict=True):
        axes.plot([1.02], [y], ls="none", marker=pen.marker, ms=5, color=pen.colour, **place)
        axes.text(1.04, y, pen.label, color=pen.colour, va="center", **place)


def pushed_apart(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, rising, moved as little as needed for `gap` between them; within [0, 1]."""
    moved = list(heights)
    for at in range(1, len(moved)):
        moved[at] = max(moved[at], moved[at - 1] + gap)
    over = (moved[-1] - 1) if moved else 0
    if over > 0:
        moved[-1] -= over
        for at in range(len(moved) - 2, -1, -1):
            moved[at] = min(moved[at], moved[at + 1] - gap)
    return moved


def hollow_key(drawn: Iterable[_Judged], label: str = "hollow: invalid run") -> list[Line2D]:
    """A key for hollow markers, where there are any."""
    if all(one.valid for one in drawn):
        return []
    look: dict[str, Any] = {"mfc": HOLLOW, "mec": GREY, "mew": 1.2, "ms": 5.5}
    return [Line2D([], [], ls="none", marker="o", label=label, **look)]


def legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Rows of keys above the axes, as many abreast as fit; none when there is nothing to tell."""
    if not handles:
        return
    for columns in range(len(handles), 0, -1):
        drawn = figure.legend(
            handles=list(handles),
            loc="outside upper left",
            ncols=columns,
            frameon=False,
            labelcolor=INK,
            handlelength=3.2,
            columnspacing=1.4,
        )
        if drawn.get_window_extent().width <= figure.bbox.width:
            return
        if columns > 1:
            drawn.remove()


def key(pen: Pen, *, line: bool = True, marker: bool = True) -> Line2D:
    """What a pen draws, for a legend."""
    return Line2D(
        [],
        [],
        color=pen.colour,
        ls=pen.dashes if line else "none",
        marker=pen.marker if marker else "",
        ms=5.5,
        label=pen.label,
    )
