"""The loops of one worker: one in the caller's thread, or several beside it."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlab.worker.shift import Shift

log = logging.getLogger("streamlab.worker")

# Between two looks at the threads; a signal is heard between two of them.
_LOOK_EVERY_S = 0.05


class Crew:
    """Runs each loop with its attendant, and stops them together.

    Several loops are several consumers of the group, each with a name, a lease and connections of
    its own: nothing is shared that a lock would have to guard but the bounds of the run.
    """

    def __init__(self, shifts: Sequence[Shift], grace_ms: int) -> None:
        self._shifts, self._grace_s = shifts, grace_ms / 1000
        self._stopped_at: float | None = None
        self._error: BaseException | None = None

    @property
    def grace_over(self) -> bool:
        """Whether the grace of a handler in the main thread has just ended."""
        return len(self._shifts) == 1 and self._shifts[0].attendant.grace_over

    @property
    def in_handler(self) -> bool:
        """Whether the handler runs in the thread that runs this."""
        return len(self._shifts) == 1 and self._shifts[0].attendant.in_handler

    def stop(self) -> None:
        """Ask all loops to stop; safe in a signal handler and from any thread."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        for shift in self._shifts:
            shift.attendant.stop()

    def work(self) -> None:
        """Return when all loops have ended; the first error of one stops all and is raised."""
        if len(self._shifts) == 1:
            with self._shifts[0].attendant:
                self._shifts[0].work()
            return
        threads = [
            threading.Thread(target=self._work, args=(shift,), name=f"loop {n}", daemon=True)
            for n, shift in enumerate(self._shifts, 1)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not self._grace_passed():
            time.sleep(_LOOK_EVERY_S)
        for thread, shift in zip(threads, self._shifts, strict=True):
            if thread.is_alive():
                log.warning("%s: the grace time is over, its task is handed back", thread.name)
                shift.abandon()
        if self._error is not None:
            raise self._error

    def _work(self, shift: Shift) -> None:
        try:
            with shift.attendant:
                shift.work()
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread that waits
            self._error = self._error or exc
            self.stop()

    def _grace_passed(self) -> bool:
        """Whether handlers still run that nobody can interrupt: only the main thread can be."""
        if self._stopped_at is None:
            return False
        return time.monotonic() >= self._stopped_at + self._grace_s + _LOOK_EVERY_S
