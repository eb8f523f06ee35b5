"""``streamlab bench``: measure, draw again, compare, plan; the answers in a few lines."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamlab.cli.printing import AsJson, Bar, print_json
from streamlab.cli.verdicts import Folder, compare, plan, regress
from streamlab.errors import BadArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab.measure.folder import Results

bench_app = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@bench_app.callback()
def bench(
    context: typer.Context,
    *,
    out: Annotated[
        Path | None, typer.Option(help="The folder for the results; made if missing.")
    ] = None,
    consumers: Annotated[str, typer.Option(help="Numbers of consumer processes.")] = "1,2,4",
    seconds: Annotated[float, typer.Option(help="How long each run is measured.")] = 2.0,
    rate: Annotated[
        str, typer.Option(help="Tasks per second of the latency runs, or: auto, none.")
    ] = "auto",
    loads: Annotated[
        str, typer.Option(help="Latency at these shares of each capacity too: 0.5,0.8,0.95.")
    ] = "",
    search: Annotated[
        bool, typer.Option("--search", help="Search the rate that is held with a producer beside.")
    ] = False,
    repeats: Annotated[int, typer.Option(help="Runs of each kind.")] = 3,
    work_ms: Annotated[float, typer.Option(help="How long each task sleeps.")] = 1.0,
    work_shape: Annotated[str, typer.Option(help="fixed, or exponential about that.")] = "fixed",
    payload_bytes: Annotated[int, typer.Option(help="Length of a task's data.")] = 100,
    batch: Annotated[int, typer.Option(help="The most entries a consumer reads at once.")] = 10,
    schedule: Annotated[
        str, typer.Option(help="When tasks are due: fixed, exponential, bursts:N, trace:FILE.")
    ] = "fixed",
    seed: Annotated[int, typer.Option(help="Of the order of the runs and the schedule.")] = 1,
    redis: Annotated[str | None, typer.Option(help="Version of the private server.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the runs that are in the folder already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure throughput and latency against consumers.

    Capacity drains a backlog; latency is counted from when each task was due, at a fixed rate.
    The server is private unless STREAMLAB_REDIS_URL names yours. Exit code 1: a task was lost, or
    no run was valid.

    Example: streamlab bench --consumers 1,2,4 --seconds 2 --repeats 3 --out results
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        msg = "give the folder for the results: --out results"
        raise BadArgumentError(msg)
    from streamlab.bench.consumers import Consumers  # noqa: PLC0415 - numpy takes 0.1 s
    from streamlab.bench.experiment import custom_size  # noqa: PLC0415
    from streamlab.bench.study import Study  # noqa: PLC0415
    from streamlab.load.settings import Load  # noqa: PLC0415
    from streamlab.report.page import write_report  # noqa: PLC0415

    counts, shares = _numbers("consumers", consumers, int), _numbers("loads", loads, float)
    load = Load(
        work_ms=work_ms,
        work_shape=work_shape,  # type: ignore[arg-type] # it checks, and makes one
        payload_bytes=payload_bytes,
        count=batch,
        schedule=schedule,
        seed=seed,
    )
    asked = Consumers(
        counts=counts, load=load, rate_per_s=_rate(rate), shares=shares, search=search
    )
    size = custom_size(seconds, repeats)
    given: dict[str, Any] = {
        "settings": asked.settings(),
        "redis": redis,
        "seed": seed,
        "fresh": not resume,
    }
    with (
        kept_when_interrupted(out),
        Bar() as bar,
        Study(asked.experiment(), size, out, progress=bar, **given) as study,
    ):
        study.add_facts({"command": _command(context, out)})
        asked.measure(study)
        bar("report", 1.0)
        results = study.results
        write_report(results)
    say(results, as_json=as_json)


@contextlib.contextmanager
def kept_when_interrupted(out: Path, how: str = "with --resume") -> Iterator[None]:
    """Tell on Ctrl-C what is kept, and end with 130."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted: runs are kept in {out}; the same command {how} goes on", err=True)
        raise typer.Exit(130) from None


def say(results: Results, *, as_json: bool) -> None:
    """Print what was found; exit with 1 if a task was lost, or no run can be trusted."""
    from streamlab.measure.runs import Mode  # noqa: PLC0415
    from streamlab.report.words import answer  # noqa: PLC0415

    report = results.path / "report.html"
    if as_json:
        rows = [run.row() for run in results.runs]
        told = {"answer": answer(results), "runs": rows, "manifest": results.manifest}
        print_json(told | {"report": str(report)})
    else:
        typer.echo("\n".join(answer(results)))
        typer.echo(f"Report: {report.resolve()}")
    runs = [run for run in results.runs if run.mode is not Mode.SEARCH]  # which tries what fails
    if any(run.lost for run in runs) or not any(run.valid for run in runs):
        raise typer.Exit(1)


@bench_app.command()
def report(folder: Folder) -> None:
    """Draw the report of a results folder again, without measuring.

    Example: streamlab bench report results
    """
    from streamlab.measure.folder import Results  # noqa: PLC0415
    from streamlab.report.page import write_report  # noqa: PLC0415

    typer.echo(f"Report: {write_report(Results.read(folder)).resolve()}")


bench_app.command()(compare)
bench_app.command()(regress)
bench_app.command()(plan)


def _numbers(what: str, text: str, kind: type[int | float]) -> tuple[int, ...]:
    try:
        return tuple(kind(part) for part in text.split(",")) if text else ()  # type: ignore[misc]
    except ValueError as exc:
        noun = "whole numbers" if kind is int else "numbers"
        msg = f"{what} must be {noun} with commas between them, got {text!r}"
        raise BadArgumentError(msg) from exc


def _rate(text: str) -> float | None:
    """None for an automatic rate, 0 for none."""
    if text in ("auto", "none"):
        return None if text == "auto" else 0.0
    try:
        return float(text)
    except ValueError as exc:
        msg = f"rate must be 'auto', 'none' or tasks per second, got {text!r}"
        raise BadArgumentError(msg) from exc


def _command(context: typer.Context, out: Path) -> str:
    """The command line that asks for the same, without a path of this machine."""
    words = ["streamlab", "bench"]
    for name, value in context.params.items():
        if name in ("out", "as_json", "resume") or value is None or value == "":
            continue
        flag = f"--{name.replace('_', '-')}"
        words += [flag] * value if isinstance(value, bool) else [flag, f"{value}"]
    return shlex.join([*words, "--out", out.name if out.is_absolute() else str(out)])
