"""A short stream: a box for each entry, and under it what each group has done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.view import svg
from streamlab.view.stream import State
from streamlab.view.words import idle_level, idle_text, shorten, shorten_id, shorten_name, times

if TYPE_CHECKING:
    from streamlab.view.stream import EntryId, Group, Pending, Stream

_WIDEST, _GAP = 132, 6
#: From this width on a cell has room for whole words.
_WORDY = 78


class Boxes:
    """Columns of equal width, one for each id; a gone entry keeps its column, dashed."""

    stream_height = 46.0
    lane_height = 58.0

    def __init__(self, stream: Stream, left: float, room: float) -> None:
        self._stream = stream
        self._left = left
        self._column = min(room / max(len(stream.ids), 1), _WIDEST)
        self._cell = self._column - _GAP
        self.width = self._column * len(stream.ids)

    def _x(self, number: int) -> float:
        return self._left + number * self._column + _GAP / 2

    def stream_row(self, top: float) -> list[str]:
        """The entries: id, and the task's data as far as it fits."""
        if not self._stream.ids:
            x, middle = self._left + _GAP / 2, top + self.stream_height / 2 + 4
            return [
                svg.rect("gone", x, top, self._cell, self.stream_height, 4),
                svg.text("s", x + self._cell / 2, middle, "no entries", anchor="middle"),
            ]
        parts = []
        for number, entry_id in enumerate(self._stream.ids):
            parts += self._box(entry_id, self._x(number), top)
        return parts

    def _box(self, entry_id: EntryId, x: float, top: float) -> list[str]:
        w, middle = self._cell, x + self._cell / 2
        words = shorten_id(str(entry_id), svg.room(w - 6, 11, svg.MONO))
        data = self._stream.data_of(entry_id)
        if data is None:
            note = "data gone" if w >= _WORDY - 10 else "gone"
            return [
                svg.rect("gone", x, top, w, self.stream_height, 4),
                svg.text("m s", middle, top + 19, words, anchor="middle"),
                svg.text("i s", middle, top + 35, note, anchor="middle"),
            ]
        return [
            svg.rect("entry", x, top, w, self.stream_height, 4),
            svg.text("m b", middle, top + 19, words, anchor="middle"),
            svg.text(
                "s", middle, top + 35, shorten(data, svg.room(w - 8, 10, svg.SANS)), anchor="middle"
            ),
        ]

    def lane(self, group: Group, top: float) -> list[str]:
        """A cell under each box, its shape telling the state."""
        parts = []
        for number, entry_id in enumerate(self._stream.ids):
            x, state = self._x(number), self._stream.state(group, entry_id)
            held = group.held(entry_id)
            if held:
                parts += self._held(held, x, top)
            elif state is State.DONE:
                parts.append(svg.rect("done", x, top, self._cell, self.lane_height, 4))
                parts.append(svg.tick(x + self._cell / 2, top + self.lane_height / 2))
            elif state is State.WAITING:
                parts.append(svg.rect("waiting", x, top, self._cell, self.lane_height, 4))
            elif state is State.UNLISTED:
                parts.append(svg.rect("done", x, top, self._cell, self.lane_height, 4))
                middle = top + self.lane_height / 2 + 4
                parts.append(svg.text("s", x + self._cell / 2, middle, "?", anchor="middle"))
        return parts

    def _held(self, held: Pending, x: float, top: float) -> list[str]:
        w, middle = self._cell, x + self._cell / 2
        wordy = w >= _WORDY
        count = f"delivered {times(held.deliveries)}" if wordy else times(held.deliveries)
        who = shorten_name(held.consumer or "nobody", svg.room(w - 6, 11, svg.BOLD))
        parts = [
            svg.rect("pending", x, top, w, self.lane_height, 4),
            svg.text("b" if held.consumer else "i", middle, top + 15, who, anchor="middle"),
            svg.text("s d", middle, top + 28, count, anchor="middle"),
        ]
        if held.idle_ms is not None:
            idle = idle_text(held.idle_ms)
            words = idle if wordy else idle.removeprefix("idle ")
            step = min((w - 10) / 5, 18)
            parts.append(
                svg.volatile(
                    [
                        svg.text("s d", middle, top + 41, words, anchor="middle"),
                        *svg.steps(middle - 2.5 * step, top + 47, idle_level(held.idle_ms), step),
                    ]
                )
            )
        return parts

    def cursor_x(self, group: Group) -> float:
        """Between the last column that was delivered and the next."""
        delivered = sum(entry_id <= group.cursor for entry_id in self._stream.ids)
        return self._left + delivered * self._column

    def held_notes(self, group: Group) -> list[str]:  # noqa: ARG002 - as `Strip` has it
        """Nothing: the cells say it all."""
        return []
