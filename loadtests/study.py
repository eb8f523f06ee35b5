"""All experiments, one after another, each resumable, and an index page of their reports.

    python loadtests/study.py --size full

Under an hour at full on two cores; the soak lasts two minutes here instead of an hour. Ctrl-C
keeps what is finished, and the same command goes on with it. Each experiment has a folder of its
own in the results folder, as if its own script had been run.

Exit codes: 0 done; 1 a task was lost, or an experiment has no valid run; 2 an experiment could not
be measured, or the command line is wrong; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import redis as redis_py
import typer
from outcomes import Outcome, write_index

from streamlab.bench.experiment import Size, size_named
from streamlab.bench.study import Study
from streamlab.errors import BadArgumentError, BenchError, StreamlabError
from streamlab.measure.folder import Results
from streamlab.report.page import REPORT, write_report

if TYPE_CHECKING:
    from streamlab.bench.experiment import Experiment

#: The experiments, in the order in which they are run: can the harness be believed comes first.
SCENARIOS = (
    *("queueing", "consumers", "fixed_rate", "batches", "payload", "persistence", "groups"),
    *("pending_list", "trimming", "polling", "crash", "stall", "soak"),
)
#: What the soak is cut to when it is one of many; two repeats of it would say no more.
SHORT_SOAK = Size("study", 120.0, 1)


class Line:
    """One line of progress: rewritten in a terminal, written at its end elsewhere."""

    def __init__(self, name: str, number: int, of: int) -> None:
        self._head = f"{number:>2}/{of} {name:<13}"
        self._live = sys.stdout.isatty()

    def __call__(self, text: str, share: float) -> None:
        """Show what comes and which share is over."""
        if self._live:
            print(f"\r{self._head} {share:>4.0%}  {text:<56.56}", end="", flush=True)

    def end(self, text: str) -> None:
        """What came of it."""
        print(f"{chr(13) if self._live else ''}{self._head} {text:<62}".rstrip(), flush=True)


def experiment_named(name: str) -> Experiment:
    """The `EXPERIMENT` of a file in ``scenarios/``."""
    path = Path(__file__).resolve().parent / "scenarios" / f"{name}.py"
    found: Experiment = runpy.run_path(str(path), run_name=f"scenario_{name}")["EXPERIMENT"]
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks of each experiment."""

    out: Path
    size: Size
    redis: str | None
    seed: int
    fresh: bool

    def run(self, name: str, line: Line) -> Outcome:
        """One experiment; what goes wrong with it does not keep the others from being measured."""
        began_s = time.monotonic()
        try:
            results, error = self.measured(name, line), ""
        except (StreamlabError, redis_py.RedisError, OSError) as exc:
            results, error = None, str(exc)
        return Outcome(name, results, error, time.monotonic() - began_s)

    def measured(self, name: str, line: Line) -> Results:
        """Measure what is not in the folder yet, and draw its report when anything is new."""
        size = SHORT_SOAK if name == "soak" and self.size.name == "full" else self.size
        experiment, out = experiment_named(name), self.out / name
        redis, seed, fresh = self.redis, self.seed, self.fresh
        with Study(
            experiment, size, out, redis=redis, seed=seed, fresh=fresh, progress=line
        ) as study:
            before = len(study.runs)
            study.add_facts({"command": f"python loadtests/study.py --size {self.size.name}"})
            experiment.measure(study)
            if len(study.runs) > before or not (out / REPORT).exists():
                line("report", 1.0)
                write_report(study.results)
            return study.results

    def earlier(self, outcomes: list[Outcome]) -> list[Outcome]:
        """These, and those that were finished in an earlier sitting, in the order of the study."""
        known = {one.name: one for one in outcomes}
        for name in SCENARIOS:
            if name not in known and (self.out / name / REPORT).exists():
                with contextlib.suppress(BenchError):  # of another version: its report stays
                    known[name] = Outcome(name, Results.read(self.out / name))
        return [known[name] for name in SCENARIOS if name in known]


def study(
    *,
    out: Annotated[
        Path | None, typer.Option(help="The results folder; else loadtests/results/study-SIZE.")
    ] = None,
    size: Annotated[
        str, typer.Option(help="tiny (does it run), short (a look), full (to be quoted).")
    ] = "short",
    only: Annotated[str, typer.Option(help="Some of them, with commas between.")] = "",
    redis: Annotated[str | None, typer.Option(help="Version of the private servers.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the runs.")] = 1,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove results that are there; else go on.")
    ] = False,
) -> None:
    """Run all experiments, and write an index of their reports.

    Example: python loadtests/study.py --size short --only crash,stall
    """
    names, folder = _chosen(only), out or Path("loadtests/results") / f"study-{size}"
    plan = Plan(folder, size_named(size), redis, seed, fresh)
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    try:
        for number, name in enumerate(names, 1):
            line = Line(name, number, len(names))
            outcomes.append(plan.run(name, line))
            line.end(f"{outcomes[-1].seconds:>6.0f} s  {outcomes[-1].line()}")
            index = write_index(folder, plan.earlier(outcomes))
    except KeyboardInterrupt:
        typer.echo("\nstudy: interrupted; the same command goes on with it", err=True)
        raise typer.Exit(130) from None
    print(f"{sum(one.seconds for one in outcomes) / 60:.1f} min. {index.resolve()}")
    failed = any(one.results is None for one in outcomes)
    raise typer.Exit(2 if failed else int(any(one.doubtful for one in outcomes)))


def _chosen(only: str) -> list[str]:
    asked = only.split(",") if only else list(SCENARIOS)
    for name in asked:
        if name not in SCENARIOS:
            msg = f"no experiment is called {name!r}: choose from {', '.join(SCENARIOS)}"
            raise BadArgumentError(msg)
    return [name for name in SCENARIOS if name in asked]


if __name__ == "__main__":
    try:
        typer.run(study)
    except StreamlabError as exc:
        typer.echo(f"study: {exc}", err=True)
        sys.exit(2)
