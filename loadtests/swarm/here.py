"""What one process does in a test: its users, its clock, its tally, and how it comes to an end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent
import redis
from gevent.event import Event

from streamlab.errors import StreamlabError
from streamlab.server.url import redact
from swarm.clock import Clock, ClockKind
from swarm.place import Place, reach
from swarm.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.settings import Settings

_ASK_EVERY_S = 2.0  # of two clocks that are 50 ppm apart, one gains 0.1 ms in that time


@dataclass(frozen=True, slots=True)
class Test:
    """What all processes know of the test that runs.

    Attributes
    ----------
    settings, place
        What it was asked to be, and where it happens.
    url
        Of a private server; empty for the reader's own, which each process knows by itself.
    """

    settings: Settings
    place: Place
    url: str

    def connect(self, **options: Any) -> redis.Redis:
        """A client of its server.

        Raises
        ------
        StreamlabError
            It cannot be had.
        """
        return reach(self.url, self.settings.load.block_ms, **options)

    def tally(self) -> Tally:
        """A tally for it, with nothing counted."""
        return Tally(self.place.stream, keep=self.settings.keep)


class Here:
    """The part of the process that this runs in; `HERE` is the only one.

    Attributes
    ----------
    test
        That which runs, or ran last; None before the first, and in one that could not begin.
    ready
        Set when all users have been started: then the schedule begins.
    sending, closing
        Whether the producer may send, and whether the consumers are to read no more.
    in_flight
        Whether the producer waits for a reply.
    consumers
        Those that may still have something in hand.
    used
        Whether this process has had users.
    closed
        Whether they have stopped, and the clock has been asked for the last time.
    """

    def __init__(self) -> None:
        self.test: Test | None = None
        self.tally, self.clock, self.ready = Tally(), Clock(), Event()
        self.consumers: set[object] = set()
        self.sending = self.closing = self.closed = self.in_flight = self.used = False

    def begin(self, test: Test | None) -> None:
        """Forget the last test; connect to nothing yet."""
        self.test = test
        self.tally, self.clock = test.tally() if test else Tally(), Clock()
        self.sending = test is not None
        self.closing = self.closed = self.in_flight = self.used = False
        self.consumers.clear()
        self.ready.clear()

    def fail(self, what: str, exc: Exception) -> None:
        """Count a command that failed; the verdict will name it."""
        self.tally.failed[f"{what}: {redact(str(exc))}"[:200]] += 1

    def start_clock(self) -> None:
        """Measure how far the server's clock is from ours, now and every two seconds."""
        if self.test is None or self.test.settings.clock is ClockKind.HOST:
            return
        try:
            client = self.test.connect()
            self.clock = Clock(lambda: _server_ns(client))
        except (StreamlabError, redis.RedisError) as exc:
            self.fail("TIME", exc)
            return
        gevent.spawn(self._keep_asking, self.clock)

    def _keep_asking(self, clock: Clock) -> None:
        while True:
            gevent.sleep(_ASK_EVERY_S)
            if clock is not self.clock or self.closed:
                return
            self._ask(clock)

    def _ask(self, clock: Clock) -> None:
        try:
            clock.ask()
        except redis.RedisError as exc:
            self.fail("TIME", exc)

    def report(self) -> dict[str, Any]:
        """What was counted since the last report."""
        counted, self.tally = self.tally, self.test.tally() if self.test else Tally()
        if self.used:
            counted.reading = self.clock.reading()
        return counted.encode()

    def finish(self, within_s: float = 5.0) -> None:
        """Send no more; return when what is on its way has arrived."""
        self.sending = False
        wait(lambda: not self.in_flight, within_s)

    def close(self, within_s: float) -> None:
        """Read no more; return when what was in hand is done, and ask for the time once more."""
        self.sending, self.closing = False, True
        wait(lambda: not self.consumers, within_s)
        if not self.closed:
            self._ask(self.clock)
        self.closed = True


def wait(done: Callable[[], bool], within_s: float) -> bool:
    """Let other greenlets run until it is done; False when that took longer."""
    deadline_s = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline_s:
            return False
        gevent.sleep(0.01)
    return True


def _server_ns(client: redis.Redis) -> int:
    seconds, micros = client.time()
    return (int(seconds) * 1_000_000 + int(micros)) * 1000


HERE = Here()
