"""The consuming side: a handler, its settings, and their bounds; the loop is in `shift`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.errors import NameInUseError
from streamlab.queue.attendant import LEASE_MS, Attendant, unique_name
from streamlab.queue.settings import WorkerSettings, block_within, check_whole
from streamlab.queue.shift import Shift, WorkerReport
from streamlab.queue.stop import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.queue.task import Task
    from streamlab.queue.task_queue import TaskQueue


class Worker:
    """Runs a handler on each task of a queue, at least once.

    It begins with what it held under this name before (drain), goes on with what the dead left
    behind (sweep), then reads new tasks; it sweeps again about every half `min_idle_ms`.
    Acknowledgements travel with the next blocking read, in one round trip.

    Parameters
    ----------
    queue
        The `TaskQueue` to serve.
    handler
        Called with each `Task`. Returning means done; an exception means "again, later".
    name
        The consumer's name; None for a unique one. Two live workers cannot have the same.
    batch
        The largest number of entries read at once (COUNT), 1 to 10,000. Fewer are read while
        handlers take so long that a batch could not be done within half of `min_idle_ms`.
    min_idle_ms
        An entry that nobody touched for so long is taken over from its owner, in ms, >= 1. It
        must be longer than the longest handler, or a live task is run twice.
    block_ms
        How long a read waits for new entries, in ms, >= 1, below the client's socket timeout;
        None derives it from that.
    lease_ms
        For how long after its death the name is kept from others, in ms, >= 100.
    grace_ms
        For how long a running handler may go on after SIGTERM or SIGINT, in ms, >= 0.

    Raises
    ------
    BadArgumentError
        A parameter is out of its bounds or of the wrong type.
    """

    def __init__(
        self,
        queue: TaskQueue,
        handler: Callable[[Task], object],
        *,
        name: str | None = None,
        batch: int = 10,
        min_idle_ms: int = 30_000,
        block_ms: int | None = None,
        lease_ms: int = LEASE_MS,
        grace_ms: int = 10_000,
    ) -> None:
        self.settings = WorkerSettings(
            queue=queue,
            handler=handler,
            name=unique_name() if name is None else name,
            batch=batch,
            min_idle_ms=min_idle_ms,
            block_ms=block_within(queue.client, block_ms),
            lease_ms=lease_ms,
            grace_ms=grace_ms,
        )
        self._attendant: Attendant | None = None

    @property
    def name(self) -> str:
        """The consumer's name."""
        return self.settings.name

    def __repr__(self) -> str:
        return f"<Worker {self.name!r} of {self.settings.queue!r}>"

    def stop(self) -> None:
        """Ask a running worker to stop, from any thread, as SIGTERM would.

        It finishes the task at hand, for at most `grace_ms` if it runs in the main thread. A worker
        that does not run yet is not stopped.
        """
        attendant = self._attendant
        if attendant is not None:
            attendant.stop()

    def run(self, *, max_tasks: int | None = None, idle_ms: int | None = None) -> WorkerReport:
        """Work until stopped, or until a bound is reached.

        SIGTERM and SIGINT stop it gracefully: it reads no more, finishes the task it is at (for
        at most `grace_ms`), acknowledges what is done, and leaves the rest pending for others. A
        second signal raises KeyboardInterrupt at once; what was finished and not yet acknowledged
        is then run again. At the end the consumer is removed from the group (XGROUP DELCONSUMER,
        by a script) unless it still holds entries.

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
            The group was destroyed, or the key deleted, while it ran.
        WrongTypeError
            The key is not a stream.
        redis.AuthenticationError
            The server refuses the user or the password.
        """
        for what, value in (("max_tasks", max_tasks), ("idle_ms", idle_ms)):
            if value is not None:
                check_whole(what, value, at_least=1)
        if self._attendant is not None:
            msg = f"the worker {self.name!r} is running already: make another for another thread"
            raise NameInUseError(msg)
        attendant = Attendant(self.settings)
        shift = Shift(self.settings, attendant, max_tasks, idle_ms)
        # The attendant may send a signal until it has ended, so the handlers outlast it.
        with stop_on_signals(attendant), attendant:
            self._attendant = attendant
            try:
                shift.work()
            finally:
                self._attendant = None
        return shift.report()
