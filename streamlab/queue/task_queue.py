"""The producing side of a queue: put tasks on a stream, and see how many wait."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import redis

from streamlab.errors import BadArgumentError, NotEnqueuedError, OutcomeUnknownError
from streamlab.queue.connection import ensure_connected, own_client
from streamlab.queue.depth import QueueDepth, read_depth
from streamlab.queue.group import ensure_group, server_errors
from streamlab.queue.names import check_name
from streamlab.queue.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Large enough that the round trip vanishes, small enough that a lost reply leaves few in doubt.
_PIPELINE = 500


class TaskQueue:
    """Tasks on one stream, shared out by one consumer group.

    Nothing is trimmed: a bound such as ``MAXLEN`` on a task queue deletes work nobody has done.

    Parameters
    ----------
    client
        A `redis.Redis`. Only its address and settings are used: the queue opens connections of
        its own, which never send a command twice.
    stream
        The stream's key, not empty.
    group
        The group's name, not empty. It is made when a `Worker` starts, or by `ensure_group`.

    Raises
    ------
    BadArgumentError
        If a name is empty or not text, or `client` is of another kind.
    """

    def __init__(self, client: redis.Redis, stream: str, *, group: str = "workers") -> None:
        for what, name in (("stream", stream), ("group", group)):
            check_name(what, name)
        self.client = own_client(client)
        self.stream = stream
        self.group = group

    def __repr__(self) -> str:
        return f"<TaskQueue {self.stream!r}, group {self.group!r}>"

    def ensure_group(self, start: str = "0") -> bool:
        """Make the group if it is missing (XGROUP CREATE … MKSTREAM); whether it was made now.

        Parameters
        ----------
        start
            The first entry it will deliver is the one after this id: ``"0"`` for all that is on
            the stream, ``"$"`` for none of it. The id of a group that exists is left alone.

        Raises
        ------
        BadArgumentError, WrongTypeError
            If `start` is no id; if the key holds something else.
        """
        return ensure_group(self.client, self.stream, self.group, start)

    def enqueue(self, data: object, *, task_id: str | None = None) -> Task:
        """Put one task on the stream (XADD); returns it with its ``entry_id``.

        Parameters
        ----------
        data
            Text is sent as it is, anything else as JSON.
        task_id
            Your own id for it; None for a new UUID4.

        Raises
        ------
        BadArgumentError
            If `data` cannot be sent.
        NotEnqueuedError
            No connection, or the server refused (out of memory, say): it is not on the stream.
        OutcomeUnknownError
            It was sent and no reply came: it may be on the stream. Its ``task_ids`` tell which.
        """
        return self._send([Task.of(data, task_id)], [])[0]

    def enqueue_many(self, data: Iterable[object]) -> list[Task]:
        """Put many tasks on the stream in pipelines of 500 XADDs; returns them in order.

        Raises
        ------
        BadArgumentError, NotEnqueuedError, OutcomeUnknownError
            As `enqueue`; the error's ``enqueued`` has the tasks that are on the stream.
        """
        sent: list[Task] = []
        tasks = (Task.of(item) for item in data)
        try:
            while page := list(itertools.islice(tasks, _PIPELINE)):
                sent += self._send(page, sent)
        except BadArgumentError as exc:
            exc.add_note(f"{len(sent)} task(s) before it are on the stream")
            raise
        return sent

    def _send(self, tasks: Sequence[Task], before: list[Task]) -> list[Task]:
        """XADD each of `tasks` in one round trip; `before` is for the errors."""
        ensure_connected(self.client, tasks)
        try:
            with self.client.pipeline(transaction=False) as pipe:
                for task in tasks:
                    # pipe.xadd() does the same in one and a half times the time.
                    pipe.execute_command(  # type: ignore[no-untyped-call]
                        "XADD", self.stream, "*", *_flat(task)
                    )
                answers = pipe.execute(raise_on_error=False)
        except (redis.ConnectionError, redis.TimeoutError) as exc:
            ids = tuple(task.task_id for task in tasks)
            msg = (
                f"no reply to XADD on {self.stream!r} ({exc}): {len(ids)} task(s) may or may not "
                f"be there; look for their task_id before sending them again"
            )
            raise OutcomeUnknownError(msg, task_ids=ids, enqueued=before) from exc
        sent, refused = [], None
        for task, answer in zip(tasks, answers, strict=True):
            if isinstance(answer, Exception):
                refused = refused or answer
            else:
                sent.append(task.at(answer))
        if refused is not None:
            with server_errors(self.stream, self.group):
                if str(refused).startswith("WRONGTYPE"):
                    raise refused
            msg = f"Redis refused XADD on {self.stream!r}: {refused}"
            raise NotEnqueuedError(msg, enqueued=[*before, *sent]) from refused
        return sent

    def depth(self) -> QueueDepth:
        """How much is waiting (XLEN, XINFO GROUPS, XPENDING); changes nothing.

        Raises
        ------
        WrongTypeError
            If the key holds something else than a stream.
        """
        with server_errors(self.stream, self.group):
            return read_depth(self.client, self.stream, self.group)


def _flat(task: Task) -> list[str]:
    return [part for pair in task.fields().items() for part in pair]
