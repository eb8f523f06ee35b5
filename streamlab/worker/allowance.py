"""When a worker has done enough: a number of tasks, a time without any; shared by its threads."""

from __future__ import annotations

import threading
import time


class Allowance:
    """How many tasks may still be taken, and since when none came.

    Parameters
    ----------
    max_tasks
        In all, >= 1; None for no bound.
    idle_ms
        It is over when no task came for so long, in ms; None for never.
    """

    def __init__(self, max_tasks: int | None, idle_ms: int | None) -> None:
        self._left = max_tasks  # neither run nor reserved by a read
        self._running = 0
        self._idle_s = None if idle_ms is None else idle_ms / 1000
        self._idle_since = time.monotonic()
        self._lock = threading.Lock()

    def reserve(self, wanted: int) -> int:
        """Up to `wanted` tasks for the next read; 0 while others have reserved what is left."""
        if self._left is None:
            return wanted
        with self._lock:
            got = min(wanted, self._left)
            self._left -= got
            self._running += got
            return got

    def give_back(self, tasks: int) -> None:
        """So many of what was reserved were not run."""
        if self._left is not None:
            with self._lock:
                self._left += tasks
                self._running -= tasks

    def used(self, tasks: int) -> None:
        """So many of what was reserved were run."""
        if self._left is not None:
            with self._lock:
                self._running -= tasks

    def touch(self) -> None:
        """There was work just now."""
        self._idle_since = time.monotonic()

    @property
    def idle_until(self) -> float | None:
        """When we shall have been idle for long enough (`time.monotonic`), if nothing comes."""
        return None if self._idle_s is None else self._idle_since + self._idle_s

    @property
    def used_up(self) -> bool:
        """Whether all tasks are run."""
        return self._left is not None and self._left <= 0 and self._running <= 0

    @property
    def idle_over(self) -> bool:
        """Whether no task came for so long."""
        until = self.idle_until
        return until is not None and time.monotonic() >= until
