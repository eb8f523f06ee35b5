"""A stream as SVG: the frame of every picture, with a lane for each group and a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.view import svg
from streamlab.view.boxes import Boxes
from streamlab.view.strip import Strip
from streamlab.view.text import consumers_text, headline, lag_text, size_text
from streamlab.view.words import counted, shorten

if TYPE_CHECKING:
    from streamlab.view.stream import Group, Stream

# Pixels. The widest picture fits a notebook's output area without a sideways scroll; the
# narrowest has room for the legend.
MARGIN, LEFT, MOST_WIDTH, LEAST_WIDTH = 18, 164, 840, 660
_HEAD, _LANE_GAP, _NOTE = 44, 22, 15


def consumers_note(group: Group, width: float) -> str:
    """Who is in the group and how many entries each holds: as many as fit, the others counted."""
    fit = svg.room(width, 10, svg.SANS)
    named = len(group.consumers)
    while named > 1 and len(consumers_text(group, named)) > fit:
        named -= 1
    return consumers_text(group, named)


def _label(group: Group, top: float) -> list[str]:
    width = LEFT - MARGIN - 12
    name = shorten(group.name, svg.room(width, 12, svg.BOLD))
    cursor = svg.room(width - 12, 10, svg.MONO)
    return [
        svg.text("n", MARGIN, top + 9, name),
        svg.text("s", MARGIN, top + 24, f"{group.pending_count:,} pending"),
        svg.text("s", MARGIN, top + 37, lag_text(group)),
        svg.path("flag", f"M{MARGIN} {top + 43:.1f}h8l-4 6z"),
        svg.text("m s c", MARGIN + 12, top + 50, shorten(str(group.cursor), cursor)),
    ]


def _cursor(x: float, top: float, height: float) -> list[str]:
    return [
        svg.line("cursor", x, top - 4, x, top + height + 4),
        svg.path("flag", f"M{x - 5:.1f} {top - 10:.1f}h10l-5 7z"),
    ]


def _legend(top: float, width: float, *, idle: bool) -> list[str]:
    parts = [svg.line("rule", MARGIN, top, width - MARGIN, top)]
    for x, kind, words in (
        (MARGIN, "done", "acknowledged, or skipped"),
        (MARGIN + 178, "pending", "pending"),
        (MARGIN + 264, "waiting", "not delivered yet"),
    ):
        parts.append(svg.rect(kind, x, top + 11, 16, 12, 2))
        if kind == "done":
            parts.append(svg.tick(x + 8, top + 17))
        parts.append(svg.text("s", x + 22, top + 21, words))
    x = MARGIN + 398
    parts += [
        svg.path("flag", f"M{x} {top + 13:.1f}h10l-5 7z"),
        svg.text("s", x + 16, top + 21, "cursor: delivered up to here"),
    ]
    if idle:
        steps = "idle for at least 1 s, 10 s, 1 min, 10 min, 1 h"
        parts += svg.steps(MARGIN, top + 34, 3, 11)
        parts.append(svg.text("s", MARGIN + 72, top + 40, steps))
    return parts


def description(stream: Stream) -> str:
    """The picture in words, for those who do not see it; no idle times, which change."""
    groups = [
        f"group {g.name}: delivered up to {g.cursor}, {g.pending_count:,} pending, {lag_text(g)}"
        for g in stream.groups
    ]
    return "; ".join([headline(stream), *(groups or ["no group reads it"])])


def diagram(stream: Stream, *, limit: int) -> tuple[str, float]:
    """The SVG of `stream` and its width in pixels; at most `limit` entries get a box each."""
    short = not stream.unread and len(stream.ids) <= limit
    room = MOST_WIDTH - LEFT - MARGIN
    body = Boxes(stream, LEFT, room) if short else Strip(stream, LEFT, room)
    width = max(LEAST_WIDTH, LEFT + body.width + MARGIN)
    parts = [
        svg.text("h", MARGIN, 28, shorten(stream.name, 34)),
        svg.text("s", width - MARGIN, 27, size_text(stream), anchor="end"),
        svg.text("s", MARGIN, _HEAD + 18, "stream"),
        *body.stream_row(_HEAD),
    ]
    y = _HEAD + body.stream_height + _LANE_GAP
    for group in stream.groups:
        parts += [*_label(group, y), *body.lane(group, y)]
        parts += _cursor(body.cursor_x(group), y, body.lane_height)
        y += body.lane_height + 4
        note = consumers_note(group, width - LEFT - MARGIN)
        parts.append(svg.text("s", LEFT, y + 12, note))
        y += _NOTE
        for words in body.held_notes(group):
            parts.append(svg.volatile([svg.text("s", LEFT, y + 12, words)]))
            y += _NOTE
        y += _LANE_GAP
    if not stream.groups:
        parts.append(svg.text("s", MARGIN, y + 4, "no group reads it"))
        y += _LANE_GAP
    if stream.more_groups:
        more = f"… and {counted(stream.more_groups, 'more group', 'more groups')}"
        parts.append(svg.text("s", MARGIN, y, more))
        y += _LANE_GAP
    if stream.groups:
        held = any(group.pending for group in stream.groups)
        parts += _legend(y - 6, width, idle=short and held)
        y += 48 if short and held else 30
    return svg.document(width, y, f"stream {stream.name}", description(stream), parts), width


def absent(name: str) -> tuple[str, float]:
    """A picture that says that there is no such key, and its width in pixels."""
    parts = [
        svg.text("h", MARGIN, 28, shorten(name, 34)),
        svg.rect("gone", MARGIN, 44, LEAST_WIDTH - 2 * MARGIN, 40, 4),
        svg.text("s", LEAST_WIDTH / 2, 68, "no such key: XADD makes it", anchor="middle"),
    ]
    title = f"stream {name} does not exist"
    return svg.document(LEAST_WIDTH, 102, title, title, parts), LEAST_WIDTH
