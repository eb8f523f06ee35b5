"""Names, numbers and times as a reader sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Enough to recognise a name by; a key may be 512 MB long.
_LONGEST_NAME = 80


def printable(text: str) -> str:
    """`text` on one line, with everything escaped that a terminal might obey."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shown(name: str) -> str:
    """A name as a Python literal: what a terminal would obey, and what is no text, escaped."""
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}...")


def counted(n: int, noun: str) -> str:
    """``2,000 groups``, ``1 group``."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more


def span(ms: int) -> str:
    """A time in the unit in which it is easiest to read."""
    for size_ms, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if ms >= size_ms:
            return f"{ms / size_ms:.1f} {unit}"
    return f"{ms} ms"


def size_text(n_bytes: float) -> str:
    """Bytes in the unit in which they are easiest to read."""
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"
