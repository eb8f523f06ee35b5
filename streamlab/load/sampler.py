"""The server's own view while a run goes on: lag, pending and memory, ten times a second."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import redis

from streamlab.queue import replies

if TYPE_CHECKING:
    from types import TracebackType

_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment.

    Attributes
    ----------
    at_ns
        When the reply had come, in ns of `time.monotonic_ns`.
    lag
        Entries that the first group has not been given; None where the server does not know.
    pending
        Entries that were delivered and not acknowledged, in the first group.
    memory_bytes
        used_memory.
    """

    at_ns: int
    lag: int | None
    pending: int
    memory_bytes: int


class Sampler:
    """Asks in a thread of its own, while its context lasts. XINFO GROUPS and INFO memory.

    Attributes
    ----------
    samples
        What was seen, in order. A server that is paused or down leaves a gap.
    """

    def __init__(self, client: redis.Redis, stream: str, group: str) -> None:
        self._client, self._stream, self._group = client, stream, group
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.samples: list[Sample] = []

    def _watch(self) -> None:
        due_s = time.monotonic()
        while not self._over.is_set():
            # A fault of the run: the gap tells of it.
            with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                self._look()
            due_s = max(due_s + _EVERY_S, time.monotonic())
            self._over.wait(due_s - time.monotonic())

    def _look(self) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xinfo_groups(self._stream)
            pipe.info("memory")
            groups, memory = pipe.execute()
        info = replies.find_group(groups, self._group)
        if info is not None:
            sample = Sample(
                time.monotonic_ns(),
                replies.group_lag(info),
                int(info["pending"]),
                int(memory["used_memory"]),
            )
            self.samples.append(sample)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(timeout=10)
