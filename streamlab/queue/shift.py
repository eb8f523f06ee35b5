"""One run of a worker: read, handle, acknowledge, until a bound or a wish to stop."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import redis
from redis.exceptions import AuthorizationError

from streamlab.errors import NameInUseError, PayloadError
from streamlab.queue import replies
from streamlab.queue.connection import RECONNECT, same_pool
from streamlab.queue.group import ensure_group, server_errors
from streamlab.queue.pace import Pace
from streamlab.queue.recovery import drain, sweep
from streamlab.queue.stop import GraceOver
from streamlab.queue.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.connection import ConnectionInterface

    from streamlab.queue.attendant import Attendant
    from streamlab.queue.replies import Entry
    from streamlab.queue.settings import WorkerSettings

log = logging.getLogger("streamlab.worker")

_LEAVE = (resources.files(__package__) / "lua" / "leave.lua").read_text()

# An acknowledgement waits for the next read, but no longer than this: a batch of slow tasks is
# acknowledged one by one, where a round trip costs nothing beside the work.
_ACK_WITHIN_S = 0.01


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker did between `Worker.run` and its return, in numbers of entries.

    Attributes
    ----------
    done
        Handled and acknowledged by us.
    failed
        The handler raised: left pending, to be delivered again.
    recovered
        Of all that was read: how many had been delivered before, to us or to another.
    overtaken
        Handled, and XACK answered 0: somebody else, or an XACK of ours whose reply was lost, had
        acknowledged it before.
    gone
        Pending, and no longer on the stream (trimmed or deleted): acknowledged unrun.
    unreadable
        Not a task (a field is missing): left pending, never given to the handler.
    expired
        Held longer than `min_idle_ms` before their turn came: left, as they may be another's.
    reconnects
        How often the connection was lost, or could not be made.
    """

    done: int = 0
    failed: int = 0
    recovered: int = 0
    overtaken: int = 0
    gone: int = 0
    unreadable: int = 0
    expired: int = 0
    reconnects: int = 0


