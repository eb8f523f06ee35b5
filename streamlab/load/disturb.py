"""Real faults in the middle of a run: a server that is stopped, consumers that are killed."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streamlab.errors import BenchError
from streamlab.server import RedisServer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    import redis

    from streamlab.load.children import Child
    from streamlab.server import ReaderServer


@dataclass(frozen=True, slots=True)
class Incident:
    """What was done, and when.

    Attributes
    ----------
    at_ns
        In ns of `time.monotonic_ns`.
    what
        ``"stopped"`` and ``"continued"`` (the server), ``"killed"`` (a consumer).
    name
        Whom it hit.
    held
        How many entries a killed consumer held, by the server's own pending list.
    """

    at_ns: int
    what: str
    name: str
    held: int = 0


@dataclass(slots=True)
class Stage:
    """What a disturbance can reach."""

    server: RedisServer | ReaderServer
    client: redis.Redis
    stream: str
    group: str
    consumers: list[Child]  # that run; `replace` starts one more and puts it here
    replace: Callable[[], object]
    over: threading.Event
    t0_ns: int
    incidents: list[Incident]

    def wait_until(self, at_s: float) -> bool:
        """Wait until `at_s` after t0; False when the run was over first."""
        return not self.over.wait(max(0.0, self.t0_ns / 1e9 + at_s - time.monotonic()))

    def note(self, what: str, name: str, held: int = 0) -> None:
        """Remember an incident that has just happened."""
        self.incidents.append(Incident(time.monotonic_ns(), what, name, held))


class Disturbance(Protocol):
    """Something that happens to a run while it goes on, in a thread of its own."""

    def __call__(self, stage: Stage) -> None:
        """Do it; return when done, or when the run is over."""


@dataclass(frozen=True, slots=True)
class Stall:
    """SIGSTOP the private server `at_s` after t0, SIGCONT it `for_s` later."""

    at_s: float
    for_s: float = 1.0

    def __call__(self, stage: Stage) -> None:
        """Stop it and let it go on: also when the run is over meanwhile."""
        if not isinstance(stage.server, RedisServer):
            msg = "only a private server is stopped: unset STREAMLAB_REDIS_URL"
            raise BenchError(msg)
        if not stage.wait_until(self.at_s):
            return
        stage.server.pause()
        stage.note("stopped", "the server")
        try:
            time.sleep(self.for_s)  # to the point: a run that is over ends only after it
        finally:
            stage.server.resume()
            stage.note("continued", "the server")


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL a consumer drawn from `seed` every `every_s` from `from_s` on, and start another.

    The new one starts at once, as a supervisor would start it, under a name of its own.
    """

    from_s: float
    every_s: float = 1.0
    until_s: float = float("inf")
    seed: int = 1

    def __call__(self, stage: Stage) -> None:
        """Kill until the run is over.

        Raises
        ------
        BenchError
            There is one consumer only: nobody would be left until another has started.
        """
        if len(stage.consumers) <= 1:
            msg = f"killing needs two or more consumers, got {len(stage.consumers)}: add one"
            raise BenchError(msg)
        source, at_s = random.Random(self.seed), self.from_s
        while at_s <= self.until_s and stage.wait_until(at_s):
            victim = source.choice([one for one in stage.consumers if one.alive])
            victim.strike()
            lines = stage.client.xpending_range(
                stage.stream, stage.group, "-", "+", 10_000, victim.job.consumer
            )
            stage.note("killed", victim.name, len(lines))
            stage.consumers.remove(victim)
            stage.replace()
            at_s += self.every_s
