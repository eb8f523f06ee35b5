"""Runs into a results folder, each measured once, judged, and on disk before the next begins."""

from __future__ import annotations

import contextlib
import random
import secrets
from typing import TYPE_CHECKING, Any, Self

from streamlab.bench.calibrate import backlog_for, few_of
from streamlab.bench.floor import measure_floor
from streamlab.bench.kept import agreed, keep_files, name_of, remove_results, save_manifest
from streamlab.bench.manifest import manifest
from streamlab.errors import BenchError
from streamlab.load.rig import Rig
from streamlab.measure.folder import DETAILS, HDR, RUNS, Results, RunsCsv
from streamlab.measure.judged import Asked, capacity_run, latency_run
from streamlab.measure.runs import Mode, Run, median_of_valid
from streamlab.server import RedisServer, lab_server
from streamlab.server.reader import reader_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeVar

    from streamlab.bench.experiment import Experiment, Size
    from streamlab.load.disturb import Disturbance
    from streamlab.load.settings import Load
    from streamlab.server import ReaderServer

    T = TypeVar("T")
    Progress = Callable[[str, float], None]


class Study:
    """The runs of one experiment.

    What is in the folder already is not measured again, so that a study which was interrupted goes
    on where it stopped. However it ends, Ctrl-C included, every process it started has ended with
    it, and ``runs.csv`` has each run that was finished.

    Parameters
    ----------
    experiment
        What is measured.
    size
        How much.
    out
        The folder; it is made if missing.
    settings
        What else a reader should know, and what must agree for the study to go on.
    redis
        Version of the private servers, or its beginning; None for the newest at hand.
    seed
        Of the order of the runs.
    fresh
        Remove results that are there, instead of going on.
    progress
        Told before each run what comes, and which share of all is over, in [0, 1].

    Raises
    ------
    BenchError
        The folder holds results of another experiment, machine or version.
    """

    def __init__(
        self,
        experiment: Experiment,
        size: Size,
        out: Path,
        *,
        settings: dict[str, Any] | None = None,
        redis: str | None = None,
        seed: int = 1,
        fresh: bool = False,
        progress: Progress = lambda _text, _share: None,
    ) -> None:
        self.experiment, self.size, self.out = experiment, size, out
        self._redis, self._progress = redis, progress
        self._random = random.Random(seed)
        self._steps, self._step = 1, 0
        self._exits = contextlib.ExitStack()
        self._rigs: dict[str, Rig] = {}
        self._backlogs: dict[tuple[str, Load, float], int] = {}
        self._settings = {"size": size.name, "seconds": size.seconds, "repeats": size.repeats}
        self._settings |= {"seed": seed, **(settings or {})}
        out.mkdir(parents=True, exist_ok=True)
        if fresh:
            remove_results(out)

    def __enter__(self) -> Self:
        with self._exits:
            self.facts = manifest(self.rig(), self.experiment, self._settings)
            self.facts = agreed(self.out, self.facts)
            save_manifest(self.out, self.facts)
            for folder in (HDR, DETAILS):
                (self.out / folder).mkdir(exist_ok=True)
            self._table = self._exits.enter_context(RunsCsv(self.out / RUNS))
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def runs(self) -> list[Run]:
        """All runs so far, those of an earlier sitting first."""
        return self._table.runs

    @property
    def results(self) -> Results:
        """The folder as a report sees it, now and later: as it was written."""
        return Results.read(self.out)

    # -- the order ------------------------------------------------------------------------------

    def expect(self, steps: int) -> None:
        """So many ticks are to come: what the progress bar counts."""
        self._steps = max(1, steps)

    def tick(self, text: str) -> None:
        """Tell what comes."""
        self._progress(text, min(1.0, self._step / self._steps))
        self._step += 1

    def repeats(self) -> Iterator[int]:
        """1, 2, … up to the size's number."""
        yield from range(1, self.size.repeats + 1)

    def shuffled(self, cases: Sequence[T]) -> Iterator[tuple[int, T]]:
        """(repeat, case): a random order in each repeat, so that drift hits all alike."""
        for repeat in self.repeats():
            for case in self._random.sample(list(cases), len(cases)):
                yield repeat, case

    # -- servers --------------------------------------------------------------------------------

    def rig(self, persistence: str = "none") -> Rig:
        """Where runs take place; one private server for each persistence, kept until the end.

        Raises
        ------
        BenchError
            A persistence was asked of the reader's own server.
        """
        if persistence not in self._rigs:
            stream = f"streamlab-bench-{secrets.token_hex(4)}"
            server: RedisServer | ReaderServer
            if persistence == "none":
                server = lab_server(self._redis, keys=[stream])
            elif reader_url() is None:
                server = RedisServer(self._redis, persistence=persistence)  # type: ignore[arg-type]
            else:
                msg = f"{persistence!r} needs a private server: unset STREAMLAB_REDIS_URL"
                raise BenchError(msg)
            self._exits.enter_context(server)
            client = self._exits.enter_context(server.client())
            self._rigs[persistence] = Rig(server, client, stream)
        return self._rigs[persistence]

    # -- runs -----------------------------------------------------------------------------------

    def capacity(
        self,
        case: str,
        load: Load,
        repeat: int = 1,
        *,
        seconds: float | None = None,
        persistence: str = "none",
    ) -> Run:
        """Drain a backlog that lasts for the size's seconds, or `seconds`, and judge it."""
        seconds = seconds or self.size.seconds
        asked = Asked(case=case, repeat=repeat, persistence=persistence, seconds=seconds)

        def measured(name: str) -> Run:
            rig = self.rig(persistence)
            backlog = self._backlog(rig, case, load, seconds)
            seen = rig.drain(load, backlog, within_s=30 + 5 * seconds)
            keep_files(self.out, seen, name)
            return capacity_run(seen, asked, name)

        return self._once(Mode.CAPACITY, asked, load, measured)

    def latency(
        self,
        case: str,
        load: Load,
        rate_per_s: float,
        repeat: int = 1,
        *,
        share: float | None = None,
        seconds: float | None = None,
        persistence: str = "none",
        disturbances: tuple[Disturbance, ...] = (),
        mode: Mode = Mode.LATENCY,
    ) -> Run:
        """Run an open loop at `rate_per_s` for the size's seconds, or `seconds`, and judge it."""
        seconds, rate_per_s = seconds or self.size.seconds, float(f"{rate_per_s:.6g}")
        asked = Asked(
            case=case,
            repeat=repeat,
            persistence=persistence,
            rate_per_s=rate_per_s,
            share=share,
            seconds=seconds,
        )

        def measured(name: str) -> Run:
            seen = self.rig(persistence).open_loop(
                load, rate_per_s, seconds, disturbances=disturbances
            )
            if mode is Mode.LATENCY:
                keep_files(self.out, seen, name)
            return latency_run(seen, asked, mode, name if mode is Mode.LATENCY else "")

        return self._once(mode, asked, load, measured)

    def note(self, run: Run) -> None:
        """Write down a run that was measured in another way than these."""
        self._table.write(run)

    def known(self, mode: Mode, case: str, repeat: int) -> Run | None:
        """The run of an earlier sitting, if there is one."""
        return next(
            (r for r in self.runs if (r.mode, r.case, r.repeat) == (mode, case, repeat)), None
        )

    def median(self, mode: Mode, column: str, **wanted: object) -> float | None:
        """The median of a column over the valid runs so far."""
        return median_of_valid(self.runs, mode, column, **wanted)

    def floor(self, rounds: int | None = None) -> None:
        """Measure the harness beside a bare loop, once in the life of the folder."""
        if "floor" not in self.facts:
            if self.size.brief:
                floor = measure_floor(self.rig(), self.tick, rounds=1, seconds=0.3, backlog=300)
            else:
                rounds = rounds or self.size.floor_rounds
                floor = measure_floor(self.rig(), self.tick, rounds=rounds)
            self.add_facts({"floor": floor.facts()})

    def add_facts(self, facts: dict[str, Any]) -> None:
        """Add to ``manifest.json``."""
        self.facts |= facts
        save_manifest(self.out, self.facts)

    # -- inside ---------------------------------------------------------------------------------

    def _backlog(self, rig: Rig, case: str, load: Load, seconds: float) -> int:
        """How many tasks last for `seconds`: found out once for each case."""
        if self.size.tiny:
            return few_of(load)  # it proves nothing: as good, without a run to find out
        if (case, load, seconds) not in self._backlogs:
            self._backlogs[case, load, seconds] = backlog_for(rig, load, seconds)
        return self._backlogs[case, load, seconds]

    def _once(self, mode: Mode, asked: Asked, load: Load, measured: Callable[[str], Run]) -> Run:
        self.tick(f"{mode}: {asked.case}, repeat {asked.repeat}")
        for run in self.runs:
            same = (run.mode, run.case, run.repeat, run.share) == (
                *(mode, asked.case, asked.repeat, asked.share),
            )
            if same and run.load == load and (asked.share or run.rate_per_s == asked.rate_per_s):
                return run
        run = measured(name_of(mode, asked))
        self._table.write(run)
        return run
