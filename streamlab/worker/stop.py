"""SIGTERM and SIGINT as a wish to stop; the second one, or the end of the grace, as an order."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from streamlab.worker.crew import Crew


class GraceOver(BaseException):
    """Raised inside a handler that is still running when the grace time has passed.

    Not an `Exception`, so that a handler's ``except Exception`` lets it through.
    """


@contextlib.contextmanager
def stop_on_signals(crew: Crew) -> Iterator[None]:
    """Within this context SIGTERM and SIGINT ask the worker to stop; twice, they end it at once.

    Only Python's main thread can receive signals: in another thread this does nothing.

    Raises
    ------
    GraceOver
        In the running handler, when the grace time has passed.
    KeyboardInterrupt
        In whatever runs, on the second signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    wishes = 0
    grace_heard = False

    def heard(_signal: int, _frame: FrameType | None) -> None:
        nonlocal wishes, grace_heard
        if crew.grace_over and not grace_heard:  # the attendant's own signal
            grace_heard = True
            if crew.in_handler:
                raise GraceOver
            return
        wishes += 1
        if wishes > 1:
            raise KeyboardInterrupt
        crew.stop()

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
