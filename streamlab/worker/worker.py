"""The consuming side: a handler, its settings, and their bounds; the loop is in `shift`."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError, NameInUseError
from streamlab.queue.bounds import YEAR_MS, check_whole
from streamlab.queue.task_queue import TaskQueue
from streamlab.worker.allowance import Allowance
from streamlab.worker.calling import Calling, EventLoop, is_coroutine_function
from streamlab.worker.crew import Crew
from streamlab.worker.lease import LEASE_MS, unique_name
from streamlab.worker.report import WorkerReport
from streamlab.worker.settings import WorkerSettings, block_within
from streamlab.worker.shift import Shift
from streamlab.worker.stop import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.queue.task import Task
    from streamlab.worker.report import Moment

_HOUR_MS = 3600 * 1000
_DAY_MS = 24 * _HOUR_MS


class Worker:
    """Runs a handler on each task of a queue, at least once.

    It begins with what it held under this name before (drain), goes on with what the dead left
    behind (sweep), then reads new tasks; it sweeps again about every half `min_idle_ms`, and from
    Redis 8.4 on takes over what is idle with every read. What it holds it renews (heartbeat), so
    that a task that takes long is not taken over. Acknowledgements travel with the next blocking
    read, in one round trip. Its user needs the commands of streams, scripts and strings.

    Parameters
    ----------
    queue
        The `TaskQueue` to serve.
    handler
        Called with each `Task`: a function, or a coroutine function, which runs in an asyncio loop
        of the worker's. Returning means done; an exception means "again, later".
    name
        The consumer's name; None for a unique one. Two live workers cannot have the same.
    batch
        The largest number of entries read at once (COUNT), 1 to 10,000. Fewer are read while
        handlers take so long that a batch could not be done within half of `min_idle_ms`.
    min_idle_ms
        An entry that nobody touched for so long is taken over from its owner, in ms, 1 to a year.
        A live worker touches what it holds three times as often.
    max_deliveries
        A task that failed, or was begun, so often goes to the dead letters, >= 1: before the
        handler is called, if that never returned (F33). The last delivery is made to it alone, so
        that none is buried because another killed the process, unless that was a sibling thread.
    retry_ms
        How long after its first failure a task is tried again, in ms, >= 0, give or take a
        quarter; doubled with each further one, and never more than `min_idle_ms`.
    idempotent
        Whether each task has its effect once, however often it is run. The handler is then called
        with the task and a redis-py pipeline: what it queues there is committed in one
        transaction with a key for the ``task_id`` (WATCH, MULTI, SET, EXEC), unless that exists.
        Effects elsewhere need a key of their own there. In a cluster the keys it writes must
        have the stream's hash tag.
    remember_ms
        For how long those keys are kept, in ms, >= 1: longer than a task can come back.
    delete_done
        Whether an acknowledged entry is deleted once every group is done with it (XACKDEL …
        ACKED, or a script before 8.2). Else it stays for others, until ``queue.trim()``.
    regroup_at
        Where the group is made again when it vanishes (FLUSHALL, XGROUP DESTROY): ``"0"``, ``"$"``
        or an id; None stops the worker with GroupMissingError. Either way it is logged.
    threads
        How many tasks run at once, 1 to 256: loops with a connection and a consumer name of
        their own each, for handlers that wait on I/O. Coroutines share one asyncio loop.
    block_ms
        How long a read waits for new entries, in ms, >= 1, below the client's socket timeout;
        None derives it from that.
    lease_ms
        For how long after its death the name is kept from others, in ms, >= 100.
    reap_ms
        A consumer that has been idle for so long, holds nothing and has no lease is removed from
        the group (F24), in ms, >= 0. One with pending entries never is (F25).
    grace_ms
        For how long a running handler may go on after SIGTERM or SIGINT, in ms, >= 0.
    observer
        Called with a `Moment`, the entry id, and the task where it is known, in the thread that
        works; what it raises ends the worker. None for nobody.

    Raises
    ------
    BadArgumentError
        A parameter is out of its bounds or of the wrong type.
    """

    def __init__(
        self,
        queue: TaskQueue,
        handler: Callable[..., object],
        *,
        name: str | None = None,
        batch: int = 10,
        min_idle_ms: int = 30_000,
        max_deliveries: int = 5,
        retry_ms: int = 1_000,
        idempotent: bool = False,
        remember_ms: int = _DAY_MS,
        delete_done: bool = False,
        regroup_at: str | None = None,
        threads: int = 1,
        block_ms: int | None = None,
        lease_ms: int = LEASE_MS,
        reap_ms: int = _HOUR_MS,
        grace_ms: int = 10_000,
        observer: Callable[[Moment, str, Task | None], object] | None = None,
    ) -> None:
        if not isinstance(queue, TaskQueue):
            msg = f"queue must be a TaskQueue, got a {type(queue).__name__}: make one of those"
            raise BadArgumentError(msg)
        self.settings = WorkerSettings(
            queue=queue,
            handler=handler,
            name=unique_name() if name is None else name,
            batch=batch,
            min_idle_ms=min_idle_ms,
            max_deliveries=max_deliveries,
            retry_ms=retry_ms,
            idempotent=idempotent,
            remember_ms=remember_ms,
            delete_done=delete_done,
            regroup_at=regroup_at,
            threads=threads,
            block_ms=block_within(queue.client, block_ms),
            lease_ms=lease_ms,
            reap_ms=reap_ms,
            grace_ms=grace_ms,
            observer=observer,
        )
        self._crew: Crew | None = None

    @property
    def name(self) -> str:
        """The consumer's name."""
        return self.settings.name

    def __repr__(self) -> str:
        return f"<Worker {self.name!r} of {self.settings.queue!r}>"

    def stop(self) -> None:
        """Ask a running worker to stop, from any thread, as SIGTERM would.

        It finishes the tasks at hand, for at most `grace_ms` unless it is a single thread that is
        not the main one. A worker that does not run yet is not stopped.
        """
        crew = self._crew
        if crew is not None:
            crew.stop()

    def run(self, *, max_tasks: int | None = None, idle_ms: int | None = None) -> WorkerReport:
        """Work until stopped, or until a bound is reached.

        SIGTERM and SIGINT stop it gracefully: it reads no more, finishes the task it is at (for
        at most `grace_ms`), acknowledges what is done, and hands the rest back, so that others
        take it at once (XNACK from 8.8 on). A second signal raises KeyboardInterrupt at once; what
        was finished and not yet acknowledged is then run again. At the end the consumer is removed
        from the group (XGROUP DELCONSUMER, by a script) unless it still holds entries. With
        several `threads` a handler that outlasts its grace goes on until the process ends.

        A lost connection is made again, with growing, jittered pauses, and the worker begins anew
        with what it held; tasks it had finished are acknowledged, not run again.

        Parameters
        ----------
        max_tasks
            Return after so many calls of the handler, >= 1; None for no bound.
        idle_ms
            Return when no task came for so long, in ms, >= 1; None to wait for ever.

        Raises
        ------
        NameInUseError
            Another live worker has this name.
        GroupMissingError
            The group was destroyed, or the key deleted, while it ran, and `regroup_at` is None.
        WrongTypeError
            The key is not a stream.
        redis.AuthenticationError
            The server refuses the user or the password.
        """
        for what, value in (("max_tasks", max_tasks), ("idle_ms", idle_ms)):
            if value is not None:
                check_whole(what, value, at_least=1, at_most=YEAR_MS)
        if self._crew is not None:
            msg = f"the worker {self.name!r} is running already: make another for another thread"
            raise NameInUseError(msg)
        allowance = Allowance(max_tasks, idle_ms)
        with contextlib.ExitStack() as stack:
            needs_loop = is_coroutine_function(self.settings.handler)
            loop = stack.enter_context(EventLoop()) if needs_loop else None
            calling = Calling(self.settings, loop)
            shifts = [Shift(one, allowance, calling) for one in self._loops()]
            self._crew = crew = Crew(shifts, self.settings.grace_ms)
            # The attendants may send a signal until they have ended, so the handlers outlast them.
            stack.enter_context(stop_on_signals(crew))
            try:
                crew.work()
            finally:
                self._crew = None
        return WorkerReport.of(shift.counts for shift in shifts)

    def _loops(self) -> list[WorkerSettings]:
        """The settings of each loop: the same, but for the consumer's name."""
        further = range(2, self.settings.threads + 1)
        return [
            self.settings,
            *(dataclasses.replace(self.settings, name=f"{self.name}:{n}") for n in further),
        ]
