"""A long stream: a dense strip in id order, each bar a stretch of entries, everything counted."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from streamlab.view import svg
from streamlab.view.words import counted, idle_text, shorten_name, times

if TYPE_CHECKING:
    from streamlab.view.stream import EntryId, Group, Pending, Stream

_BARS = 80
_NOTED = 2


def _key(entry_id: EntryId) -> int:
    return (entry_id.ms << 64) + entry_id.seq


class Ruler:
    """How many places lie up to an id: exact for what was read, else between the known ones.

    A place is an entry, or a pending one whose data is gone. In the stretch that was not read,
    ids are taken to be evenly spread between the points that the server does count: the ends, and
    the cursors whose lag it knows.
    """

    def __init__(self, stream: Stream) -> None:
        self.extent = stream.extent
        points = {entry_id: float(n + 1) for n, entry_id in enumerate(stream.ids)}
        if stream.unread:
            tail = [entry_id for entry_id in stream.ids if entry_id >= stream.unread[1]]
            points |= {i: float(self.extent - n) for n, i in enumerate(reversed(tail))}
            for group in stream.groups:
                if group.lag is not None and stream.unread[0] < group.cursor < stream.unread[1]:
                    points[group.cursor] = float(self.extent - group.lag)
        ordered = sorted(points.items())
        self._keys = [_key(entry_id) for entry_id, _ in ordered]
        self._ranks = [rank for _, rank in ordered]
        self._exact = not stream.unread

    def up_to(self, entry_id: EntryId) -> float:
        """How many places have an id of at most `entry_id`."""
        key = _key(entry_id)
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            return self._ranks[at]
        if at == 0:
            return 0.0
        if self._exact or at == len(self._keys):
            return self._ranks[at - 1]
        (k0, k1), (r0, r1) = self._keys[at - 1 : at + 1], self._ranks[at - 1 : at + 1]
        return r0 + (r1 - r0) * ((key - k0) / (k1 - k0))


class Strip:
    """Bars of equal width over the whole stream."""

    stream_height = 48.0
    lane_height = 40.0

    def __init__(self, stream: Stream, left: float, room: float) -> None:
        self._stream, self._left, self.width = stream, left, room
        self._ruler = Ruler(stream)
        self._bars = min(_BARS, stream.extent)
        self._bar = room / self._bars

    def _bar_of(self, rank: float) -> int:
        return min(int(max(rank - 1, 0) * self._bars / self._ruler.extent), self._bars - 1)

    def _x(self, rank: float) -> float:
        return self._left + self.width * min(rank / self._ruler.extent, 1)

    def stream_row(self, top: float) -> list[str]:
        """The bars, and the first and last id under them."""
        gone = self._counted([self._ruler.up_to(entry_id) for entry_id in self._stream.gone])
        each = self._ruler.extent / self._bars
        parts = []
        for bar in range(self._bars):
            kind = "gone" if gone.get(bar, 0) > each / 2 else "entry"
            x = self._left + bar * self._bar
            parts.append(svg.rect(kind, x + 0.8, top, self._bar - 1.6, 26, 1.5))
        first, last = self._stream.ids[0], self._stream.ids[-1]
        about = "" if self._ruler.extent % self._bars == 0 else "about "
        about = f"each bar is {about}{counted(round(each), 'entry', 'entries')}"
        return [
            *parts,
            svg.text("m s", self._left, top + 40, str(first)),
            svg.text("s", self._left + self.width / 2, top + 40, about, anchor="middle"),
            svg.text("m s", self._left + self.width, top + 40, str(last), anchor="end"),
        ]

    def _counted(self, ranks: list[float]) -> dict[int, int]:
        bars: dict[int, int] = {}
        for rank in ranks:
            bars[self._bar_of(rank)] = bars.get(self._bar_of(rank), 0) + 1
        return bars

    def lane(self, group: Group, top: float) -> list[str]:
        """Delivered up to the cursor; the pending share of each bar stands on it."""
        x, right = self.cursor_x(group), self._left + self.width
        parts = []
        if x > self._left:
            parts.append(svg.rect("done", self._left, top, x - self._left, self.lane_height, 3))
        if x < right:
            parts.append(svg.rect("waiting", x, top, right - x, self.lane_height, 3))
        each = self._ruler.extent / self._bars
        pending = self._counted([self._ruler.up_to(p.id) for p in group.pending])
        for bar, number in sorted(pending.items()):
            height = max(self.lane_height * min(number / each, 1), 4)
            left = self._left + bar * self._bar
            bottom = top + self.lane_height
            parts.append(
                svg.rect("pending", left + 0.8, bottom - height, self._bar - 1.6, height, 1)
            )
        return parts + self._unlisted(group, top)

    def _unlisted(self, group: Group, top: float) -> list[str]:
        if group.unlisted is None:
            return []
        start, end = group.unlisted
        x0 = self._x(self._ruler.up_to(start))
        x1 = self._x(self._ruler.up_to(min(end, group.cursor)))
        words = f"{group.pending_count - len(group.pending):,} more pending in here"
        if x1 - x0 < len(words) * 10 * svg.SANS + 8:
            return []  # too narrow for words; the label's count has them
        return [
            svg.rect("hatched", x0, top, x1 - x0, self.lane_height),
            svg.text("s d", (x0 + x1) / 2, top + 24, words, anchor="middle"),
        ]

    def cursor_x(self, group: Group) -> float:
        """After the entries that were delivered."""
        return self._x(self._ruler.up_to(group.cursor))

    def held_notes(self, group: Group) -> list[str]:
        """The oldest pending entries, in words."""
        return [f"oldest pending: {self._held(p)}" for p in group.pending[:1]] + [
            f"next: {self._held(p)}" for p in group.pending[1:_NOTED]
        ]

    def _held(self, held: Pending) -> str:
        who = f"held by {shorten_name(held.consumer, 20)}" if held.consumer else "held by nobody"
        data = " (data gone)" if held.id in self._stream.gone else ""
        idle = "" if held.idle_ms is None else f", {idle_text(held.idle_ms)}"
        return f"{held.id}{data} {who}, delivered {times(held.deliveries)}{idle}"
