"""``streamlab chaos``: kill workers, cut connections, restart the server, count what is lost."""

from __future__ import annotations

import random
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from streamlab.cli.printing import AsJson, Bar, print_json
from streamlab.errors import BadArgumentError

if TYPE_CHECKING:
    from streamlab.chaos import ChaosResult, ChaosSettings, FaultKind

_HARMLESS = "kill,pause,cut,drop-reply,restart"


def chaos(
    *,
    seed: Annotated[
        int | None, typer.Option(help="Draws the faults; else a new one, which is printed.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many runs, with seeds one after another.")] = 1,
    tasks: Annotated[int, typer.Option(help="Tasks in each run.")] = 2_000,
    workers: Annotated[int, typer.Option(help="Worker processes.")] = 4,
    nemesis: Annotated[
        str,
        typer.Option(
            help="Faults, with commas: kill, pause, cut, drop-reply, delay, half-open, restart, "
            "server-pause, full, flush, delete-key, destroy-group; or none."
        ),
    ] = _HARMLESS,
    versions: Annotated[
        str | None, typer.Option(help="Of Redis, with commas; else the lab's.")
    ] = None,
    persistence: Annotated[
        str, typer.Option(help="Of the server: none, everysec or always.")
    ] = "always",
    idempotent: Annotated[
        bool, typer.Option("--idempotent", help="Effects with a key in Redis: each once.")
    ] = False,
    exactly_once: Annotated[
        bool, typer.Option("--exactly-once", help="A second effect is an error, too.")
    ] = False,
    min_idle_ms: Annotated[int, typer.Option(help="When a task may be taken over.")] = 500,
    work_ms: Annotated[int, typer.Option(help="How long a handler takes.")] = 1,
    poison: Annotated[int, typer.Option(help="Of the tasks: how many always fail.")] = 0,
    flaky: Annotated[int, typer.Option(help="How many fail the first time.")] = 0,
    deadly: Annotated[int, typer.Option(help="How many kill their process.")] = 0,
    contestant: Annotated[
        str,
        typer.Option(
            metavar="MODULE:FUNCTION", help="A consumer of your own, called with an Arena."
        ),
    ] = "streamlab.chaos.ours:consume",
    out: Annotated[
        Path | None, typer.Option(help="A folder to keep the ledgers of the runs in.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a producer and workers against a private Redis, break them, and judge what became of it.

    A task is lost when XADD had answered and nothing became of it. What the server itself forgot
    (restart without persistence, flush) is counted apart.

    Exit code 0: valid; 1: not valid, with the line that replays it; 2: it could not be run.

    Example: streamlab chaos --seed 7 --tasks 2000 --nemesis kill,pause,cut --versions 8.10.2,6.2.14
    """
    from streamlab.chaos import ChaosSettings, run_chaos  # noqa: PLC0415
    from streamlab.server.conf import Persistence  # noqa: PLC0415

    if seeds < 1:
        msg = f"seeds must be >= 1, got {seeds}"
        raise BadArgumentError(msg)
    if persistence not in list(Persistence):
        msg = f"persistence must be one of {', '.join(Persistence)}, got {persistence!r}"
        raise BadArgumentError(msg)
    first = random.randrange(1_000_000) if seed is None else seed
    runs = [
        ChaosSettings(
            seed=one,
            tasks=tasks,
            workers=workers,
            nemesis=_kinds(nemesis),
            version=version,
            persistence=Persistence(persistence),
            contestant=contestant,
            idempotent=idempotent,
            exactly_once=exactly_once,
            min_idle_ms=min_idle_ms,
            work_ms=work_ms,
            poison=poison,
            flaky=flaky,
            deadly=deadly,
        )
        for version in (versions.split(",") if versions else [None])
        for one in range(first, first + seeds)
    ]
    results: list[ChaosResult] = []
    with Bar() as bar:
        for number, settings in enumerate(runs):
            title = _title(settings)

            def show(text: str, share: float, title: str = title, number: int = number) -> None:
                bar(f"{title}: {text}", (number + share) / len(runs))

            folder = out / title.replace(" ", "-") if out else None
            results.append(run_chaos(settings, show, folder=folder))
    valid = all(result.verdict.valid for result in results)
    if as_json:
        print_json({"valid": valid, "runs": [result.as_dict() for result in results]})
    else:
        typer.echo("\n".join(_lines(results)))
    if not valid:
        raise typer.Exit(1)


def _title(settings: ChaosSettings) -> str:
    return f"{settings.version or 'redis'} seed {settings.seed}"


def _kinds(text: str) -> tuple[FaultKind, ...]:
    from streamlab.chaos import FaultKind  # noqa: PLC0415

    if text in {"", "none"}:
        return ()
    names = text.split(",")
    for name in names:
        if name not in list(FaultKind):
            msg = f"nemesis must be kinds of faults ({', '.join(FaultKind)}) or none, got {name!r}"
            raise BadArgumentError(msg)
    return tuple(FaultKind(name) for name in names)


def _lines(results: list[ChaosResult]) -> list[str]:
    """One run: all of its verdict. Several: a line each, and all of those that are not valid."""
    if len(results) == 1:
        (one,) = results
        head = f"Redis {one.version}, {len(one.faults)} faults in {one.seconds:.1f} s"
        return [head, *one.verdict.lines()]
    lines = []
    for one in results:
        verdict = one.verdict
        lines.append(
            f"{one.version:<8} seed {one.settings.seed:<7} {len(one.faults):>3} faults  "
            f"lost {verdict.lost}  unexpected {verdict.unexpected}  stuck {verdict.stuck}  "
            f"duplicated {verdict.duplicated}  server-lost {verdict.server_lost}  "
            f"dead-lettered {verdict.dead_lettered}  {'valid' if verdict.valid else 'NOT VALID'}"
        )
    for one in results:
        lines += [] if one.verdict.valid else ["", *one.verdict.lines()]
    good = sum(one.verdict.valid for one in results)
    return [*lines, "", f"{good} of {len(results)} runs are valid"]
