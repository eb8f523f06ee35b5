"""Frames out of bytes that come in any pieces: what commands and replies have in common.

The frames of a framer, one after the other, are the stream again, byte for byte. A count of the
values that are still to come is all that nesting needs: an array of n takes one and brings n.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from streamlab.errors import StreamlabError

if TYPE_CHECKING:
    from collections.abc import Generator

CRLF = b"\r\n"
_SHOWN_BYTES = 60
_LONGEST_BULK = 512 * 1024 * 1024  # Redis's default, proto-max-bulk-len
F = TypeVar("F")


class ProtocolError(StreamlabError, ValueError):
    """Bytes that are no RESP; `offending` has those at fault, from the first wrong value on."""

    def __init__(self, expected: str, offending: bytes) -> None:
        shown = offending[:_SHOWN_BYTES]
        super().__init__(f"expected {expected}, got {shown!r}: the stream cannot be read from here")
        self.offending = offending


class Framer(ABC, Generic[F]):
    """What both directions share: a buffer that starts where the last whole frame ended."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0  # of the frame that is being read
        self._at = 0  # the next value in it
        self._left = 0  # values of it still to come; 0 between frames

    def drain(self) -> bytes:
        """Take out the bytes after the last whole frame: from here on nothing more is read."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._at = self._left = 0
        return rest

    def feed(self, data: bytes) -> Generator[F, None, None]:
        """Yield the frames that `data` completes.

        Raises
        ------
        ProtocolError
            When the frames before the offending bytes have been yielded.
        """
        self._buffer += data
        try:
            while (frame := self._next()) is not None:
                yield frame
        finally:
            del self._buffer[: self._start]
            self._at -= self._start
            self._start = 0

    @abstractmethod
    def _next(self) -> F | None:
        """The next frame, or None until more bytes have come."""

    def _cut(self, end: int) -> bytes:
        raw = bytes(self._buffer[self._start : end])
        self._start = self._at = end
        self._left = 0
        return raw

    def _body_end(self, begin: int, length: int) -> int | None:
        """Where `length` bytes and their CRLF end, or None until they are all there."""
        end = begin + length + 2
        if length > _LONGEST_BULK:
            raise ProtocolError("a length of at most 512 MiB", bytes(self._buffer[self._at :]))
        if end > len(self._buffer):
            return None
        if not self._buffer.endswith(CRLF, begin, end):
            self._at = end - 2
            raise ProtocolError("CRLF after a string", bytes(self._buffer[end - 2 :]))
        return end

    def _refuse_whole_line(self, expected: str, first: bytes) -> None:
        """Raise unless the line at the current value may still become one that begins so."""
        at = self._at
        wrong = at < len(self._buffer) and self._buffer[at] not in first
        if wrong or self._buffer.find(CRLF, at) >= 0:
            raise ProtocolError(expected, bytes(self._buffer[at:]))
