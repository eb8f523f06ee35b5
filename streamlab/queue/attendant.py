"""A thread beside the worker: it keeps the worker's name, and wakes the worker up to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

import redis
from redis.exceptions import LockError

from streamlab.errors import NameInUseError
from streamlab.queue.connection import same_pool

if TYPE_CHECKING:
    from streamlab.queue.settings import WorkerSettings

#: How long a killed worker's name stays taken, in ms.
LEASE_MS = 10_000

# A server that hangs must not hold up the attendant, whatever the reader's client allows.
_PATIENCE_S = 1.0

log = logging.getLogger("streamlab.worker")


def unique_name() -> str:
    """A consumer name nobody else has: host, process id, and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def lease_key(stream: str, group: str, name: str) -> str:
    """The key of a name's lease; its hash tag puts it on the stream's shard of a cluster."""
    tagged = stream if "{" in stream else f"{{{stream}}}"
    # The lengths tell apart what the names alone do not, such as 's' and '{s}'.
    return f"{tagged}:lease:{len(stream)}.{len(group)}:{group}:{name}"


class Attendant:
    """Keeps the lease on a consumer name while its context lasts, and carries a wish to stop.

    The lease is redis-py's `Lock` (SET NX PX with a random token; renewed and released by a
    script that checks the token). It is renewed at a third of its length.

    Parameters
    ----------
    settings
        The worker's: its queue and name, the length of the lease, and the grace time.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        queue, self._name = settings.queue, settings.name
        self._group = queue.group
        self._client = redis.Redis.from_pool(same_pool(queue.client, socket_timeout=_PATIENCE_S))
        self._lease_s, self._grace_s = settings.lease_ms / 1000, settings.grace_ms / 1000
        self._lease = self._client.lock(
            lease_key(queue.stream, queue.group, self._name),
            timeout=self._lease_s,
            thread_local=False,
        )
        # SimpleQueue.put may be called from a signal handler; Event.set may deadlock there.
        self._wishes: SimpleQueue[str] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._attend, name=f"lease of {self._name}", daemon=True
        )
        self._worker_thread = threading.get_ident()
        self.stopping = False
        self.grace_over = False
        self.in_handler = False
        self._held = False
        self.lost = False
        self.blocked_client_id: int | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wishes.put("end")
        self._thread.join()
        if self._held:
            with contextlib.suppress(redis.RedisError):
                self._lease.release()  # if this fails the lease runs out by itself
        self._client.close()

    def claim_name(self) -> None:
        """Take the lease, unless it is held already; from now on the thread renews it.

        Raises
        ------
        NameInUseError
            If another holds it.
        """
        if self._held:
            return
        if not self._lease.acquire(blocking=False):
            left_ms = max(0, int(self._client.pttl(self._lease.name)))
            msg = (
                f"the name {self._name!r} in group {self._group!r} belongs to a live worker: "
                f"leave out name= for a unique one, or wait until its lease has run out "
                f"(in {left_ms} ms unless it is renewed)"
            )
            raise NameInUseError(msg)
        self._held = True

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
        while wish != "end":
            try:
                wish = self._wishes.get(timeout=self._lease_s / 3)
            except Empty:
                self._renew()
            if wish == "stop":
                wish = self._end_blocked_read()

    def _renew(self) -> None:
        if not self._held:
            return
        try:
            try:
                self._lease.reacquire()
            except LockError:
                # It ran out: we were stopped for long, or the server forgot. Ours if it is free.
                self.lost = not self._lease.acquire(blocking=False)
        except redis.RedisError as exc:
            log.warning("the lease on %s was not renewed, again soon: %s", self._name, exc)
        if self.lost:
            self._unblock()

    def _unblock(self) -> None:
        # A user who may not unblock (an ACL) waits out the read's BLOCK, a few seconds at most.
        if self.blocked_client_id is not None:
            with contextlib.suppress(redis.RedisError):
                self._client.client_unblock(self.blocked_client_id)

    def _end_blocked_read(self) -> str:
        """Wake the worker with CLIENT UNBLOCK until it has ended, or its grace has."""
        deadline = time.monotonic() + self._grace_s
        renew_at = time.monotonic() + self._lease_s / 3
        while True:
            if not self.in_handler:
                self._unblock()  # repeated, since the worker may be just about to block
            try:
                wish = self._wishes.get(timeout=0.05)
            except Empty:
                wish = ""
            if wish == "end":
                return wish
            now = time.monotonic()
            if now >= deadline and self.in_handler and not self.grace_over:
                self.grace_over = True
                if self._worker_thread == threading.main_thread().ident:
                    signal.pthread_kill(self._worker_thread, signal.SIGTERM)  # stop.py hears it
            if now >= renew_at:
                self._renew()
                renew_at = now + self._lease_s / 3
