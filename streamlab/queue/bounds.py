"""Bounds of whole numbers, checked where a parameter comes in."""

from __future__ import annotations

from streamlab.errors import BadArgumentError

#: A year in ms, for times: longer ones are a mistake, and overflow what the server counts with.
YEAR_MS = 365 * 24 * 3600 * 1000


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
    msg = f"{what} must be a whole number {rule}, got {value!r}"
    raise BadArgumentError(msg)
