"""The picture itself: what a notebook shows, and its plain text everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError
from streamlab.view import svg
from streamlab.view.diagram import absent, description, diagram
from streamlab.view.snapshot import read_stream
from streamlab.view.text import plain_text
from streamlab.view.words import printable

if TYPE_CHECKING:
    from collections.abc import Container

    import redis

#: More boxes than this beside each other cannot hold an id.
MOST_BOXES = 16


class Picture:
    """A finished picture; it does not change when the stream does.

    Attributes
    ----------
    svg
        The drawing, a complete SVG document.
    alt
        The same in one sentence.
    """

    __slots__ = ("_text", "_width", "alt", "svg")

    def __init__(self, drawing: str, width: float, alt: str, text: str) -> None:
        self.svg = drawing
        self.alt = alt
        self._width = width
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,  # noqa: ARG002 - IPython filters by itself
        exclude: Container[str] | None = None,  # noqa: ARG002
    ) -> dict[str, str]:
        html = svg.image(self.svg, self.alt, self._width)
        return {"text/html": html, "text/plain": self._text}


def show(client: redis.Redis, stream: str | bytes, *, limit: int = 12) -> Picture:
    """A picture of one stream: its entries, each group's cursor, and who holds what.

    Reads and changes nothing: ``XINFO STREAM``, ``XINFO GROUPS``, ``XRANGE``, ``XREVRANGE``,
    ``XINFO CONSUMERS`` and ``XPENDING``. At most 1,000 entries (or 4 MiB of them), 4 groups, and
    1,000 pending entries at each end of a group are read; everything beyond is counted.

    An entry that a group was given, and that is not pending in it, was acknowledged, or skipped
    because the group began after it: Redis does not keep which.

    Parameters
    ----------
    client
        Any `redis.Redis`, with or without ``decode_responses``.
    stream
        The key. One that does not exist gives a picture that says so.
    limit
        Up to so many entries each get a box of their own, from 1 to 16; more become a strip.

    Raises
    ------
    BadArgumentError
        If `limit` is out of its bounds.
    WrongTypeError
        If the key holds something else than a stream.

    Examples
    --------
    ``show(r, "tasks")`` as the last line of a cell; ``print(show(r, "tasks"))`` in a shell.
    """
    if not 1 <= limit <= MOST_BOXES:
        msg = f"limit must be from 1 to {MOST_BOXES}, got {limit}"
        raise BadArgumentError(msg)
    found = read_stream(client, stream, shown=limit)
    if found is None:
        key = stream if isinstance(stream, bytes) else stream.encode(errors="surrogateescape")
        name = printable(key)
        words = f"stream {name} does not exist"
        return Picture(*absent(name), words, words)
    return Picture(*diagram(found, limit=limit), description(found), plain_text(found, limit=limit))
