"""A thread beside the worker: it keeps the worker's name and tasks, and wakes it up to stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

import redis

from streamlab.worker.consumer import Consumer
from streamlab.worker.lease import Lease

if TYPE_CHECKING:
    from streamlab.worker.hand import Hand
    from streamlab.worker.settings import WorkerSettings

# A server that hangs must not hold up the attendant, whatever the reader's client allows.
_PATIENCE_S = 1.0
# Between two looks at the clock, at the least: more often helps nobody.
_SHORTEST_S = 0.005

log = logging.getLogger("streamlab.worker")


class Attendant:
    """While its context lasts: renews the lease and what is in hand, and carries a wish to stop.

    The lease is renewed at a third of its length. What is in hand is renewed at a third of
    min-idle (the heartbeat, F27), so that a task that takes long is not taken over. A handler
    that keeps Python's lock for longer than that keeps this thread from its work.

    Parameters
    ----------
    settings
        The worker's.
    hand
        What it holds.
    reader
        Whose blocking read is to be ended.
    """

    def __init__(self, settings: WorkerSettings, hand: Hand, reader: Consumer) -> None:
        self._reader = reader
        self._consumer = Consumer(settings, timeout_s=_PATIENCE_S)
        self._hand = hand
        self.lease = Lease(settings, self._consumer.client)
        self._lease_every_s = settings.lease_ms / 3000
        self._beat_every_s = settings.min_idle_ms / 3000
        self._grace_s = settings.grace_ms / 1000
        self._lease_due = self._beat_due = 0.0
        # SimpleQueue.put may be called from a signal handler; Event.set may deadlock there.
        self._wishes: SimpleQueue[str] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._attend, name=f"attendant of {settings.name}", daemon=True
        )
        self._worker_thread = threading.get_ident()
        self.stopping = False
        self.grace_over = False
        self.in_handler = False

    def __enter__(self) -> Self:
        self._worker_thread = threading.get_ident()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wishes.put("end")
        self._thread.join()
        self.lease.release()
        self._consumer.client.close()

    def stop(self) -> None:
        """Ask the worker to stop; safe in a signal handler and from any thread."""
        self.stopping = True
        self._wishes.put("stop")

    def sleep(self, seconds: float) -> None:
        """Sleep, though not past a wish to stop by more than 50 ms."""
        until = time.monotonic() + seconds
        while not self.stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def _attend(self) -> None:
        wish = ""
        # Twice as often as anything is due, since what is not due yet waits for the next turn.
        every_s = max(_SHORTEST_S, min(self._lease_every_s, self._beat_every_s) / 2)
        while wish != "end":
            try:
                wish = self._wishes.get(timeout=every_s)
            except Empty:
                self._renew()
            if wish == "stop":
                wish = self._end_blocked_read()

    def _renew(self) -> None:
        """Renew what is due."""
        now = time.monotonic()
        try:
            if now >= self._lease_due:
                self.lease.renew()
                self._lease_due = now + self._lease_every_s
            if now >= self._beat_due:
                self._beat(now)
                self._beat_due = now + self._beat_every_s
        except redis.RedisError as exc:
            log.warning("%s: not renewed, again soon: %s", self._consumer.name, exc)
        if self.lease.lost:
            self._unblock()

    def _beat(self, now: float) -> None:
        if held := self._hand.held():
            lost = self._consumer.renew(held)
            self._hand.drop(lost)
            self._hand.renewed(held, now)

    def _unblock(self) -> None:
        # A user who may not unblock (an ACL) waits out the read's BLOCK, a few seconds at most.
        client_id = self._reader.client_id
        if client_id is not None:
            with contextlib.suppress(redis.RedisError):
                self._consumer.client.client_unblock(client_id)

    def _end_blocked_read(self) -> str:
        """Wake the worker with CLIENT UNBLOCK until it has ended, or its grace has."""
        deadline = time.monotonic() + self._grace_s
        while True:
            if not self.in_handler:
                self._unblock()  # repeated, since the worker may be just about to block
            with contextlib.suppress(Empty):
                if self._wishes.get(timeout=0.05) == "end":
                    return "end"
            if time.monotonic() >= deadline and self.in_handler and not self.grace_over:
                self.grace_over = True
                if self._worker_thread == threading.main_thread().ident:
                    signal.pthread_kill(self._worker_thread, signal.SIGTERM)  # stop.py hears it
            self._renew()
