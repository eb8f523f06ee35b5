"""``streamlab worker``: a worker as a process, for a function of the reader's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamlab.cli.printing import AsJson, print_json
from streamlab.errors import StreamlabError

if TYPE_CHECKING:
    from collections.abc import Callable


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
        print_json(counts)
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
