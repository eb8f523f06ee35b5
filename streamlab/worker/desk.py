"""What becomes of one delivery: run, tried again later, given up, or left to another."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

import redis

from streamlab.errors import CommitError, PayloadError
from streamlab.queue.task import Task
from streamlab.worker.calling import UnsettledError
from streamlab.worker.report import Moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlab.queue.replies import Delivery
    from streamlab.worker.attendant import Attendant
    from streamlab.worker.calling import Calling
    from streamlab.worker.consumer import Consumer
    from streamlab.worker.hand import Hand
    from streamlab.worker.pace import Pace
    from streamlab.worker.settings import WorkerSettings

log = logging.getLogger("streamlab.worker")

# To try these again would change nothing, or do harm.
_HOPELESS = (PayloadError, CommitError)
# How much of an error's text a dead letter keeps.
_LONGEST_REASON = 500


class Desk:
    """Handles deliveries one by one, and remembers what is to be acknowledged.

    Attributes
    ----------
    counts
        What happened, under the names of `WorkerReport`.
    finished
        Ids that were handled and are not known to be acknowledged.
    finished_since
        When the handling of the oldest of them began (`time.monotonic`).
    ended
        When that of the newest of them did.
    current
        The id that the handler has now; None between two.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        consumer: Consumer,
        attendant: Attendant,
        hand: Hand,
        pace: Pace,
        calling: Calling,
    ) -> None:
        self._settings, self._consumer, self._attendant = settings, consumer, attendant
        self._hand, self._pace, self._calling = hand, pace, calling
        self._observer = settings.observer
        self._retries: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self.finished: list[str] = []
        self.finished_since = self.ended = 0.0
        self.current: str | None = None

    def handle(self, delivery: Delivery) -> bool:
        """Do what is to be done; whether the handler was called."""
        entry_id, started = delivery.entry_id, time.monotonic()
        if self._retries:
            self._retries.pop(entry_id, None)
        if not self._hand.ours(entry_id, started):
            self.counts["expired"] += 1
            self._hand.drop([entry_id])
            return False
        if delivery.deliveries > self._settings.max_deliveries:
            self._bury(
                delivery,
                "",
                f"delivered {delivery.deliveries} times, the limit is "
                f"{self._settings.max_deliveries}: its handler neither returned nor raised, "
                "or the server refused to bury it before",
            )
            return False
        try:
            task = Task.from_entry(entry_id, delivery.fields)
        except PayloadError as exc:
            log.warning("%s: %s", self._settings.name, exc)
            self._bury(delivery, "PayloadError", str(exc))
            return False
        self._run(delivery, task, started)
        return True

    def _run(self, delivery: Delivery, task: Task, started: float) -> None:
        if self._observer is not None:
            self._observer(Moment.DELIVERED, delivery.entry_id, task)
        self.current = delivery.entry_id
        self._attendant.in_handler = True
        try:
            effect = self._calling(task, self._consumer.client)
        except UnsettledError as exc:  # pending still: the drain after the reconnect will tell
            self._hand.drop([delivery.entry_id])
            raise exc.__cause__ or exc from None
        except Exception as exc:  # noqa: BLE001 - whatever a handler raises is one failed attempt
            self._attendant.in_handler = False
            self.current = None
            self._pace.took(time.monotonic() - started)
            self._failed(delivery, task, exc)
            return
        finally:
            self._attendant.in_handler = False
        self.current = None
        self.ended = time.monotonic()
        self._pace.took(self.ended - started)
        if self._observer is not None:
            self._observer(Moment.DONE, delivery.entry_id, task)
        if not effect:
            self.counts["repeated"] += 1
        if not self.finished:
            self.finished_since = started
        self.finished.append(delivery.entry_id)

    def _failed(self, delivery: Delivery, task: Task, exc: Exception) -> None:
        settings, entry_id = self._settings, delivery.entry_id
        self.counts["failed"] += 1
        self._tell(Moment.FAILED, entry_id, task)
        last = delivery.deliveries >= settings.max_deliveries or isinstance(exc, _HOPELESS)
        then = "given up" if last else "left pending"
        log.error("%s: task %s failed; %s", settings.name, task.task_id, then, exc_info=exc)
        if last:
            times = f"delivery {delivery.deliveries} of {settings.max_deliveries}"
            self._bury(delivery, type(exc).__name__, f"{_text(exc)} ({times})")
            return
        pause_ms = self._pause_ms(delivery.deliveries)
        self._hand.drop([entry_id])
        self._retries[entry_id] = time.monotonic() + pause_ms / 1000
        # Idle enough, after the pause, to be taken over by whoever looks first.
        self._consumer.renew([entry_id], settings.min_idle_ms - pause_ms)
        # By the server's clock, which began with the renewal, and counts whole ms.
        self._retries[entry_id] = time.monotonic() + (pause_ms + 1) / 1000

    def _pause_ms(self, deliveries: int) -> int:
        """Doubling with each delivery, with jitter, no longer than min-idle."""
        longest = min(self._settings.retry_ms * 2 ** min(deliveries - 1, 40), 2**53)
        return min(self._settings.min_idle_ms, int(longest * random.uniform(0.75, 1.25)))

    def _bury(self, delivery: Delivery, error: str, reason: str) -> None:
        cut = reason[:_LONGEST_REASON].encode("utf-8", "replace").decode()
        try:
            moved = self._consumer.bury(delivery.entry_id, error, cut)
        except redis.ResponseError as exc:  # out of memory, say: it stays pending, for later
            log.warning("%s: %s is not buried: %s", self._settings.name, delivery.entry_id, exc)
        else:
            if moved:
                self.counts["dead_lettered"] += 1
                log.warning("%s: %s is buried: %s", self._settings.name, delivery.entry_id, cut)
                self._tell(Moment.DEAD_LETTERED, delivery.entry_id, None)
        self._hand.drop([delivery.entry_id])

    @property
    def next_retry(self) -> float | None:
        """When the first of the tasks that failed here is due again (`time.monotonic`)."""
        return min(self._retries.values(), default=None)

    def retries(self) -> list[str]:
        """The ids of tasks that failed here and are not due yet."""
        now = time.monotonic()
        self._retries = {one: due for one, due in self._retries.items() if due > now}
        return list(self._retries)

    def acknowledge(self) -> None:
        """Take what is finished off the pending list (XACK)."""
        if self.finished:
            self.acknowledged(self._consumer.acknowledge(self.finished))

    def acknowledged(self, ours: int) -> None:
        """What was finished is off the pending list; `ours` of it were still on it."""
        self.counts["done"] += ours
        self.counts["overtaken"] += len(self.finished) - ours
        self._hand.drop(self.finished)
        for entry_id in self.finished if self._observer else ():
            self._tell(Moment.ACKED, entry_id, None)
        self.finished.clear()

    def release(self, entry_ids: Sequence[str], *, begun: bool) -> None:
        """Hand back what is not finished."""
        if entry_ids:
            self._hand.drop(entry_ids)
            self._consumer.release(entry_ids, begun=begun)
            self.counts["released"] += len(entry_ids)
            for entry_id in entry_ids:
                self._tell(Moment.RELEASED, entry_id, None)

    def count_gone(self, entries: int) -> None:
        """So many pending entries were no longer on the stream."""
        self.counts["gone"] += entries
        log.warning("%s: pending, and off the stream: %d", self._settings.name, entries)

    def _tell(self, moment: Moment, entry_id: str, task: Task | None) -> None:
        if self._observer is not None:
            self._observer(moment, entry_id, task)


def _text(exc: Exception) -> str:
    """What an error says; it is not ours, and may fail in saying it."""
    try:
        return str(exc)
    except Exception:  # noqa: BLE001 - whatever it is, there is no text
        return "its text could not be read"
