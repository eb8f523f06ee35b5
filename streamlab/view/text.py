"""The picture in plain text: an aligned table, then a line for each group and each held entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.view.stream import EntryId, Group, State, Stream
from streamlab.view.words import counted, idle_text, padded, shorten, shorten_name, times, width

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A long stream shows so many rows of its head, and of its tail.
_ENDS = 4
#: Lines of held entries, shared by all groups: a long stream's text stays within 30 lines.
_HELD_LINES = 8
_DATA_WIDTH, _NAME_WIDTH, _CELL_WIDTH = 28, 20, 26
_CURSOR, _TICK = "◀", "✓"
_LEGEND = f"{_TICK} acknowledged, or skipped because the group began later"


def size_text(stream: Stream) -> str:
    """How long the stream is, and the last id it ever gave."""
    parts = [counted(stream.length, "entry", "entries")]
    if stream.gone:
        parts.append(f"{len(stream.gone):,} pending without data")
    return " · ".join([*parts, f"last id {stream.last_id}"])


def headline(stream: Stream) -> str:
    """The stream's name and size."""
    return f"stream {stream.name} · {size_text(stream)}"


def lag_text(group: Group) -> str:
    """The lag; a server that does not know it says so."""
    return "lag unknown" if group.lag is None else f"lag {group.lag:,}"


def consumers_text(group: Group, most: int = 8) -> str:
    """Who is in the group, and how many entries each holds."""
    if not group.consumers:
        return "no consumers yet"
    named = [
        f"{shorten_name(c.name, _NAME_WIDTH)} {c.pending_count:,}" for c in group.consumers[:most]
    ]
    rest = len(group.consumers) - most
    return "holding: " + ", ".join([*named, f"{rest:,} more"] if rest > 0 else named)


def group_line(group: Group) -> str:
    """One group: its cursor, and what it owes."""
    return " · ".join(
        [
            f"delivered up to {group.cursor}",
            f"{group.pending_count:,} pending",
            lag_text(group),
        ]
    )


def _cell(stream: Stream, group: Group, entry_id: EntryId) -> str:
    match stream.state(group, entry_id):
        case State.PENDING:
            held = group.held(entry_id)
            who = held.consumer if held else None
            cell = f"pending: {shorten_name(who or '(nobody)', _NAME_WIDTH - 6)}"
        case State.DONE:
            cell = _TICK
        case State.WAITING:
            cell = "not delivered"
        case State.UNLISTED:
            cell = "?"
        case State.ABSENT:
            cell = ""
    return f"{cell} {_CURSOR}".lstrip() if entry_id == group.cursor else cell


def _row(stream: Stream, entry_id: EntryId) -> list[str]:
    data = stream.data_of(entry_id)
    shown = "(data gone)" if data is None else shorten(data, _DATA_WIDTH)
    return [str(entry_id), shown, *(_cell(stream, group, entry_id) for group in stream.groups)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(padded, row, widths)).rstrip() for row in rows]


def _table(stream: Stream, limit: int) -> list[str]:
    if not stream.ids:
        return []
    header = ["id", "data", *(shorten(group.name, _CELL_WIDTH) for group in stream.groups)]
    if not stream.unread and len(stream.ids) <= limit:
        return _aligned([header, *(_row(stream, i) for i in stream.ids)])
    rows = [_row(stream, i) for i in (*stream.ids[:_ENDS], *stream.ids[-_ENDS:])]
    lines = _aligned([header, *rows])
    lines.insert(_ENDS + 1, f"… {stream.extent - 2 * _ENDS:,} more …")
    return lines


def _held_lines(group: Group, most: int) -> list[str]:
    rows = [
        [
            f"  {p.id}",
            f"held by {shorten_name(p.consumer, _NAME_WIDTH)}" if p.consumer else "held by nobody",
            f"delivered {times(p.deliveries)}",
            # Last, so that its changing width moves nothing.
            "" if p.idle_ms is None else idle_text(p.idle_ms),
        ]
        for p in group.pending[:most]
    ]
    lines = _aligned([row[:3] for row in rows])
    lines = [f"{line}  {row[3]}".rstrip() for line, row in zip(lines, rows, strict=True)]
    rest = group.pending_count - len(lines)
    return [*lines, f"  … {rest:,} more pending"] if rest > 0 else lines


def plain_text(stream: Stream, *, limit: int) -> str:
    """`stream` in at most 30 lines.

    Only idle times differ between two runs on equal ids; each is written by `idle_text`, at the
    end of its line.
    """
    lines = [headline(stream)]
    if table := _table(stream, limit):
        lines += ["", *table]
    if any(_TICK in line for line in table[1:]):
        lines.append(_LEGEND)
    lines.append("")
    for group in stream.groups:
        lines.append(f"{_CURSOR} {shorten(group.name, _CELL_WIDTH)}: {group_line(group)}")
        lines.append(f"  {consumers_text(group)}")
        lines += _held_lines(group, max(1, _HELD_LINES // len(stream.groups) - 1))
    if not stream.groups:
        lines.append("no group reads it")
    if stream.more_groups:
        lines.append(f"… {counted(stream.more_groups, 'more group', 'more groups')}")
    return "\n".join(lines)
