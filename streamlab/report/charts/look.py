"""How all figures look: colours, pens, axes, ticks with units; the same bytes for the same data."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import contextlib


WIDTH_IN, DPI = 6.8, 144
# Okabe and Ito's colours, apart for the colour-blind; in grey, lightness, markers, dashes and
# hatches tell them apart.
SKY, BLUE, NAVY = "#56b4e9", "#0072b2", "#0b2545"
ORANGE, AMBER, GREEN, PURPLE = "#d55e00", "#e69f00", "#009e73", "#cc79a7"
INK, GREY, PALE = "#1b1b1b", "#6b6b6b", "#dddddd"
#: What an invalid run's marker is filled with.
HOLLOW = "white"

_LOOK: Any = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib: the same on every machine
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.6,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.unicode_minus": True,
    "axes.prop_cycle": mpl.rcParamsDefault["axes.prop_cycle"],
    "path.simplify": True,
    "text.usetex": False,
    "text.parse_math": False,  # a dollar in the name of a case is a dollar
}


@dataclass(frozen=True, slots=True)
class Pen:
    """How one series is drawn: apart from the others by colour, marker and dashes alike."""

    label: str
    colour: str
    marker: str = "o"
    dashes: Any = "-"


#: The percentiles, darker towards the tail.
P50, P90, P99 = (
    Pen("p50", SKY, "o", "-"),
    Pen("p90", BLUE, "s", (0, (5, 1.6))),
    Pen("p99", NAVY, "^", (0, (1.4, 1.3))),
)
PERCENTILES = {"p50_us": P50, "p90_us": P90, "p99_us": P99}
#: Series without an order of their own.
PENS = (
    Pen("", BLUE, "o", "-"),
    Pen("", ORANGE, "s", (0, (5, 1.6))),
    Pen("", GREEN, "^", (0, (1.4, 1.3))),
    Pen("", PURPLE, "D", (0, (6, 1.5, 1.4, 1.5))),
    Pen("", INK, "v", (0, (3, 1))),
    Pen("", AMBER, "P", (0, (8, 2))),
    Pen("", NAVY, "X", "-"),
    Pen("", SKY, "<", (0, (5, 1.6))),
    Pen("", GREY, "p", (0, (1.4, 1.3))),
    Pen("", BLUE, ">", (0, (6, 1.5, 1.4, 1.5))),
    Pen("", ORANGE, "*", (0, (3, 1))),
    Pen("", GREEN, "h", (0, (8, 2))),
)


def style() -> contextlib.AbstractContextManager[None]:
    """While it lasts, figures are drawn in this look, whatever the reader has set."""
    return mpl.rc_context(_LOOK)


def canvas(height_in: float = 4.0, rows: int = 1, cols: int = 1, **grid: Any) -> tuple[Figure, Any]:
    """A figure of the report's width, and its axes (one, or an array), with a light grid."""
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, cols, **grid)
    for each in figure.axes:
        each.grid(visible=True, color=PALE, linewidth=0.7)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def png(figure: Figure) -> bytes:
    """The figure as a PNG; no software's name and no date in it, so that equal data are equal."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
