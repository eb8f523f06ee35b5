"""The lease on a consumer's name: two live workers never have the same (F23)."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from typing import TYPE_CHECKING

import redis
from redis.exceptions import LockError

from streamlab.errors import NameInUseError
from streamlab.queue.names import beside

if TYPE_CHECKING:
    from streamlab.worker.settings import WorkerSettings

#: How long a killed worker's name stays taken, in ms.
LEASE_MS = 10_000


def unique_name() -> str:
    """A consumer name nobody else has: host, process id, and a random part."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def lease_key(stream: str, group: str, name: str) -> str:
    """The key of a name's lease."""
    # The lengths tell apart what the names alone do not, such as 's' and '{s}'.
    return beside(stream, "lease", f"{len(stream)}.{len(group)}", group, name)


class Lease:
    """redis-py's `Lock`: SET NX PX with a random token; scripts that check it renew and release.

    Attributes
    ----------
    lost
        Whether another worker has the name.
    """

    def __init__(self, settings: WorkerSettings, client: redis.Redis) -> None:
        queue, self._name = settings.queue, settings.name
        self._group, self._client = queue.group, client
        self._lock = client.lock(
            lease_key(queue.stream, queue.group, self._name),
            timeout=settings.lease_ms / 1000,
            thread_local=False,
        )
        self._token = secrets.token_hex(16)
        self._held = False
        self.lost = False

    def claim(self) -> None:
        """Take the name, unless it is held already.

        Raises
        ------
        NameInUseError
            If another holds it.
        """
        if self._held:
            return
        if not self._take():
            left_ms = max(0, int(self._client.pttl(self._lock.name)))
            msg = (
                f"the name {self._name!r} in group {self._group!r} belongs to a live worker: "
                f"leave out name= for a unique one, or wait until its lease has run out "
                f"(in {left_ms} ms unless it is renewed)"
            )
            raise NameInUseError(msg)
        self._held = True

    def _take(self) -> bool:
        """Take it if it is free, or if an earlier attempt did and only its reply was lost."""
        if self._lock.acquire(blocking=False, token=self._token):
            return True
        if self._client.get(self._lock.name) != self._token:
            return False
        self._lock.local.token = self._token.encode()
        return True

    def renew(self) -> None:
        """Keep the name for another term, if it was claimed."""
        if not self._held:
            return
        try:
            self._lock.reacquire()
        except LockError:
            # It ran out: we were stopped for long, or the server forgot. Ours if it is free.
            self.lost = not self._take()

    def release(self) -> None:
        """Give the name back."""
        if self._held:
            with contextlib.suppress(redis.RedisError):
                self._lock.release()  # if this fails the lease runs out by itself
