"""The command line that each file in ``loadtests/scenarios/`` has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamlab.bench.experiment import Experiment, size_named
from streamlab.bench.study import Study
from streamlab.cli.bench import kept_when_interrupted, say
from streamlab.cli.printing import AsJson, Bar
from streamlab.errors import StreamlabError

if TYPE_CHECKING:
    from streamlab.measure.folder import Results


def conduct(
    experiment: Experiment,
    out: Path,
    *,
    size: str = "short",
    redis: str | None = None,
    seed: int = 1,
    fresh: bool = False,
) -> Results:
    """Measure what is not in `out` yet, write its report, and return the results.

    Raises
    ------
    BenchError, BadArgumentError
        As `Study`.
    """
    from streamlab.report.page import write_report  # noqa: PLC0415 - matplotlib takes 0.5 s

    with (
        Bar() as bar,
        Study(
            experiment, size_named(size), out, redis=redis, seed=seed, fresh=fresh, progress=bar
        ) as study,
    ):
        study.add_facts(
            {"command": f"python loadtests/scenarios/{experiment.name}.py --size {size}"}
        )
        experiment.measure(study)
        bar("report", 1.0)
        write_report(study.results)
        return study.results


def main(experiment: Experiment) -> None:
    """Run `experiment` as the command line says; an error is one line and exit code 2."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @app.command(help=f"{experiment.question}\n\n{' '.join(experiment.caveats)}")
    def scenario(
        *,
        out: Annotated[
            Path | None,
            typer.Option(help="The results folder; else loadtests/results/ and the name."),
        ] = None,
        size: Annotated[
            str, typer.Option(help="tiny (does it run), short (a look), full (to be quoted).")
        ] = "short",
        redis: Annotated[str | None, typer.Option(help="Version of the private server.")] = None,
        seed: Annotated[int, typer.Option(help="Of the order of the runs.")] = 1,
        fresh: Annotated[
            bool, typer.Option("--fresh", help="Remove results that are there; else go on.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        folder = out or Path("loadtests/results") / experiment.name
        with kept_when_interrupted(folder, "again"):
            results = conduct(experiment, folder, size=size, redis=redis, seed=seed, fresh=fresh)
        say(results, as_json=as_json)

    try:
        app()
    except StreamlabError as exc:
        typer.echo(f"{experiment.name}: {exc}", err=True)
        sys.exit(2)
