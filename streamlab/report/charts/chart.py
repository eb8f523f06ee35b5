"""What a figure of the report is: a title, a way to draw it, and the words that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from streamlab.measure.folder import Results


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure and its words, each made from a results folder alone.

    Attributes
    ----------
    title
        Its heading.
    draw
        None where the folder has nothing for it.
    alt
        What a person who does not see it should know, from the data.
    caption
        How to read it, and which of its points are not to be believed. Alternative text and
        caption are asked for only where `draw` gave a figure.
    """

    title: str
    draw: Callable[[Results], Figure | None]
    alt: Callable[[Results], str]
    caption: Callable[[Results], str]
