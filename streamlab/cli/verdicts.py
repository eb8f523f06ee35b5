"""``streamlab bench compare | regress | plan``: from results to a verdict, by exit code too."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamlab.cli.printing import AsJson, Bar, print_json
from streamlab.errors import BenchError

if TYPE_CHECKING:
    from streamlab.measure.folder import Results
    from streamlab.model.law import Law

Folder = Annotated[Path, typer.Argument(help="A results folder.")]


def compare(
    before: Folder,
    after: Folder,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Compare what was measured on different machines.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two results folders: faster, slower, or cannot tell.

    Only valid runs count; medians with bootstrap intervals. Exit code 1: something is slower.

    Example: streamlab bench compare before after
    """
    from streamlab.measure.compare import compare as compared  # noqa: PLC0415 - numpy takes 0.1 s
    from streamlab.measure.folder import Results  # noqa: PLC0415

    comparison = compared(Results.read(before), Results.read(after), force=force)
    if as_json:
        print_json(comparison.to_dict())
    else:
        typer.echo("\n".join(comparison.lines()))
    if comparison.slower:
        raise typer.Exit(1)


def regress(
    baseline: Folder,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Keep what is measured now in this folder.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="How much worse a ratio may be, as a share.")
    ] = 0.25,
    rounds: Annotated[int, typer.Option(help="How often both are run, in turns; >= 3.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Measure the package beside a bare redis-py loop, and hold the ratios against a baseline's.

    Ratios of one run, not seconds: the baseline may come from another machine. Half a minute.
    Exit code 1: worse.

    Example: streamlab bench regress loadtests/baselines/consumers
    """
    from streamlab.bench.experiment import custom_size  # noqa: PLC0415
    from streamlab.bench.floor_only import FLOOR  # noqa: PLC0415
    from streamlab.bench.study import Study  # noqa: PLC0415
    from streamlab.measure.folder import Results  # noqa: PLC0415
    from streamlab.measure.regression import regressions  # noqa: PLC0415

    before = Results.read(baseline)
    with tempfile.TemporaryDirectory(prefix="streamlab-bench-") as folder:
        place = out or Path(folder)
        with (
            Bar() as bar,
            Study(FLOOR, custom_size(1.0, rounds), place, fresh=True, progress=bar) as s,
        ):
            FLOOR.measure(s)
            found = regressions(before, s.results, tolerance=tolerance)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        typer.echo("\n".join(one.words for one in found))
    if any(one.worse for one in found):
        raise typer.Exit(1)


def plan(
    *,
    rate: Annotated[float, typer.Option(help="Tasks per second, in the busiest minute.")],
    work_ms: Annotated[float, typer.Option(help="What the handler takes.")],
    p99_ms: Annotated[float, typer.Option(help="99 % of the tasks shall be done within this.")],
    overhead_ms: Annotated[
        float, typer.Option(help="What a consumer spends on a task beside the work.")
    ] = 0.3,
    work_shape: Annotated[str, typer.Option(help="fixed, or exponential about that.")] = "fixed",
    results: Annotated[
        Path | None, typer.Option(help="A results folder whose scaling law is to be used.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many consumers are needed, and why.

    Simulated: tasks arrive at random, and the first consumer that is free takes them in order.
    With --results, contention between consumers is as it was measured there, with the same work.

    Example: streamlab bench plan --rate 500 --work-ms 20 --p99-ms 100
    """
    from streamlab.load.settings import Load  # noqa: PLC0415 - numpy takes 0.1 s
    from streamlab.measure.folder import Results  # noqa: PLC0415
    from streamlab.model.plan import plan as planned  # noqa: PLC0415

    shape = Load(work_shape=work_shape).work_shape  # type: ignore[arg-type] # it checks
    law = _law(Results.read(results)) if results else None
    found = planned(rate, work_ms, p99_ms, overhead_ms=overhead_ms, law=law, work_shape=shape)
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(f"{found.reason}.\n{found.reserve}")


def _law(results: Results) -> Law:
    from streamlab.report.laws import law_of, no_law_text  # noqa: PLC0415

    law = law_of(results)
    if law is None:
        raise BenchError(no_law_text(results))
    return law
