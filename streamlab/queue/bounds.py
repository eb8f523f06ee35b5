"""Bounds of a worker's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError
from streamlab.queue.connection import socket_timeout_ms

if TYPE_CHECKING:
    import redis

# A blocking read answers this much later than its BLOCK at the worst; then the socket gives up.
_BLOCK_MARGIN_MS = 500
_LONGEST_BLOCK_MS = 5_000


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


def block_within(client: redis.Redis, block_ms: int | None) -> int:
    """How long a blocking read may wait, in ms, so that `client`'s socket outlasts it (F45).

    Raises
    ------
    BadArgumentError
        If `block_ms` is not a whole number >= 1, or leaves no margin of half a second below the
        client's socket timeout: such a read times out, and its reply is lost.
    """
    timeout_ms = socket_timeout_ms(client)
    if block_ms is None:
        if timeout_ms is None:
            return _LONGEST_BLOCK_MS
        return max(
            1, min(_LONGEST_BLOCK_MS, int(max(timeout_ms - _BLOCK_MARGIN_MS, timeout_ms / 2)))
        )
    check_whole("block_ms", block_ms, at_least=1)
    if timeout_ms is not None and block_ms > timeout_ms - _BLOCK_MARGIN_MS:
        msg = (
            f"block_ms must be <= socket_timeout - {_BLOCK_MARGIN_MS} ms, got {block_ms} with a "
            f"socket_timeout of {timeout_ms:g} ms: leave it out, or give the client a longer one"
        )
        raise BadArgumentError(msg)
    return block_ms
