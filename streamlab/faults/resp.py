"""Where commands and replies end in a stream of RESP bytes; no value is ever built."""

from __future__ import annotations

import re
from typing import NamedTuple

from streamlab.faults.framing import CRLF, Framer, ProtocolError

_LONGEST_INLINE = 64 * 1024  # Redis's own bound
_COUNT = rb"(0|[1-9][0-9]*)\r\n"
_DOUBLE = rb",[+-]?(?:inf|nan|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
# A value's first line; the group that matched says what follows: nothing, bytes, values, pairs.
_VALUE = re.compile(
    rb"(?:[+-][^\r\n]*|[:(][+-]?[0-9]+|_|#[tf]|[$*]-1|" + _DOUBLE + rb")\r\n"
    rb"|[$!=]" + _COUNT + rb"|[*~>]" + _COUNT + rb"|[%|]" + _COUNT
)
_BYTES, _VALUES, _PAIRS = 1, 2, 3
_REPLY_TYPES = b"+-:(_#,$!=*~>%|"
_ATTRIBUTE, _PUSH, _ARRAY = b"|>*"
_COMMAND = re.compile(rb"\*(0|-?[1-9][0-9]*)\r\n")
_WORD = re.compile(rb"\$" + _COUNT)

_UNCOUNTABLE = {"MONITOR", "PSYNC", "SYNC"} | {
    f"{kind}{what}" for kind in ("", "P", "S") for what in ("SUBSCRIBE", "UNSUBSCRIBE")
}


class Command(NamedTuple):
    """One request of a client: its name in upper case, and its bytes.

    The name is None for what Redis does not answer: an empty line, or an array of none.
    """

    name: str | None
    raw: bytes

    @property
    def countable(self) -> bool:
        """Whether it, and each command after it, gets one reply, pushes apart."""
        if self.name == "CLIENT":
            return [word.upper() for word in self.args(1)] != [b"REPLY"]
        return self.name not in _UNCOUNTABLE

    def args(self, most: int) -> tuple[bytes, ...]:
        """The first `most` words after the name; those of an inline command keep their quotes."""
        if self.raw[0] != _ARRAY:
            return tuple(self.raw.split()[1 : most + 1])
        words: list[bytes] = []
        at = self.raw.index(CRLF) + 2
        while len(words) <= most and (word := _WORD.match(self.raw, at)):
            at = word.end() + int(word[1]) + 2
            words.append(self.raw[word.end() : at - 2])
        return tuple(words[1:])


class Reply(NamedTuple):
    """One reply of a server, or a push (RESP3), which answers no command."""

    push: bool
    raw: bytes


class CommandFramer(Framer[Command]):
    """Commands in what a client sends: arrays of strings, and inline commands."""

    def __init__(self) -> None:
        super().__init__()
        self._name: str | None = None

    def _next(self) -> Command | None:
        if self._left == 0:
            if self._at >= len(self._buffer):
                return None
            if self._buffer[self._at] != _ARRAY:
                return self._inline()
            head = _COMMAND.match(self._buffer, self._at)
            if head is None:
                self._refuse_whole_line("a command's number of words", b"*")
                return None
            if (words := int(head[1])) <= 0:
                return Command(None, self._cut(head.end()))
            self._at, self._left, self._name = head.end(), words, None
        return self._words()

    def _words(self) -> Command | None:
        buffer = self._buffer
        while self._left:
            word = _WORD.match(buffer, self._at)
            if word is None:
                self._refuse_whole_line("the length of a word, such as $4", b"$")
                return None
            begin = word.end()
            end = self._body_end(begin, int(word[1]))
            if end is None:
                return None
            if self._name is None:
                self._name = str(buffer[begin : end - 2], "latin-1").upper()
            self._at = end
            self._left -= 1
        return Command(self._name, self._cut(self._at))

    def _inline(self) -> Command | None:
        end = self._buffer.find(b"\n", self._at) + 1
        if (end or len(self._buffer)) - self._at > _LONGEST_INLINE:
            expected = f"an inline command of at most {_LONGEST_INLINE} bytes"
            raise ProtocolError(expected, bytes(self._buffer[self._at :]))
        if not end:
            return None
        raw = self._cut(end)
        words = raw.split(maxsplit=1)
        return Command(str(words[0], "latin-1").upper() if words else None, raw)


class ReplyFramer(Framer[Reply]):
    """Replies and pushes in what a server sends, RESP2 or RESP3 (streamed types apart)."""

    def __init__(self) -> None:
        super().__init__()
        self._push: bool | None = None  # unknown while the frame's attributes are being read

    def _next(self) -> Reply | None:
        if self._left == 0:
            self._left, self._push = 1, None
        while self._left:
            value = _VALUE.match(self._buffer, self._at)
            if value is None:
                self._refuse_whole_line("a RESP value", _REPLY_TYPES)
                return None
            end: int | None = value.end()
            if value.lastindex == _BYTES:
                end = self._body_end(value.end(), int(value[_BYTES]))
            if end is None:
                return None
            self._count(value)
            self._at = end
        return Reply(push=bool(self._push), raw=self._cut(self._at))

    def _count(self, value: re.Match[bytes]) -> None:
        """Take the value off those to come, and add the ones that it brings."""
        kind = self._buffer[self._at]
        if kind != _ATTRIBUTE:  # it comes before a value, and is none
            if self._push is None and self._left == 1:
                self._push = kind == _PUSH
            self._left -= 1
        if value.lastindex == _VALUES:
            self._left += int(value[_VALUES])
        elif value.lastindex == _PAIRS:
            self._left += 2 * int(value[_PAIRS])