class Shift:
    """The loop behind `Worker.run`, with what it must remember across lost connections."""

    def __init__(
        self,
        settings: WorkerSettings,
        attendant: Attendant,
        max_tasks: int | None,
        idle_ms: int | None,
    ) -> None:
        self._settings, self._queue, self._attendant = settings, settings.queue, attendant
        self._client = redis.Redis.from_pool(same_pool(settings.queue.client))
        self._pace = Pace(settings.batch, settings.min_idle_ms)
        self._left = max_tasks
        self._idle_s = None if idle_ms is None else idle_ms / 1000
        self._idle_since = time.monotonic()
        self._sweep_due = 0.0
        self._failures = 0
        self._finished: list[str] = []  # handled, and not known to be acknowledged
        self._finished_since = 0.0
        self._counts: Counter[str] = Counter()

    def report(self) -> WorkerReport:
        """The counts so far."""
        return WorkerReport(**self._counts)

    def work(self) -> None:
        """Serve until it is over, through as many connections as that takes."""
        try:
            while True:
                try:
                    if self._over():
                        break
                    self._session()
                except (redis.AuthenticationError, AuthorizationError):
                    raise  # a ConnectionError to redis-py, and no time will mend it
                except (redis.ConnectionError, redis.TimeoutError) as exc:
                    self._counts["reconnects"] += 1
                    pause_s = RECONNECT.compute(min(self._failures, 16))  # 2**n overflows a float
                    self._failures += 1
                    log.warning("%s: %s; again in %.2f s", self._settings.name, exc, pause_s)
                    self._attendant.sleep(pause_s)
        except GraceOver:
            log.warning("%s: the grace time is over, its task stays pending", self._settings.name)
        except SystemExit:  # the handler ends the process; what was finished before it is done
            self._leave()
            raise
        self._leave()

    def _session(self) -> None:
        """What one connection sees: first the old work, then the new."""
        queue, name = self._queue, self._settings.name
        self._attendant.claim_name()
        with server_errors(queue.stream, queue.group):
            ensure_group(self._client, queue.stream, queue.group, "0")
            self._watch_connection()
            self._acknowledge()  # what was finished before the connection was lost
            if self._enough():
                return
            self._recover(drain(self._client, queue, name, self._count))
            # Workers that start together do not sweep together.
            self._attendant.sleep(random.uniform(0, min(0.1, self._settings.min_idle_ms / 10_000)))
            self._sweep()
            self._idle_since = time.monotonic()
            while not self._over():
                self._handle(self._read_new())
                self._failures = 0
                if time.monotonic() >= self._sweep_due:
                    self._sweep()

    def _watch_connection(self) -> None:
        """Know the client id of the connection that blocks, also after redis-py renewed it."""
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            connection.register_connect_callback(self._connected)  # type: ignore[no-untyped-call]
            self._connected(connection)
        finally:
            pool.release(connection)

    def _connected(self, connection: ConnectionInterface) -> None:
        connection.send_command("CLIENT", "ID")  # type: ignore[no-untyped-call]
        try:
            self._attendant.blocked_client_id = int(connection.read_response())
        except redis.exceptions.NoPermissionError:  # an ACL; a stop then waits out the read
            self._attendant.blocked_client_id = None

    def _over(self) -> bool:
        if self._attendant.lost:
            self._acknowledge()
            msg = f"another worker took the name {self._settings.name!r}: was this one paused?"
            raise NameInUseError(msg)
        idle_s = time.monotonic() - self._idle_since
        return self._enough() or (self._idle_s is not None and idle_s >= self._idle_s)

    def _enough(self) -> bool:
        return self._attendant.stopping or self._attendant.lost or self._left == 0

    def _count(self) -> int:
        count = self._pace.count()
        return count if self._left is None else max(1, min(count, self._left))

    # -- reading -------------------------------------------------------------------------------

    def _read_new(self) -> list[Entry]:
        """Acknowledge what is finished and wait for new entries, in one round trip."""
        queue = self._queue
        with self._client.pipeline(transaction=False) as pipe:
            if self._finished:
                pipe.xack(queue.stream, queue.group, *self._finished)
            pipe.xreadgroup(
                queue.group,
                self._settings.name,
                {queue.stream: ">"},
                count=self._count(),
                block=self._block_ms(),
            )
            # redis-py would raise with the whole command in the text; the server's words suffice.
            answers = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        if self._finished:
            self._acknowledged(answers[0])
        return replies.read_entries(answers[-1])

    def _block_ms(self) -> int:
        """Until new entries come, the next sweep is due, or we have been idle for long enough."""
        now = time.monotonic()
        until = [now + self._settings.block_ms / 1000, self._sweep_due]
        if self._idle_s is not None:
            until.append(self._idle_since + self._idle_s)
        return max(1, int((min(until) - now) * 1000))  # BLOCK 0 would wait for ever

    def _sweep(self) -> None:
        if self._enough():
            return
        self._acknowledge()  # or we would take over from ourselves what is finished
        self._recover(
            sweep(
                self._client,
                self._queue,
                self._settings.name,
                min_idle_ms=self._settings.min_idle_ms,
                count=self._count,
                on_gone=self._count_gone,
            )
        )
        half_s = self._settings.min_idle_ms / 2000
        self._sweep_due = time.monotonic() + half_s * random.uniform(0.5, 1.5)

    def _recover(self, pages: Iterable[list[Entry]]) -> None:
        for page in pages:
            self._counts["recovered"] += len(page)
            self._handle(page)
            self._acknowledge()
            if self._enough():
                return

    # -- handling ------------------------------------------------------------------------------

    def _handle(self, entries: list[Entry]) -> None:
        if not entries:
            return
        read_at = self._idle_since = time.monotonic()
        ours_until = read_at + self._settings.min_idle_ms / 1000
        for entry in entries:
            if self._enough():
                return  # the rest stays pending, for whoever sweeps next
            if entry.fields is None:
                self._client.xack(self._queue.stream, self._queue.group, entry.entry_id)
                self._count_gone(1)
            elif time.monotonic() >= ours_until:
                self._counts["expired"] += 1
            else:
                self._run(entry.entry_id, entry.fields)

    def _run(self, entry_id: str, fields: dict[str, str]) -> None:
        try:
            task = Task.from_entry(entry_id, fields)
        except PayloadError as exc:
            self._counts["unreadable"] += 1
            log.warning("%s: %s; left pending", self._settings.name, exc)
            return
        started = time.monotonic()
        self._attendant.in_handler = True
        try:
            self._settings.handler(task)
        except Exception:
            self._counts["failed"] += 1
            log.exception("%s: task %s failed; left pending", self._settings.name, task.task_id)
        else:
            if not self._finished:
                self._finished_since = started
            self._finished.append(entry_id)
        finally:
            self._attendant.in_handler = False
        ended = self._idle_since = time.monotonic()
        self._pace.took(ended - started)
        if self._left is not None:
            self._left -= 1
        if self._finished and ended - self._finished_since >= _ACK_WITHIN_S:
            self._acknowledge()

    def _count_gone(self, entries: int) -> None:
        self._counts["gone"] += entries
        log.warning("%s: %d pending entries are off the stream", self._settings.name, entries)

    # -- acknowledging and leaving -------------------------------------------------------------

    def _acknowledge(self) -> None:
        if self._finished:
            queue = self._queue
            self._acknowledged(self._client.xack(queue.stream, queue.group, *self._finished))

    def _acknowledged(self, ours: int) -> None:
        self._counts["done"] += ours
        self._counts["overtaken"] += len(self._finished) - ours
        self._finished.clear()

    def _leave(self) -> None:
        """Acknowledge, then take the consumer out of the group if it holds nothing."""
        queue = self._queue
        try:
            self._acknowledge()
            self._client.eval(_LEAVE, 1, queue.stream, queue.group, self._settings.name)
        except redis.RedisError as exc:
            # What is finished and not acknowledged will be run again: at least once.
            log.warning("%s: could not leave in order: %s", self._settings.name, exc)
        self._client.close()
