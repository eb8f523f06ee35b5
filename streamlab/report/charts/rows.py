"""Figures with a row per case: names of any length, a dozen of them or one."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from streamlab.report.charts.look import GREY, canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LETTERS = 26
_LINES = 3


def wrapped(name: str) -> str:
    """A name on lines of about one length, at most three of 26 letters; else with an ellipsis."""
    few = len(textwrap.wrap(name, _LETTERS))
    tried = (textwrap.wrap(name, width) for width in range(8, _LETTERS + 1))
    lines = next(lines for lines in tried if len(lines) <= few) or [name]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1][: _LETTERS - 1]}…"]
    return "\n".join(lines)


def rows(names: Sequence[str]) -> tuple[Figure, Axes]:
    """A figure whose y axis has the names, the first on top; its height is what they need."""
    labels = [wrapped(name) for name in names]
    lines = max(label.count("\n") + 1 for label in labels)
    height = 1.15 + len(names) * max(0.36, 0.17 * lines + 0.08)
    figure, axes = canvas(max(1.9, height))
    name_rows(axes, labels)
    return figure, axes


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """The names along y, the first on top, without ticks and lines across."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.grid(visible=False, axis="y")


def head_rows(axes: Axes, head: str) -> None:
    """What the names are, above them."""
    axes.annotate(
        wrapped(head), (0, 1), (-8, 4), "axes fraction", "offset points",
        ha="right", va="bottom", color=GREY, annotation_clip=False,
    )  # fmt: skip


def right_of(axes: Axes, row: float, text: str) -> None:
    """A value's text in the margin to the right of its row."""
    axes.annotate(
        text, (1.015, row), xycoords=("axes fraction", "data"), va="center", ha="left",
        annotation_clip=False, fontsize=9,
    )  # fmt: skip
