"""Runs into a results folder, each measured once, judged, and on disk before the next begins."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from streamlab.bench.calibrate import Backlogs
from streamlab.bench.course import Course
from streamlab.bench.floor import floor_for
from streamlab.bench.kept import agreed, keep_files, name_of, remove_results, save_manifest
from streamlab.bench.manifest import manifest
from streamlab.bench.rigs import Rigs
from streamlab.measure.folder import DETAILS, HDR, RUNS, Results, RunsCsv
from streamlab.measure.judged import Asked, capacity_run, latency_run
from streamlab.measure.runs import Mode, Run, median_of_valid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamlab.bench.course import Progress
    from streamlab.bench.experiment import Experiment, Size
    from streamlab.load.disturb import Disturbance
    from streamlab.load.rig import Rig
    from streamlab.load.settings import Load


class Study(Course):
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
    fresh
        Remove results that are there, instead of going on.
    seed, progress
        As `Course` takes them.

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
        super().__init__(size.repeats, seed, progress)
        self.experiment, self.size, self.out, self._fresh = experiment, size, out, fresh
        self._exits = contextlib.ExitStack()
        self._rigs = Rigs(redis, self._exits)
        self._backlogs = Backlogs(guessed=size.tiny)
        how_much = {"size": size.name, "seconds": size.seconds, "repeats": size.repeats}
        self._settings = how_much | {"seed": seed, **(settings or {})}
        out.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        try:
            self.facts = manifest(self.rig(), self.experiment, self._settings)
            if self._fresh:  # now that there is a server to measure
                remove_results(self.out)
            self.facts = agreed(self.out, self.facts)
            save_manifest(self.out, self.facts)
            for folder in (HDR, DETAILS):
                (self.out / folder).mkdir(exist_ok=True)
            self._table = self._exits.enter_context(RunsCsv(self.out / RUNS))
        except BaseException:
            self._exits.close()
            raise
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

    def rig(self, persistence: str = "none") -> Rig:
        """Where runs take place; one private server for each persistence, kept until the end."""
        return self._rigs.with_persistence(persistence)

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
            backlog = self._backlogs.lasting(rig, load, seconds)
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
            self.add_facts({"floor": floor_for(self.size, self.rig(), self.tick, rounds).facts()})

    def add_facts(self, facts: dict[str, Any]) -> None:
        """Add to ``manifest.json``."""
        self.facts |= facts
        save_manifest(self.out, self.facts)

    def _once(self, mode: Mode, asked: Asked, load: Load, measured: Callable[[str], Run]) -> Run:
        self.tick(f"{mode}: {asked.case}, repeat {asked.repeat}")
        for run in self.runs:
            if asked.answered_by(run, mode, load):
                return run
        run = measured(name_of(mode, asked))
        self._table.write(run)
        return run
