"""What the process knows that starts and judges tests: Locust's master, or its only one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from locust.runners import MasterRunner

from swarm.here import HERE, Test
from swarm.whole import Whole

if TYPE_CHECKING:
    from locust.runners import Runner

    from streamlab.server import ReaderServer, RedisServer
    from swarm.reasons import Ending
    from swarm.verdict import Verdict


@dataclass
class Lab:
    """The server, and the test that runs or ran last.

    Attributes
    ----------
    server
        None in Locust's workers.
    hdr
        Where to write the latencies; None for nowhere.
    test
        None before the first, and in one that could not begin.
    memory_bytes
        used_memory of the server before the test.
    whole
        What all processes have reported.
    known, answered, closed
        Locust's workers that take part, that have done what they were asked for last, and that have
        sent their last report.
    fault
        Why the last test could not begin; empty if it did.
    draining
        Whether the test is being ended now.
    ending, verdict
        None until it has ended.
    """

    server: RedisServer | ReaderServer | None = None
    hdr: str | None = None
    test: Test | None = None
    memory_bytes: int = 0
    whole: Whole = field(default_factory=Whole)
    known: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    fault: str = ""
    draining: bool = False
    ending: Ending | None = None
    verdict: Verdict | None = None

    def begin(self, test: Test | None, fault: str = "") -> None:
        """Forget the last test."""
        self.fault, self.test, self.ending, self.verdict = fault, test, None, None
        self.whole = Whole(test.place.stream, test.settings.load.groups) if test else Whole()
        self.known, self.answered, self.closed = set(), set(), set()

    @property
    def shown(self) -> str:
        """The server, without its password."""
        return f"Redis {self.server.version} at {self.server.url.shown}" if self.server else ""

    def collect(self, runner: Runner) -> Whole:
        """The whole, with what this process itself has counted."""
        if not isinstance(runner, MasterRunner):
            self.whole.add(HERE.report(), "the process")
        return self.whole


LAB = Lab()
