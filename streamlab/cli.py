"""The shell's door: ``streamlab doctor | redis | worker | bench``. Thin: it parses and prints.

Exit codes: 0 done; 1 an answer of "no" (a problem found, an invalid run); 2 it could not be done,
or the command line is wrong. Errors are one line on stderr: the fact, the value, the next step.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from streamlab import __version__
from streamlab.errors import BadArgumentError, StreamlabError

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    help="A lab for Redis Streams as task queues.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks print local variables: passwords
    rich_markup_mode=None,
)
redis_app = typer.Typer(
    help="The redis-servers that the lab can install.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(redis_app, name="redis")

Version = Annotated[str | None, typer.Argument(help="A version, such as 8.10.2.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def main() -> None:
    """Run the command line; errors of the package become one line and exit code 2."""
    try:
        app(prog_name="streamlab")
    except StreamlabError as exc:
        typer.echo(f"streamlab: {exc}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("streamlab: interrupted", err=True)
        sys.exit(130)


def _version_asked(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        typer.echo(f"streamlab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version_asked, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    """A lab for Redis Streams as task queues."""


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


class _Bar:
    """A progress bar on stderr, drawn only while there is something to tell."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def __call__(self, text: str, share: float) -> None:
        if self._progress is None:
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            self._progress = Progress(
                TextColumn("{task.description:<46}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._progress.start()
            self._task = self._progress.add_task(text, total=1.0)
        self._progress.update(self._task, description=text, completed=share)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()


# -- redis -------------------------------------------------------------------------------------


@redis_app.command("install")
def redis_install(version: Version = None) -> None:
    """Install a redis-server for the lab into your cache folder (pip; no root).

    Example: streamlab redis install 6.2.14
    """
    from streamlab.server.install import DEFAULT_VERSION, install  # noqa: PLC0415

    with _Bar() as bar:
        named = version or DEFAULT_VERSION
        folder = install(version, progress=lambda text, share: bar(f"Redis {named}: {text}", share))
    typer.echo(f"Redis {named} is in {folder}")


@redis_app.command("list")
def redis_list(*, as_json: AsJson = False) -> None:
    """List the redis-servers at hand, the one that the lab starts first, and those to install.

    Example: streamlab redis list
    """
    from streamlab.server.find import found_redis  # noqa: PLC0415
    from streamlab.server.install import INSTALLABLE  # noqa: PLC0415

    found = found_redis()
    missing = [v for v in INSTALLABLE if v not in {b.version for b in found}]
    if as_json:
        _print_json(
            {
                "found": [
                    {"version": b.version, "source": b.source, "path": str(b.server)} for b in found
                ],
                "installable": missing,
            }
        )
        return
    for binary in found:
        typer.echo(f"{binary.version:<8} {binary.source:<22} {binary.server}")
    for version in missing:
        typer.echo(f"{version:<8} not installed          streamlab redis install {version}")


@redis_app.command("path")
def redis_path(version: Version = None) -> None:
    """Print the path of the redis-server that the lab would start.

    Example: streamlab redis path 7.0
    """
    from streamlab.server.find import find_redis  # noqa: PLC0415

    typer.echo(str(find_redis(version).server))


# -- doctor ------------------------------------------------------------------------------------


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Say what is here, what it allows, what is missing.

    Each finding has its fix. It starts a private server to see that one does start.
    Exit code 1 when something that every lesson needs is missing.

    Example: streamlab doctor --json
    """
    from streamlab.server.doctor import examine  # noqa: PLC0415

    diagnosis = examine()
    if as_json:
        _print_json(diagnosis.as_dict())
    else:
        typer.echo("\n".join(diagnosis.lines()))
    if not diagnosis.ok:
        raise typer.Exit(1)


# -- worker ------------------------------------------------------------------------------------


@app.command()
def worker(
    handler: Annotated[str, typer.Argument(metavar="MODULE:FUNCTION", help="Called with a Task.")],
    *,
    url: Annotated[
        str,
        typer.Option(
            envvar="STREAMLAB_REDIS_URL",
            show_default=False,
            show_envvar=False,
            help="Of the Redis; else STREAMLAB_REDIS_URL, which keeps a password out of `ps`.",
        ),
    ],
    stream: Annotated[str, typer.Option(help="The stream's key.")],
    group: Annotated[str, typer.Option(help="The group; made if it is missing.")] = "workers",
    name: Annotated[
        str | None, typer.Option(help="The consumer's name; else a unique one.")
    ] = None,
    batch: Annotated[int, typer.Option(help="The most entries to read at once.")] = 10,
    min_idle_ms: Annotated[
        int, typer.Option(help="Take over what nobody touched for so long.")
    ] = 30_000,
    grace_ms: Annotated[
        int, typer.Option(help="For how long a running task may go on after SIGTERM.")
    ] = 10_000,
    max_tasks: Annotated[int | None, typer.Option(help="Stop after so many tasks.")] = None,
    idle_ms: Annotated[int | None, typer.Option(help="Stop when none came for so long.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a function of yours on each task of a stream.

    SIGTERM or Ctrl-C stops it: it finishes the task at hand and leaves the rest to others.

    Example: streamlab worker tasks:handle --url redis://localhost:6379/0 --stream task_queue
    """
    import dataclasses  # noqa: PLC0415
    import logging  # noqa: PLC0415

    from streamlab.queue import TaskQueue, Worker  # noqa: PLC0415
    from streamlab.server.reader import ReaderServer  # noqa: PLC0415

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    function = _function(handler)
    queue = TaskQueue(ReaderServer(url).client(), stream, group=group)
    serving = Worker(
        queue, function, name=name, batch=batch, min_idle_ms=min_idle_ms, grace_ms=grace_ms
    )
    typer.echo(f"{serving.name} serves {stream!r} for {group!r}; Ctrl-C stops it", err=True)
    counts = dataclasses.asdict(serving.run(max_tasks=max_tasks, idle_ms=idle_ms))
    if as_json:
        _print_json(counts)
    else:
        typer.echo(", ".join(f"{what} {n}" for what, n in counts.items() if n or what == "done"))


def _function(named: str) -> Callable[..., object]:
    import importlib  # noqa: PLC0415

    module, _, function = named.partition(":")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` would find it
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as exc:
        msg = f"no function {named!r} ({exc}): give MODULE:FUNCTION, importable from {Path.cwd()}"
        raise StreamlabError(msg) from exc
    if not callable(found):
        msg = f"{named!r} is a {type(found).__name__}, and a handler must be callable with a Task"
        raise StreamlabError(msg)
    return found  # type: ignore[no-any-return]  # callable is all that can be known


# -- bench -------------------------------------------------------------------------------------


@app.command()
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
    with _Bar() as bar:
        result = run_bench(settings, bar)
    if as_json:
        _print_json(result.to_dict())
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
