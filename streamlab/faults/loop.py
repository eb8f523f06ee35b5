"""An event loop in a thread of its own, to which any other thread gives work."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

from streamlab.errors import StreamlabError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class LoopThread:
    """A daemon thread that runs an event loop until `close`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._loop.is_closed()

    def run(self, work: Coroutine[None, None, T]) -> T:
        """Run a coroutine there, and return what it returns.

        Raises
        ------
        StreamlabError
            After `close`.
        """
        if self.closed:
            work.close()
            msg = "this proxy is closed: make a new one"
            raise StreamlabError(msg)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, change: Callable[[], object]) -> None:
        """Call a function there; return when it has returned."""

        async def work() -> None:
            change()

        self.run(work())

    def close(self) -> None:
        """End the loop, then the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
