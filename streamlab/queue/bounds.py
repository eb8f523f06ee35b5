"""Bounds of whole numbers, checked where a parameter comes in."""

from __future__ import annotations

from streamlab.errors import BadArgumentError

#: A year in ms, for times: longer ones are a mistake, and overflow what the server counts with.
YEAR_MS = 365 * 24 * 3600 * 1000
#: For counts: what the server and its scripts count with exactly, and more than anybody has.
MANY = 2**31

_LONGEST_SHOWN = 80


def check_whole(what: str, value: object, *, at_least: int, at_most: int | None = None) -> int:
    """`value` if it is a whole number within the bounds.

    Raises
    ------
    BadArgumentError
        If it is not.
    """
    fits = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, int) and fits and value >= at_least and value <= (at_most or value):
        return value
    rule = f"in {at_least}..{at_most}" if at_most else f">= {at_least}"
    msg = f"{what} must be a whole number {rule}, got {shown(value)}"
    raise BadArgumentError(msg)


def shown(value: object) -> str:
    """The repr of a refused `value`, at most 80 characters of it; its type if it has none."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - an int of 4,301 digits has none, and what is not ours may do
        return f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
