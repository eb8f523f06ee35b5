"""The producing side of a queue: put tasks on a stream, see how many wait, look after the rest."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import redis

from streamlab.errors import BadArgumentError, NotEnqueuedError, WorkKeptWarning
from streamlab.queue.bounds import MANY, YEAR_MS, check_whole, shown
from streamlab.queue.connection import own_client
from streamlab.queue.dead_letter import (
    DeadLetter,
    dead_letter_key,
    read_dead_letters,
    requeue,
)
from streamlab.queue.depth import QueueDepth, read_depth
from streamlab.queue.group import check_entry_id, ensure_group, server_errors
from streamlab.queue.names import check_name
from streamlab.queue.scripts import run_script
from streamlab.queue.sending import Sender
from streamlab.queue.task import Task

# How many entries one XTRIM deletes: a million at once would hold up every other client.
_TRIM_PAGE = 10_000


class TaskQueue:
    """Tasks on one stream, shared out by one consumer group.

    Nothing is trimmed by itself: a bound such as ``MAXLEN`` on a task queue deletes work nobody
    has done. See `trim`.

    Parameters
    ----------
    client
        A `redis.Redis`. Only its address and settings are used: the queue opens connections of
        its own, which never send a command twice blindly.
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
        self._sender = Sender(self.client, stream, group)

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

    def enqueue(
        self,
        data: object,
        *,
        task_id: str | None = None,
        max_depth: int | None = None,
        wait_ms: int = 0,
    ) -> Task:
        """Put one task on the stream (XADD); returns it with its ``entry_id``.

        An XADD whose reply was lost is sent again, for up to 10 s, and stored once, on Redis 8.6+
        (IDMP) and on any version with `max_depth` (its script remembers). Else its outcome is
        unknown.

        Parameters
        ----------
        data
            Text is sent as it is, anything else as JSON.
        task_id
            Your own id for it; None for a new UUID4.
        max_depth
            Only while the group has fewer unfinished tasks (pending and unread) than this, >= 1;
            None for no bound. Before 7.0 the unread ones are counted by reading up to so many.
        wait_ms
            With `max_depth`: how long to wait for room, in ms, >= 0; 0 refuses at once.

        Raises
        ------
        BadArgumentError
            If `data` cannot be sent, or a bound is out of its own.
        NotEnqueuedError
            No connection, or the server refused (out of memory, say): it is not on the stream.
        QueueFullError
            A NotEnqueuedError: there was no room within `wait_ms`.
        OutcomeUnknownError
            It was sent and no reply came: it may be on the stream. Its ``task_ids`` tell which.
        WrongTypeError
            The key holds something else than a stream.
        """
        _check_bounds(max_depth, wait_ms)
        return self._send([Task.of(data, task_id)], max_depth, wait_ms, [])[0]

    def enqueue_many(
        self, data: Iterable[object], *, max_depth: int | None = None, wait_ms: int = 0
    ) -> list[Task]:
        """Put many tasks on the stream in pipelines of 500 XADDs (100 on 8.6+), in order.

        Parameters are those of `enqueue`; `wait_ms` begins anew whenever there was room for some.

        Raises
        ------
        BadArgumentError, NotEnqueuedError, QueueFullError, OutcomeUnknownError, WrongTypeError
            As `enqueue`; the error's ``enqueued`` has the tasks that are on the stream.
        """
        _check_bounds(max_depth, wait_ms)
        if not isinstance(data, Iterable):
            msg = f"data must be an iterable of payloads, got {shown(data)}: enqueue() takes one"
            raise BadArgumentError(msg)
        sent: list[Task] = []
        try:
            for page in self._sender.pages(Task.of(item) for item in data):
                sent += self._send(page, max_depth, wait_ms, sent)
        except BadArgumentError as exc:
            exc.add_note(f"{len(sent)} task(s) before it are on the stream")
            raise
        return sent

    def _send(
        self, tasks: list[Task], max_depth: int | None, wait_ms: int, before: list[Task]
    ) -> list[Task]:
        if max_depth is None:
            return self._sender.send(tasks, before)
        return self._sender.send_below(tasks, max_depth, wait_ms, before)

    def depth(self) -> QueueDepth:
        """How much is waiting (XLEN, XINFO GROUPS, XPENDING); changes nothing.

        Raises
        ------
        WrongTypeError
            If the key holds something else than a stream.
        """
        with server_errors(self.stream, self.group):
            return read_depth(self.client, self.stream, self.group)

    def trim(self, maxlen: int | None = None) -> int:
        """Delete what every group of the stream has read and acknowledged; how many that were.

        A script finds the place and cuts there (XTRIM MINID), below the oldest pending entry and
        the last delivered one of each group. A stream without a group is left alone, and the
        newest delivered entry always stays.

        Parameters
        ----------
        maxlen
            Do nothing while the stream has at most so many entries, >= 0; None to trim now.
            Where unfinished work alone is more than that, it stays, with a `WorkKeptWarning`:
            ``MAXLEN`` would have lost it (F38).

        Raises
        ------
        BadArgumentError, WrongTypeError
            If `maxlen` is out of its bounds; if the key holds something else than a stream.
        """
        if maxlen is not None:
            check_whole("maxlen", maxlen, at_least=0)
        with server_errors(self.stream, self.group):
            length = self.client.xlen(self.stream)
            if maxlen is not None and length <= maxlen:
                return 0
            deleted = total = done = 0
            for page in (_TRIM_PAGE, 0):  # whole nodes in bounded steps, then what is left exactly
                while True:
                    deleted, length, done = run_script(
                        self.client, "queue/trim", [self.stream], [page]
                    )
                    total += deleted
                    if not (page and deleted):
                        break
        kept = length - done
        if maxlen is not None and kept > maxlen:
            warnings.warn(
                f"{kept} entries of {self.stream!r} are kept, maxlen is {maxlen}: they are not "
                f"done by every group, and MAXLEN would have lost {kept - maxlen} of them; add "
                f"workers, or bound what is enqueued with max_depth",
                WorkKeptWarning,
                stacklevel=2,
            )
        return total

    def dead_letters(self, count: int = 100, *, after: str | None = None) -> list[DeadLetter]:
        """The oldest dead letters of this group (XRANGE of their stream); changes nothing.

        Parameters
        ----------
        count
            How many at most, >= 1.
        after
            Only those behind this ``dead_id``, for the next page.

        Raises
        ------
        BadArgumentError
            If a parameter is out of its bounds.
        """
        check_whole("count", count, at_least=1, at_most=MANY)
        if after is not None:
            check_entry_id("after", after)
        return read_dead_letters(self.client, self._dead, count, after)

    def requeue(self, letters: Iterable[DeadLetter]) -> list[str]:
        """Put dead letters back on the stream as new entries; returns their entry ids, in order.

        Each moves in one step (a script). One that is no longer there is left out: somebody else
        put it back. Every group of the stream will be given the new entries.

        Raises
        ------
        BadArgumentError
            If one is no `DeadLetter`.
        NotEnqueuedError
            The server refused; its ``enqueued`` has the ids of those put back before.
        """
        moved: list[str] = []
        for one in letters:
            if not isinstance(one, DeadLetter):
                msg = f"letters must be those of dead_letters(), got {shown(one)}"
                raise BadArgumentError(msg)
            try:
                entry_id = requeue(self.client, self._dead, self.stream, one.dead_id)
            except redis.ResponseError as exc:
                msg = f"Redis refused to put {one.dead_id} back on {self.stream!r}: {exc}"
                raise NotEnqueuedError(msg, enqueued=moved) from exc
            moved += [entry_id] if entry_id else []
        return moved

    @property
    def _dead(self) -> str:
        return dead_letter_key(self.stream, self.group)


def _check_bounds(max_depth: int | None, wait_ms: int) -> None:
    check_whole("wait_ms", wait_ms, at_least=0, at_most=YEAR_MS)
    if max_depth is not None:
        check_whole("max_depth", max_depth, at_least=1, at_most=MANY)
