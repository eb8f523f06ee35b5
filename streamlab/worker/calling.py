"""Calling a handler: a function or a coroutine, and once for each task if that is wished."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any, Self

import redis

from streamlab.errors import CommitError
from streamlab.queue.names import beside
from streamlab.worker.stop import GraceOver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis.client import Pipeline

    from streamlab.queue.task import Task
    from streamlab.worker.settings import WorkerSettings


def is_coroutine_function(handler: object) -> bool:
    """Whether calling `handler` only makes a coroutine."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - of an object, not of its class
    )


def _refuse_unfinished(returned: object) -> None:
    """Raise if a handler, a lambda say, has returned a coroutine or a generator: nothing is done.

    Raises
    ------
    TypeError
        If so: a failed attempt.
    """
    if returned is None:
        return
    if inspect.isawaitable(returned) or inspect.isgenerator(returned):
        if inspect.iscoroutine(returned):
            returned.close()  # or Python warns that it was never awaited
        msg = (
            f"the handler returned a {type(returned).__name__}, which nobody runs: give Worker the "
            "coroutine function itself"
        )
        raise TypeError(msg)


class UnsettledError(Exception):
    """The connection broke around a commit: only the task's key tells whether it took place."""


# What a cancelled coroutine has to clean up.
_CLEAN_UP_S = 1.0


class EventLoop:
    """One asyncio loop in a thread of its own, for all threads of a worker.

    So clients of other services can be shared by all tasks, as in any asyncio program.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="handlers", daemon=True)
        self._closing = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what still runs, for which it has a second; a loop that is blocked is left."""
        self._closing = True
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(2 * _CLEAN_UP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLEAN_UP_S)
        if not self._thread.is_alive():
            self._loop.close()

    def run(self, handler: Callable[..., Any], *arguments: object) -> None:
        """Run a coroutine there and wait for its end; cancelled when the wait is broken off.

        Raises
        ------
        GraceOver
            It was cancelled, since the loop ends.
        """
        future = asyncio.run_coroutine_threadsafe(_ended(handler, *arguments), self._loop)
        try:
            ended = future.result()
        except concurrent.futures.CancelledError as exc:
            if self._closing:
                raise GraceOver from exc
            raise
        except BaseException:
            future.cancel()
            raise
        if ended is not None:
            raise ended


async def _ended(handler: Callable[..., Any], *arguments: object) -> BaseException | None:
    """Run it; what would end the loop, and leave who waits for it waiting, is handed to him."""
    try:
        await handler(*arguments)
    except (SystemExit, KeyboardInterrupt) as exc:
        return exc
    return None


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_CLEAN_UP_S)


class Calling:
    """How a worker's handler is called with a task.

    Parameters
    ----------
    settings
        The worker's: its handler, and whether it is idempotent.
    loop
        Where coroutines run; None for a function.
    """

    def __init__(self, settings: WorkerSettings, loop: EventLoop | None) -> None:
        self._settings = settings
        handler = settings.handler
        self._run: Callable[..., object] = (
            handler if loop is None else functools.partial(loop.run, handler)
        )

    def __call__(self, task: Task, client: redis.Redis) -> bool:
        """Run the handler; False when an earlier run had had the effect already.

        Raises
        ------
        UnsettledError
            With an idempotent handler: the connection was lost; its cause says how.
        CommitError
            With an idempotent handler: one of the commands it queued failed, the others did not.
        Exception
            What the handler raises.
        """
        if self._settings.idempotent:
            return self._once(task, client)
        _refuse_unfinished(self._run(task))
        return True

    def _once(self, task: Task, client: redis.Redis) -> bool:
        """Commit what the handler queues together with the task's key, unless that is there.

        WATCH, EXISTS, then MULTI … SET PX … EXEC: whoever commits second finds the key, or his
        EXEC is refused since the key changed under his WATCH. Either way there is one effect.
        """
        queue = self._settings.queue
        key = done_key(queue.stream, queue.group, task.task_id)
        with client.pipeline() as pipe:
            with _settled():
                pipe.watch(key)  # type: ignore[no-untyped-call]
                if pipe.exists(key):
                    return False
            pipe.multi()
            _refuse_unfinished(self._run(task, pipe))
            pipe.set(key, task.entry_id or "", px=self._settings.remember_ms)
            return self._commit(task, pipe, lambda: bool(client.exists(key)))

    def _commit(self, task: Task, pipe: Pipeline, done: Callable[[], bool]) -> bool:
        try:
            with _settled():
                pipe.execute()
        except redis.WatchError as exc:
            # redis-py says the same when the connection broke meanwhile: nobody has done it then.
            with _settled():
                if done():
                    return False
                msg = f"the connection broke before the effect of {task.task_id} was committed"
                raise redis.ConnectionError(msg) from exc
        except redis.exceptions.ExecAbortError:
            raise  # a command was refused before the transaction: nothing is done
        except redis.ResponseError as exc:
            msg = f"a command of task {task.task_id} failed in its transaction ({exc}): the others"
            raise CommitError(f"{msg} are done, look at it before you requeue it") from exc
        return True


@contextlib.contextmanager
def _settled() -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as exc:
        raise UnsettledError from exc


def done_key(stream: str, group: str, task_id: str) -> str:
    """The key that says that a task's effect has been committed."""
    return beside(stream, "done", f"{len(stream)}.{len(group)}", group, task_id)
