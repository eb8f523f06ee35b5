"""What a worker is told, checked against its bounds."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError
from streamlab.queue.connection import socket_timeout_ms
from streamlab.queue.names import check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from streamlab.queue.task import Task
    from streamlab.queue.task_queue import TaskQueue

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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The settings of a `Worker`, whose parameters say what each means.

    Raises
    ------
    BadArgumentError
        One is out of its bounds or of the wrong type.
    """

    queue: TaskQueue
    handler: Callable[[Task], object]
    name: str
    batch: int
    min_idle_ms: int
    block_ms: int
    lease_ms: int
    grace_ms: int

    def __post_init__(self) -> None:
        if not callable(self.handler):
            msg = f"handler must be callable with a Task, got {self.handler!r}"
            raise BadArgumentError(msg)
        if inspect.iscoroutinefunction(self.handler) or inspect.isgeneratorfunction(self.handler):
            msg = (
                f"handler must have done its work when it returns, got {self.handler!r}, which "
                "has only begun it: wrap it, with asyncio.run for a coroutine"
            )
            raise BadArgumentError(msg)
        check_name("name", self.name)
        check_whole("batch", self.batch, at_least=1, at_most=10_000)
        check_whole("min_idle_ms", self.min_idle_ms, at_least=1)
        check_whole("lease_ms", self.lease_ms, at_least=100)
        check_whole("grace_ms", self.grace_ms, at_least=0)
