"""Calling a handler: a function or a coroutine, and once for each task if that is wished."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any, Self

import redis

from streamlab.errors import CommitError
from streamlab.queue.names import beside

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


class UnsettledError(Exception):
    """The connection broke around a commit: only the task's key tells whether it took place."""


class EventLoop:
    """One asyncio loop in a thread of its own, for all threads of a worker.

    So clients of other services can be shared by all tasks, as in any asyncio program.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="handlers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, handler: Callable[..., Any], *arguments: object) -> None:
        """Run a coroutine there and wait for its end; cancelled when the wait is broken off."""
        future = asyncio.run_coroutine_threadsafe(handler(*arguments), self._loop)
        try:
            future.result()
        except BaseException:
            future.cancel()
            raise


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
        self._run(task)
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
            self._run(task, pipe)
            pipe.set(key, task.entry_id or "", px=self._settings.remember_ms)
            return self._commit(task, pipe, lambda: bool(client.exists(key)))

    def _commit(self, task: Task, pipe: Pipeline, done: Callable[[], bool]) -> bool:
        try:
            with _settled():
                pipe.execute()
        except redis.WatchError as exc:
            # redis-py says the same when the connection broke meanwhile, and then nobody has done it.
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
