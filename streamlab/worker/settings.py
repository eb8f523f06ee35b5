"""What a worker is told, checked against its bounds."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError
from streamlab.queue.bounds import YEAR_MS, check_whole, shown
from streamlab.queue.connection import socket_timeout_ms
from streamlab.queue.group import check_entry_id
from streamlab.queue.names import check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from streamlab.queue.task import Task
    from streamlab.queue.task_queue import TaskQueue
    from streamlab.worker.report import Moment

# A blocking read answers this much later than its BLOCK at the worst; then the socket gives up.
_BLOCK_MARGIN_MS = 500
_LONGEST_BLOCK_MS = 5_000


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
    return check_whole("block_ms", block_ms, at_least=1, at_most=YEAR_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The settings of a `Worker`, whose parameters say what each means.

    Raises
    ------
    BadArgumentError
        One is out of its bounds or of the wrong type.
    """

    queue: TaskQueue
    handler: Callable[..., object]
    name: str
    batch: int
    min_idle_ms: int
    max_deliveries: int
    retry_ms: int
    idempotent: bool
    remember_ms: int
    delete_done: bool
    regroup_at: str | None
    threads: int
    block_ms: int
    lease_ms: int
    reap_ms: int
    grace_ms: int
    observer: Callable[[Moment, str, Task | None], object] | None

    def __post_init__(self) -> None:
        if not callable(self.handler):
            msg = f"handler must be callable with a Task, got {shown(self.handler)}"
            raise BadArgumentError(msg)
        if inspect.isgeneratorfunction(self.handler) or inspect.isasyncgenfunction(self.handler):
            msg = (
                f"handler must have done its work when it returns, got {self.handler!r}, which "
                "has only begun it: write it as a function or a coroutine"
            )
            raise BadArgumentError(msg)
        if self.observer is not None and not callable(self.observer):
            msg = f"observer must be callable or None, got {shown(self.observer)}"
            raise BadArgumentError(msg)
        for what in ("idempotent", "delete_done"):
            if not isinstance(value := getattr(self, what), bool):
                msg = f"{what} must be True or False, got {shown(value)}"
                raise BadArgumentError(msg)
        check_name("name", self.name)
        if self.regroup_at is not None and self.regroup_at != "$":
            check_entry_id("regroup_at", self.regroup_at, also="None, '0', '$' or ")
        check_whole("batch", self.batch, at_least=1, at_most=10_000)
        check_whole("max_deliveries", self.max_deliveries, at_least=1, at_most=2**31)
        check_whole("threads", self.threads, at_least=1, at_most=256)
        for what, at_least in (
            ("min_idle_ms", 1),
            ("retry_ms", 0),
            ("remember_ms", 1),
            ("lease_ms", 100),
            ("reap_ms", 0),
            ("grace_ms", 0),
        ):
            check_whole(what, getattr(self, what), at_least=at_least, at_most=YEAR_MS)
