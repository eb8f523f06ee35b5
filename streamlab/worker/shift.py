"""One loop of a worker: read, handle, acknowledge, until a bound or a wish to stop."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from typing import TYPE_CHECKING

import redis
from redis.exceptions import AuthorizationError

from streamlab.errors import GroupMissingError, NameInUseError
from streamlab.queue.connection import RECONNECT, is_passing
from streamlab.queue.group import server_errors
from streamlab.worker.attendant import Attendant
from streamlab.worker.consumer import Consumer
from streamlab.worker.desk import Desk
from streamlab.worker.hand import Hand
from streamlab.worker.pace import Pace
from streamlab.worker.stop import GraceOver

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from streamlab.queue.replies import Delivery
    from streamlab.worker.allowance import Allowance
    from streamlab.worker.calling import Calling
    from streamlab.worker.settings import WorkerSettings

log = logging.getLogger("streamlab.worker")

# An acknowledgement waits for the next read, but no longer than this: a batch of slow tasks is
# acknowledged one by one, where a round trip costs nothing beside the work.
_ACK_WITHIN_S = 0.01
# Dead consumers take no tasks from anybody, and all of them are listed to find them.
_REAP_EVERY_S = 60.0
# Between two looks at what sibling threads have left.
_SIBLINGS_S = 0.005


class Shift:
    """The loop behind `Worker.run`, with what it must remember across lost connections."""

    def __init__(self, settings: WorkerSettings, allowance: Allowance, calling: Calling) -> None:
        self._settings, self._allowance = settings, allowance
        self._consumer = Consumer(settings)
        # Where the first delivery is the last chance already, none may wait behind another.
        batch = settings.batch if settings.max_deliveries > 1 else 1
        self._pace = Pace(batch, settings.min_idle_ms)
        self._hand = Hand(settings.min_idle_ms)
        self.attendant = Attendant(settings, self._hand, self._consumer)
        self._desk = Desk(settings, self._consumer, self.attendant, self._hand, self._pace, calling)
        self._todo: deque[Delivery] = deque()
        self._reserved = 0
        self._joined = self._vanished = False
        self._start = "0"
        self._sweep_due = self._reap_due = 0.0
        self._failures = 0

    @property
    def counts(self) -> Counter[str]:
        """What happened so far."""
        return self._desk.counts

    def work(self) -> None:
        """Serve until it is over, through as many connections as that takes."""
        self._allowance.touch()  # starting up is no idleness: it looks for work once at least
        try:
            while True:
                try:
                    if self._over():
                        break
                    self._session()
                except (redis.AuthenticationError, AuthorizationError):
                    raise  # a ConnectionError to redis-py, and no time will mend it
                except GroupMissingError as exc:
                    self._regroup(exc)
                except (redis.ConnectionError, redis.TimeoutError) as exc:
                    self._pause(exc)
                except redis.ResponseError as exc:
                    if not is_passing(exc):
                        raise
                    self._pause(exc)
        except GraceOver:
            log.warning("%s: the grace time is over, its task is handed back", self._settings.name)
            self._leave()
            return
        except SystemExit:  # the handler ends the process; what was finished before it is done
            self._desk.current = None  # its own task stays pending, for its next delivery to count
            self._leave()
            raise
        self._leave()

    def _pause(self, exc: Exception) -> None:
        self.counts["reconnects"] += 1
        pause_s = RECONNECT.compute(min(self._failures, 16))  # 2**n overflows a float
        self._failures += 1
        log.warning("%s: %s; again in %.2f s", self._settings.name, exc, pause_s)
        self.attendant.sleep(pause_s)

    def _regroup(self, exc: GroupMissingError) -> None:
        start = self._settings.regroup_at
        if start is None:
            raise exc
        log.warning("%s: %s; made again at %s", self._settings.name, exc, start)
        self._start, self._joined = start, False  # in the next session, whose errors are caught
        self._vanished = True

    def _session(self) -> None:
        """What one connection sees: first the old work, then the new."""
        self.attendant.lease.claim()
        with server_errors(self._settings.queue.stream, self._settings.queue.group):
            if not self._joined:
                made = self._consumer.join(self._start)
                self._joined = True
                self.counts["regrouped"] += made and self._vanished
                self._vanished = False
            self._consumer.watch_connection()
            self._desk.acknowledge()  # what was finished before the connection was lost
            self._work_off()  # what was in hand, and still is ours
            if self._enough():
                return
            self._recover(
                self._consumer.drain(self._count, self._desk.retries(), self._desk.count_gone)
            )
            # Workers that start together do not sweep together.
            self.attendant.sleep(random.uniform(0, min(0.1, self._settings.min_idle_ms / 10_000)))
            self._sweep()
            self._allowance.touch()
            while not self._over():
                self._read()
                self._failures = 0
                if time.monotonic() >= self._sweep_at():
                    self._sweep()

    def _over(self) -> bool:
        if self.attendant.lease.lost:
            self._desk.acknowledge()
            msg = f"another worker took the name {self._settings.name!r}: was this one paused?"
            raise NameInUseError(msg)
        return self._enough() or self._allowance.idle_over

    def _enough(self) -> bool:
        attendant = self.attendant
        return attendant.stopping or attendant.lease.lost or self._allowance.used_up

    # -- reading -------------------------------------------------------------------------------

    def _count(self) -> int:
        """How many entries the next read may have; 0 when it is over.

        While sibling threads have reserved all that is left, it waits: they may give some back.
        """
        self._allowance.give_back(self._reserved)
        self._reserved = self._allowance.reserve(self._pace.count())
        while not self._reserved and not self._over():
            self._desk.acknowledge()
            time.sleep(_SIBLINGS_S)
            self._reserved = self._allowance.reserve(self._pace.count())
        return self._reserved

    def _read(self) -> None:
        """Acknowledge what is finished and wait for entries, in one round trip; handle them."""
        count, asked_at = self._count(), time.monotonic()
        if not count:
            return
        finished = self._desk.finished
        acknowledged, entries = self._consumer.read(finished, count, self._block_ms())
        if finished:
            self._desk.acknowledged(acknowledged)
        self._handle(entries, asked_at)

    def _block_ms(self) -> int:
        """Until new entries come, the next sweep is due, or we have been idle for long enough."""
        now = time.monotonic()
        until = [now + self._settings.block_ms / 1000, self._sweep_at()]
        if (idle_until := self._allowance.idle_until) is not None:
            until.append(idle_until)
        return max(1, int((min(until) - now) * 1000))  # BLOCK 0 would wait for ever

    def _sweep_at(self) -> float:
        retry = self._desk.next_retry
        return self._sweep_due if retry is None else min(self._sweep_due, retry)

    def _sweep(self) -> None:
        if self._enough():
            return
        self._desk.acknowledge()  # or we would take over from ourselves what is finished
        now = time.monotonic()
        self._sweep_due = now + self._settings.min_idle_ms / 2000 * random.uniform(0.5, 1.5)
        self._recover(self._consumer.sweep(self._count, (), self._desk.count_gone))
        self._desk.retries()  # forgets those that were due
        if now >= self._reap_due and not self._enough():
            self.counts["reaped"] += self._consumer.reap(self._settings.reap_ms)
            self._reap_due = now + _REAP_EVERY_S

    def _recover(self, pages: Iterable[list[Delivery]]) -> None:
        asked_at = time.monotonic()
        for page in pages:
            self._handle(page, asked_at)
            self._desk.acknowledge()
            if self._enough():
                return
            asked_at = time.monotonic()

    # -- handling ------------------------------------------------------------------------------

    def _handle(self, entries: list[Delivery], asked_at: float) -> None:
        if not entries:
            return
        if recovered := sum(entry.deliveries > 1 for entry in entries):
            entries = self._one_last_chance(entries)
            self.counts["recovered"] += recovered
        self._reserved = max(0, self._reserved - len(entries))
        self._hand.take([entry.entry_id for entry in entries], asked_at)
        self._todo.extend(entries)
        self._allowance.touch()
        self._confirm(asked_at)
        self._work_off()

    def _one_last_chance(self, entries: list[Delivery]) -> list[Delivery]:
        """`entries`, but only one that may be buried next time; it comes last, the others go back.

        Else one that kills its process would count as a delivery for those that wait behind it,
        and in the end they would be buried unrun.
        """
        last = [one for one in entries if one.deliveries == self._settings.max_deliveries]
        if not last or len(entries) == 1:
            return entries
        if back := last[1:]:
            self._desk.release([one.entry_id for one in back], begun=False)
            self._sweep_due = 0.0
        return [*(one for one in entries if one not in last), last[0]]

    def _confirm(self, asked_at: float) -> None:
        """Ask whether what came is ours still, if it may have come long ago (we were stopped)."""
        now = time.monotonic()
        if now - asked_at > self._settings.min_idle_ms / 3000:
            held = self._hand.held()
            self._hand.drop(self._consumer.renew(held))
            self._hand.renewed(held, now)

    def _work_off(self) -> None:
        desk, attendant, taken, ran = self._desk, self.attendant, 0, 0
        last_chance = self._settings.max_deliveries
        try:
            while self._todo and not (attendant.stopping or attendant.lease.lost):
                delivery = self._todo.popleft()
                taken += 1
                if delivery.deliveries >= last_chance:
                    desk.acknowledge()  # should it kill us, the others are done
                ran += desk.handle(delivery)
                if desk.finished and desk.ended - desk.finished_since >= _ACK_WITHIN_S:
                    desk.acknowledge()
        finally:
            self._allowance.used(ran)
            self._allowance.give_back(taken - ran)  # one that raised is not known to have run
            self._allowance.touch()

    # -- leaving -------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Acknowledge, hand back the rest, and leave the group if nothing is held."""
        desk = self._desk
        rest = [delivery.entry_id for delivery in self._todo]
        try:
            desk.acknowledge()
            desk.release(rest, begun=False)
            desk.release([desk.current] if desk.current else [], begun=True)
            if self._joined:
                self._consumer.leave()
        except redis.RedisError as exc:
            # What is finished and not acknowledged will be run again: at least once.
            log.warning("%s: could not leave in order: %s", self._settings.name, exc)
        self._allowance.give_back(self._reserved)
        self._reserved = 0
        self._consumer.client.close()

    def abandon(self) -> None:
        """Hand back what a thread still holds that its grace time could not end."""
        desk, current = self._desk, self._desk.current
        finished, rest = list(desk.finished), [delivery.entry_id for delivery in self._todo]
        try:
            if finished:
                desk.counts["done"] += self._consumer.acknowledge(finished)
                self._hand.drop(finished)
            desk.release(rest, begun=False)
            desk.release([current] if current else [], begun=True)
        except redis.RedisError as exc:
            log.warning("%s: could not hand back: %s", self._settings.name, exc)
