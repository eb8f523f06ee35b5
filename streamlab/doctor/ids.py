"""An entry's id as two numbers, which compare as the server orders entries."""

from __future__ import annotations

from typing import TypeAlias

EntryId: TypeAlias = tuple[int, int]


def entry_id(text: str) -> EntryId:
    """``"5-2"`` as ``(5, 2)``."""
    ms, _, seq = text.partition("-")
    return int(ms), int(seq or 0)


def id_text(entry: EntryId) -> str:
    """``(5, 2)`` as ``"5-2"``."""
    return f"{entry[0]}-{entry[1]}"
