"""How many entries to read at once: no more than can be handled while they are surely ours."""

from __future__ import annotations


class Pace:
    """The COUNT of the next read, from the batch asked for and the time that handlers took.

    The first read takes one entry. From then on a batch is no larger than what fits into half of
    `min_idle_ms`, by the slowest of the latest handlers: a slow one counts at once, and is
    forgotten by a tenth with each faster one.
    """

    def __init__(self, batch: int, min_idle_ms: int) -> None:
        self._batch = batch
        self._budget_s = min_idle_ms / 2000
        self._task_s: float | None = None

    def took(self, task_s: float) -> None:
        """A handler took `task_s` seconds."""
        known = self._task_s
        self._task_s = task_s if known is None or task_s > known else 0.9 * known + 0.1 * task_s

    def count(self) -> int:
        """How many entries the next read may have, from 1 to the batch."""
        if self._task_s is None:
            return 1
        fits = self._budget_s / max(self._task_s, 1e-6)
        return max(1, min(self._batch, int(fits)))
