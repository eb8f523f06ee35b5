"""A matplotlib figure for a page: with words for those who do not see it, and without a kernel."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError

if TYPE_CHECKING:
    from collections.abc import Container

    from matplotlib.figure import Figure

_DPI = 100


class Plot:
    """A finished figure; it does not change when what it was drawn from does.

    Attributes
    ----------
    png
        The image, 100 dots an inch.
    alt
        The same in words.
    """

    __slots__ = ("alt", "png")

    def __init__(self, png: bytes, alt: str) -> None:
        self.png = png
        self.alt = alt

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,  # noqa: ARG002 - IPython filters by itself
        exclude: Container[str] | None = None,  # noqa: ARG002
    ) -> dict[str, str]:
        data = base64.b64encode(self.png).decode()
        html = (
            f'<img alt="{escape(self.alt)}" style="max-width:100%;height:auto"'
            f' src="data:image/png;base64,{data}">'
        )
        return {"text/html": html, "text/plain": self.alt}


def plot(figure: Figure, alt: str) -> Plot:
    """`figure` as the last line of a cell shows it, with `alt` as its alternative text; closes it.

    JupyterLab gives a figure of matplotlib no alternative text; this one has it in the page.

    Parameters
    ----------
    figure
        A `matplotlib.figure.Figure`, drawn. It is closed, so that it is not shown twice.
    alt
        What a reader who does not see it should know: one sentence or two, no idle times.

    Raises
    ------
    BadArgumentError
        If `alt` is empty.
    """
    if not alt.strip():
        msg = f"alt must say what the figure shows, got {alt!r}"
        raise BadArgumentError(msg)
    import matplotlib.pyplot as plt  # noqa: PLC0415 - costs half a second

    png = io.BytesIO()
    # No software's name and date in it: the same figure is the same file.
    figure.savefig(png, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return Plot(png.getvalue(), alt)
