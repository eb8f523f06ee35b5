"""Untrusted bytes and raw numbers made fit for a picture: short, printable, in human units."""

from __future__ import annotations

import re
import unicodedata

#: XML 1.0 has no way to write these, not even escaped; line ends and tabs would break a row.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)

#: Text is cut to this many characters when it is read, so that no picture carries a megabyte.
LONGEST_TEXT = 80


def printable(raw: bytes) -> str:
    r"""`raw` as one line of at most `LONGEST_TEXT` characters that XML and a terminal can show.

    What is not UTF-8 becomes ``\xff``; control characters, and those that would turn the
    direction of the text around, become ``\N{REPLACEMENT CHARACTER}``.
    """
    # A character has at most 4 bytes; one more shows that there was more.
    text = raw[: 4 * (LONGEST_TEXT + 1)].decode(errors="backslashreplace")
    return shorten(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text), LONGEST_TEXT)


def width(text: str) -> int:
    """How many columns `text` takes: an East Asian wide character takes two, an accent none."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def padded(text: str, columns: int) -> str:
    """`text` followed by blanks, `columns` wide."""
    return text + " " * (columns - width(text))


def shorten(text: str, room: int) -> str:
    """`text` in at most `room` columns, its end replaced by an ellipsis if need be."""
    if width(text) <= room:
        return text
    while text and width(text) >= room:
        text = text[:-1]
    return text + "…" if room > 0 else ""


def shorten_name(name: str, room: int) -> str:
    """A name in about `room` columns: names differ at the end, so the middle goes."""
    if width(name) <= room:
        return name
    tail = max(room // 2, 1)
    return shorten(name[:-tail], room - tail) + name[-tail:]


def shorten_id(entry_id: str, room: int) -> str:
    """An entry id in at most `room` characters: its end is kept, since that is what differs."""
    return entry_id if len(entry_id) <= room else "…" + entry_id[len(entry_id) - room + 1 :]


_TEN = 100  # tenths
_STEPS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def idle_text(idle_ms: int) -> str:
    """An idle time as ``idle 350 ms``, ``idle 1.2 s``, ``idle 3 min``, ``idle 5 h``, ``idle 9 d``.

    It is always this shape, so that one regular expression can mask what differs between runs.
    """
    for unit_ms, unit in _STEPS:
        if idle_ms >= unit_ms:
            # Rounded down: never a larger idle time than the server said.
            tenths = idle_ms * 10 // unit_ms
            number = f"{tenths / 10:.1f}" if unit == "s" and tenths < _TEN else f"{tenths // 10}"
            return f"idle {number} {unit}"
    return f"idle {max(idle_ms, 0)} ms"


def times(deliveries: int) -> str:
    """A delivery count in the least room: a number and a multiplication sign."""
    return f"{deliveries:,}\N{MULTIPLICATION SIGN}"


def idle_level(idle_ms: int) -> int:
    """How many of five steps an idle time has climbed: 1 s, 10 s, 1 min, 10 min, 1 h."""
    return sum(idle_ms >= step for step in (1_000, 10_000, 60_000, 600_000, 3_600_000))


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: ``1 entry``, ``1,000 entries``."""
    return f"{number:,} {noun if number == 1 else plural or noun}"
