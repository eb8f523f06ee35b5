"""What a worker holds: delivered to it, not finished, and until when it is surely its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Hand:
    """Entry ids, each with the moment from which another worker may take it over.

    The worker takes and drops; the attendant's thread renews them all, begun or not.
    """

    def __init__(self, min_idle_ms: int) -> None:
        self._term_s = min_idle_ms / 1000
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, entry_ids: Iterable[str], asked_at: float) -> None:
        """They were delivered some time after `asked_at` (`time.monotonic`)."""
        until = asked_at + self._term_s
        with self._lock:
            self._until.update(dict.fromkeys(entry_ids, until))

    def drop(self, entry_ids: Iterable[str]) -> None:
        """They are no longer ours to finish."""
        with self._lock:
            for entry_id in entry_ids:
                self._until.pop(entry_id, None)

    def held(self) -> list[str]:
        """The ids in hand."""
        with self._lock:
            return list(self._until)

    def renewed(self, entry_ids: Iterable[str], asked_at: float) -> None:
        """The server was asked at `asked_at` (`time.monotonic`) and still knew us as the owner."""
        until = asked_at + self._term_s
        with self._lock:
            for entry_id in entry_ids:
                if entry_id in self._until:
                    self._until[entry_id] = until

    def ours(self, entry_id: str, now: float) -> bool:
        """Whether nobody else can have taken it over before `now` (`time.monotonic`)."""
        return self._until.get(entry_id, 0.0) > now
