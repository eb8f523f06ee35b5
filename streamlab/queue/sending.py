"""Putting tasks on the stream, with an outcome that is known or said to be unknown."""

from __future__ import annotations

import itertools
import os
import secrets
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import redis

from streamlab.errors import NotEnqueuedError, OutcomeUnknownError, QueueFullError
from streamlab.queue.connection import RECONNECT, ensure_connected, live_connection
from streamlab.queue.group import server_errors
from streamlab.queue.names import beside
from streamlab.queue.primitives import Primitives
from streamlab.queue.scripts import run_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from redis.connection import Connection

    from streamlab.queue.task import Task

T = TypeVar("T")

# Large enough that the round trip vanishes, small enough that a lost reply leaves few in doubt.
_PIPELINE = 500
# A server remembers 100 ids of a producer unless told otherwise (IDMP-MAXSIZE).
_PIPELINE_WITH_IDMP = 100
_RESEND_WITHIN_S = 10.0
_LONGEST_PAUSE_S = 0.1


class Sender:
    """Sends a queue's tasks to its stream.

    On Redis 8.6+ each XADD carries IDMP, a producer's id and the task's, so that one whose reply
    was lost can be sent again and is stored once; before, its outcome is unknown.
    """

    def __init__(self, client: redis.Redis, stream: str, group: str) -> None:
        self._client, self._stream, self._group = client, stream, group
        self._id = uuid.uuid4().hex
        self._primitives: Primitives | None = None

    def pages(self, tasks: Iterable[Task]) -> Iterable[list[Task]]:
        """`tasks` in lists as long as one round trip takes."""
        each = iter(tasks)
        while page := list(itertools.islice(each, self._page_length())):
            yield page

    def _page_length(self) -> int:
        return _PIPELINE_WITH_IDMP if self._asked().idmp else _PIPELINE

    def _asked(self) -> Primitives:
        if self._primitives is None:
            ensure_connected(self._client, ())
            try:
                self._primitives = Primitives.ask(self._client)
            except (redis.ConnectionError, redis.TimeoutError) as exc:
                msg = f"Redis does not answer ({exc}): nothing was sent, send again later"
                raise NotEnqueuedError(msg) from exc
        return self._primitives

    def send(self, tasks: Sequence[Task], before: Sequence[Task] = ()) -> list[Task]:
        """XADD each of `tasks` in one round trip; `before` is for the errors.

        Raises
        ------
        NotEnqueuedError, OutcomeUnknownError, WrongTypeError
            As `TaskQueue.enqueue`.
        """
        sending = _new_sending()
        idmp = ("IDMP", self._producer()) if self._asked().idmp else ()

        commands = [
            ("XADD", self._stream, *((*idmp, f"{sending}{n}") if idmp else ()), "*", *_flat(task))
            for n, task in enumerate(tasks)
        ]

        def attempt(*, again: bool) -> list[Any]:
            pool = self._client.connection_pool
            connection = (
                pool.get_connection() if again else live_connection(self._client, tasks, before)
            )
            try:
                answers = _answers(connection, commands)
            finally:
                pool.release(connection)
            if again and (error := _first_error(answers)):
                # What we sent before may be stored all the same.
                raise redis.ConnectionError(str(error)) from error
            return answers

        answers = self._outcome(attempt, tasks, before, self._idmp_remembers)
        sent = [
            task.at(answer)
            for task, answer in zip(tasks, answers, strict=True)
            if not isinstance(answer, Exception)
        ]
        if refused := _first_error(answers):
            self._refused(refused, [*before, *sent])
        return sent

    def send_below(
        self, tasks: Sequence[Task], max_depth: int, wait_ms: int, before: Sequence[Task] = ()
    ) -> list[Task]:
        """Add `tasks` while the group's unfinished ones stay below `max_depth` (a script).

        Raises
        ------
        QueueFullError
            No room was made within `wait_ms`; its ``enqueued`` has those that are on the stream.
        NotEnqueuedError, OutcomeUnknownError, WrongTypeError
            As `TaskQueue.enqueue`.
        """
        sent: list[Task] = []
        pause_s, deadline = 0.002, time.monotonic() + wait_ms / 1000
        while rest := tasks[len(sent) :]:
            added, depth = self._add_below(rest, max_depth, [*before, *sent])
            sent += added
            if added:
                pause_s, deadline = 0.002, time.monotonic() + wait_ms / 1000
                continue
            if time.monotonic() >= deadline:
                msg = (
                    f"the group {self._group!r} has {depth} unfinished tasks on {self._stream!r}, "
                    f"max_depth is {max_depth}: {len(rest)} task(s) not sent; add workers, send "
                    f"later, or wait longer than wait_ms={wait_ms}"
                )
                raise QueueFullError(msg, depth=depth, enqueued=[*before, *sent])
            time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return sent

    def _add_below(
        self, tasks: Sequence[Task], max_depth: int, before: Sequence[Task]
    ) -> tuple[list[Task], int]:
        values = [part for task in tasks for part in task.fields().values()]
        keys = [self._stream, beside(self._stream, "sent", self._producer())]
        arguments = [self._group, max_depth, _new_sending(), *values]

        def attempt(**_: bool) -> Any:
            with server_errors(self._stream, self._group):
                return run_script(self._client, "queue/add", keys, arguments)

        ensure_connected(self._client, tasks, before)
        added, depth, error = self._outcome(attempt, tasks, before, lambda *_: True)
        sent = [task.at(entry_id) for task, entry_id in zip(tasks, added, strict=False)]
        if error:
            self._refused(redis.ResponseError(error), [*before, *sent])
        return sent, int(depth)

    def _producer(self) -> str:
        """Of this thread alone: producers that shared an id would push out each other's tasks."""
        return f"{self._id}:{os.getpid()}:{threading.get_ident()}"

    def _outcome(
        self,
        attempt: Callable[..., T],
        tasks: Sequence[Task],
        before: Sequence[Task],
        remembered: Callable[[int, float], bool],
    ) -> T:
        """What `attempt` answers, made again where that is harmless."""
        started, failures = time.monotonic(), 0
        while True:
            try:
                return attempt(again=failures > 0)
            except (redis.ConnectionError, redis.TimeoutError) as exc:
                lost = exc
            time.sleep(RECONNECT.compute(min(failures, 16)))
            failures += 1
            after_s = time.monotonic() - started
            if after_s > _RESEND_WITHIN_S or not remembered(len(tasks), after_s):
                ids = tuple(task.task_id for task in tasks)
                msg = (
                    f"no reply to XADD on {self._stream!r} ({lost}): {len(ids)} task(s) may or may "
                    f"not be there; look for their task_id before sending them again"
                )
                raise OutcomeUnknownError(msg, task_ids=ids, enqueued=before) from lost

    def _idmp_remembers(self, tasks: int, after_s: float) -> bool:
        """Whether the server surely remembers what it may have stored so long ago (F55)."""
        if not self._asked().idmp:
            return False
        try:
            stream = self._client.xinfo_stream(self._stream)
        except (redis.ConnectionError, redis.TimeoutError):
            return True  # to be asked again after the next attempt, which will fail as well
        except redis.ResponseError:
            return True  # no such key: nothing was stored
        return bool(stream["idmp-maxsize"] >= tasks and stream["idmp-duration"] > after_s)

    def _refused(self, why: Exception, enqueued: list[Task]) -> None:
        with server_errors(self._stream, self._group):
            if "WRONGTYPE" in str(why):
                raise why
        msg = f"Redis refused XADD on {self._stream!r}: {why}"
        raise NotEnqueuedError(msg, enqueued=enqueued) from why


def _new_sending() -> str:
    """Random: a counter would be the same in both halves of a fork, and IDMP drop one's tasks."""
    return secrets.token_hex(8)


def _answers(connection: Connection, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The reply to each command, an error if it is one; all in one round trip.

    On the connection that was just looked at: client and pipeline would each take one out of the
    pool once more, and look at it, which is a tenth of the round trip.
    """
    try:
        packed = connection.pack_commands(commands)  # type: ignore[no-untyped-call]
        connection.send_packed_command(packed)  # type: ignore[no-untyped-call]
        return [_answer(connection) for _ in commands]
    except BaseException:  # an interrupt, say: the rest of the replies must not become another's
        connection.disconnect()  # type: ignore[no-untyped-call]
        raise


def _answer(connection: Connection) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as exc:
        return exc


def _flat(task: Task) -> list[str]:
    return [part for pair in task.fields().items() for part in pair]


def _first_error(answers: Sequence[Any]) -> Exception | None:
    return next((answer for answer in answers if isinstance(answer, Exception)), None)
