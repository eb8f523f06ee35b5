"""One chaos run: a producer, consumers, a nemesis, a quiet time, and the verdict."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamlab.chaos.arena import Job
from streamlab.chaos.producer import task_name
from streamlab.chaos.stage import Stage
from streamlab.errors import ChaosError
from streamlab.faults import ConsumerProcess, Proxy
from streamlab.faults.nemesis import Fault, Nemesis, schedule
from streamlab.history import Kind, Ledger, Verdict, check
from streamlab.server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.chaos.settings import ChaosSettings

_PRODUCER = "producer"
_LOOK_EVERY_S = 0.05
_STOP_WITHIN_S = 10.0
# The nemesis begins when everybody has had the time to start.
_READY_WITHIN_S = 30.0
# After the pace would have sent the last task: a server that is down holds up the producer.
_LATE_S = 120.0


@dataclass(frozen=True, slots=True)
class ChaosResult:
    """What came of a run.

    Attributes
    ----------
    settings
        What was asked for.
    version
        Of the Redis.
    verdict
        The checker's.
    faults
        Those that were drawn, in order of time.
    seconds
        How long it took.
    folder
        Where its ledgers are; None when they were not kept.
    """

    settings: ChaosSettings
    version: str
    verdict: Verdict
    faults: tuple[Fault, ...]
    seconds: float
    folder: Path | None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "version": self.version,
            "seed": self.settings.seed,
            "persistence": str(self.settings.persistence),
            "nemesis": [str(kind) for kind in self.settings.nemesis],
            "faults": len(self.faults),
            "seconds": round(self.seconds, 2),
            "folder": str(self.folder) if self.folder else None,
            "verdict": self.verdict.as_dict(),
        }


def run_chaos(
    settings: ChaosSettings,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
    *,
    folder: Path | None = None,
) -> ChaosResult:
    """Run it on a private server, with processes that are really killed; none is left behind.

    Parameters
    ----------
    progress
        Called with what goes on and how far it is, in [0, 1].
    folder
        Where to keep the ledgers and what the processes wrote to stderr; None to keep nothing.

    Raises
    ------
    ChaosError
        The consumers or the producer could not work at all.
    ServerError
        There is no such Redis, or it did not start.
    """
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        place = folder
        if place is None:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        else:
            place.mkdir(parents=True, exist_ok=True)
            if any(place.glob("*.ledger")):
                msg = f"{place} has ledgers of another run: name a new folder"
                raise ChaosError(msg)
        server = stack.enter_context(
            RedisServer(settings.version, persistence=settings.persistence)
        )
        run = _Run(settings, server, place, progress, stack)
        run.play()
        verdict = check(
            sorted(place.glob("*.ledger")),
            seed=settings.seed,
            replay=settings.replay(),
            expect_exactly_once=settings.idempotent or settings.exactly_once,
        )
        return ChaosResult(
            settings, server.version, verdict, run.faults, time.monotonic() - started, folder
        )


class _Run:
    """The parts of a run, in the order in which they are needed."""

    def __init__(
        self,
        settings: ChaosSettings,
        server: RedisServer,
        folder: Path,
        progress: Callable[[str, float], None],
        stack: contextlib.ExitStack,
    ) -> None:
        self._settings, self._folder, self._progress = settings, folder, progress
        self._ledger = stack.enter_context(Ledger(folder / "nemesis.ledger"))
        self._stage = Stage(server, settings.persistence, self._ledger)
        names = [f"worker-{n}" for n in range(1, settings.workers + 1)]
        self._proxies = {
            name: stack.enter_context(Proxy(server.socket)) for name in (*names, _PRODUCER)
        }
        self._consumers = {
            name: stack.enter_context(self._process(name, "contestant")) for name in names
        }
        self._producer = self._process(_PRODUCER, "producer")
        stack.callback(self._producer.close)
        self.faults = schedule(
            settings.seed,
            settings.nemesis,
            seconds=settings.seconds,
            consumers=names,
            producers=[_PRODUCER],
        )
        self._nemesis = Nemesis(
            self.faults,
            processes=self._consumers,
            proxies=self._proxies,
            server=self._stage,
            tell=lambda text: self._ledger.record(Kind.FAULT, "", "nemesis", detail=text),
        )

    def _process(self, name: str, module: str) -> ConsumerProcess:
        settings = self._settings
        numbered = ((task_name(n), settings.kind_of(n)) for n in range(settings.tasks))
        job = Job(
            name=name,
            folder=str(self._folder),
            stream=self._stage.stream,
            group=self._stage.group,
            contestant=settings.contestant,
            tasks=settings.tasks,
            seconds=settings.seconds,
            kinds={task: kind for task, kind in numbered if kind != "good"},
            min_idle_ms=settings.min_idle_ms,
            work_ms=settings.work_ms,
            idempotent=settings.idempotent,
        )
        return ConsumerProcess(
            [sys.executable, "-m", f"streamlab.chaos.{module}"],
            env=job.environment(str(self._proxies[name].url)),
            name=name,
            stderr=self._folder / f"{name}.stderr",
        )

    def play(self) -> None:
        """The whole run; afterwards the ledgers tell of it."""
        self._wait_ready()
        self._producer.start()
        started = time.monotonic()
        deadline = started + self._settings.seconds + _LATE_S

        def going() -> bool:
            share = (time.monotonic() - started) / self._settings.seconds
            self._progress("tasks and faults", min(0.9, 0.9 * share))
            if time.monotonic() >= deadline:
                msg = f"the producer was not done {_LATE_S:g} s late: {self._producer.last_words}"
                raise ChaosError(msg)
            return self._producer.alive

        self._nemesis.run(going)
        if code := self._producer.wait(1.0):
            msg = f"the producer ended with code {code}: {self._producer.last_words}"
            raise ChaosError(msg)
        self._wait_settled()
        self._stop()
        self._stage.note_rest()

    def _wait_ready(self) -> None:
        """Until each consumer has opened its ledger: it has imported what it needs."""
        self._progress("starting", 0.0)
        deadline = time.monotonic() + _READY_WITHIN_S
        for name, process in self._consumers.items():
            while not any(self._folder.glob(f"{name}-*.ledger")):
                if not process.alive or time.monotonic() >= deadline:
                    msg = f"{name} did not start ({process.last_words}): does the contestant work?"
                    raise ChaosError(msg)
                time.sleep(_LOOK_EVERY_S)

    def _wait_settled(self) -> None:
        """The quiet time: until nothing is left, or it is over."""
        self._stage.mend()
        self._nemesis.quiet()
        self._ledger.record(Kind.FAULT, "", "nemesis", detail="quiet: nothing is broken any more")
        deadline = time.monotonic() + self._settings.quiet_s
        while not self._stage.settled() and time.monotonic() < deadline:
            self._progress("quiet time", 0.95)
            self._nemesis.watch()
            time.sleep(_LOOK_EVERY_S)

    def _stop(self) -> None:
        self._progress("verdict", 0.98)
        for process in self._consumers.values():
            if process.alive:
                process.terminate()
        deadline = time.monotonic() + _STOP_WITHIN_S
        while any(p.alive for p in self._consumers.values()) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
        for process in self._consumers.values():
            process.kill()
