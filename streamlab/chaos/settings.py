"""What a chaos run is told, checked against its bounds, and the line that runs it again."""

from __future__ import annotations

from dataclasses import dataclass

from streamlab.errors import BadArgumentError
from streamlab.faults.nemesis import FaultKind
from streamlab.queue.bounds import check_whole
from streamlab.server.conf import Persistence

#: The streamlab worker, as a contestant.
OURS = "streamlab.chaos.ours:consume"

#: Faults after which nothing that the server acknowledged may be missing.
HARMLESS = (
    FaultKind.KILL,
    FaultKind.PAUSE,
    FaultKind.CUT,
    FaultKind.DROP_REPLY,
    FaultKind.RESTART,
)

# How fast tasks come, so that the faults fall among them.
_TASKS_PER_S = 400.0
_SHORTEST_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosSettings:
    """One run.

    Parameters
    ----------
    seed
        Draws the faults.
    tasks
        How many the producer sends, 1 to 10,000,000.
    workers
        How many consumer processes, 1 to 64.
    nemesis
        The kinds of faults; none for a run in peace.
    version
        Of the Redis; None for the lab's.
    persistence
        Of the server: with ``"always"`` it may not lose what it acknowledged.
    contestant
        ``MODULE:FUNCTION`` of the consumer under test, called with an `Arena`.
    idempotent
        Whether effects are committed with a key in Redis: then none may be seen twice.
    exactly_once
        Whether a second effect is an error; as `idempotent`, for a run without faults.
    min_idle_ms
        When a task may be taken over from its owner, >= 50.
    work_ms
        How long a handler works on each task, >= 0.
    poison, flaky, deadly
        How many of the tasks always fail; fail the first time; kill their process.
    quiet_s
        For how long, at most, the end is waited for when nothing is broken any more, > 0.

    Raises
    ------
    BadArgumentError
        One is out of its bounds.
    """

    seed: int = 1
    tasks: int = 2_000
    workers: int = 4
    nemesis: tuple[FaultKind, ...] = HARMLESS
    version: str | None = None
    persistence: Persistence = Persistence.ALWAYS
    contestant: str = OURS
    idempotent: bool = False
    exactly_once: bool = False
    min_idle_ms: int = 500
    work_ms: int = 1
    poison: int = 0
    flaky: int = 0
    deadly: int = 0
    quiet_s: float = 20.0

    def __post_init__(self) -> None:
        check_whole("seed", self.seed, at_least=0)
        check_whole("tasks", self.tasks, at_least=1, at_most=10_000_000)
        check_whole("workers", self.workers, at_least=1, at_most=64)
        check_whole("min_idle_ms", self.min_idle_ms, at_least=50, at_most=3_600_000)
        check_whole("work_ms", self.work_ms, at_least=0, at_most=60_000)
        for what in ("poison", "flaky", "deadly"):
            check_whole(what, getattr(self, what), at_least=0)
        if self.poison + self.flaky + self.deadly > self.tasks:
            msg = f"poison, flaky and deadly tasks must be <= tasks together, got {self.tasks}"
            raise BadArgumentError(msg)
        if not self.quiet_s > 0:
            msg = f"quiet_s must be > 0, got {self.quiet_s!r}"
            raise BadArgumentError(msg)
        if ":" not in self.contestant:
            msg = f"contestant must be MODULE:FUNCTION, got {self.contestant!r}"
            raise BadArgumentError(msg)

    @property
    def seconds(self) -> float:
        """For how long tasks are sent and faults are done, in s."""
        return max(_SHORTEST_S, self.tasks / _TASKS_PER_S)

    def kind_of(self, number: int) -> str:
        """What task `number`, from 0 on, is: spread evenly, the same for every contestant."""
        kinds = ["poison"] * self.poison + ["flaky"] * self.flaky + ["deadly"] * self.deadly
        if not kinds:
            return "good"
        every = self.tasks // len(kinds)
        place, rest = divmod(number, every)
        return kinds[place] if rest == 0 and place < len(kinds) else "good"

    def replay(self) -> str:
        """The command that runs this again."""
        default = ChaosSettings()
        words = [f"streamlab chaos --seed {self.seed} --tasks {self.tasks}"]
        words.append(f"--workers {self.workers} --nemesis {','.join(self.nemesis) or 'none'}")
        if self.version:
            words.append(f"--versions {self.version}")
        given = ("persistence", "contestant", "min_idle_ms", "work_ms", "poison", "flaky", "deadly")
        words += [
            f"--{name.replace('_', '-')} {getattr(self, name)}"
            for name in given
            if getattr(self, name) != getattr(default, name)
        ]
        words += ["--idempotent"] * self.idempotent + ["--exactly-once"] * self.exactly_once
        return " ".join(words)
