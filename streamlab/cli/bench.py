"""``streamlab bench``: a benchmark from its settings, its answer in a few lines."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import Annotated

import typer

from streamlab.cli.printing import AsJson, Bar, print_json
from streamlab.errors import BadArgumentError


def bench(
    *,
    out: Annotated[Path, typer.Option(help="The folder for the results; made if missing.")],
    consumers: Annotated[str, typer.Option(help="Numbers of consumer processes.")] = "1,2,4",
    seconds: Annotated[float, typer.Option(help="How long each run is measured.")] = 2.0,
    rate: Annotated[
        str, typer.Option(help="Tasks per second of the latency runs, or: auto.")
    ] = "auto",
    repeats: Annotated[int, typer.Option(help="Runs per mode and number of consumers.")] = 3,
    work_ms: Annotated[float, typer.Option(help="How long each task sleeps.")] = 1.0,
    payload_bytes: Annotated[int, typer.Option(help="Length of a task's data.")] = 100,
    batch: Annotated[int, typer.Option(help="The most entries a consumer reads at once.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the order of the runs.")] = 1,
    redis: Annotated[str | None, typer.Option(help="Version of the private server.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure throughput and latency against consumers.

    Capacity drains a backlog; latency is counted from when each task was due, at a fixed rate.
    The server is private unless STREAMLAB_REDIS_URL names yours. Exit code 1: a task was lost, or
    no run was valid.

    Example: streamlab bench --consumers 1,2,4 --seconds 2 --repeats 3 --out results
    """
    from streamlab.bench import BenchSettings, run_bench  # noqa: PLC0415
    from streamlab.bench.answer import answer  # noqa: PLC0415

    settings = BenchSettings(
        out=out,
        consumers=_counts(consumers),
        seconds=seconds,
        rate_per_s=_rate(rate),
        repeats=repeats,
        work_ms=work_ms,
        payload_bytes=payload_bytes,
        batch=batch,
        seed=seed,
        redis=redis,
    )
    with Bar() as bar:
        result = run_bench(settings, bar)
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo("\n".join(answer(result)))
        typer.echo(f"Report: {result.report.resolve()}")
    if any(run.lost for run in result.runs) or not any(run.valid for run in result.runs):
        raise typer.Exit(1)


def _counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as exc:
        msg = f"consumers must be whole numbers with commas between them, got {text!r}"
        raise BadArgumentError(msg) from exc


def _rate(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError as exc:
        msg = f"rate must be 'auto' or tasks per second, got {text!r}"
        raise BadArgumentError(msg) from exc
