"""``streamlab worker``: a worker as a process, for a function of the reader's own."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamlab.cli.printing import AsJson, print_json
from streamlab.errors import BadArgumentError, StreamlabError

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
    max_deliveries: Annotated[
        int, typer.Option(help="Give a task up that failed or was begun so often.")
    ] = 5,
    retry_ms: Annotated[
        int, typer.Option(help="The first pause before a failed task is tried again; it doubles.")
    ] = 1_000,
    idempotent: Annotated[
        bool,
        typer.Option("--idempotent", help="Commit what FUNCTION(task, pipeline) queues once."),
    ] = False,
    delete_done: Annotated[
        bool, typer.Option("--delete-done", help="Delete what every group has acknowledged.")
    ] = False,
    regroup_at: Annotated[
        str | None,
        typer.Option(help="Make the group again at this id when it vanishes; else stop."),
    ] = None,
    threads: Annotated[int, typer.Option(help="Tasks at once in a process, for I/O.")] = 1,
    processes: Annotated[
        int, typer.Option(help="Processes; one that crashes is started again, with back-off.")
    ] = 1,
    max_tasks: Annotated[
        int | None, typer.Option(help="Stop after so many tasks (each process).")
    ] = None,
    idle_ms: Annotated[int | None, typer.Option(help="Stop when none came for so long.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a function of yours on each task of a stream; a coroutine function will do too.

    SIGTERM or Ctrl-C stops it: it finishes the tasks at hand and hands the rest back.

    Example: streamlab worker tasks:handle --url redis://localhost:6379/0 --stream task_queue
    """
    import logging  # noqa: PLC0415

    import redis  # noqa: PLC0415

    from streamlab.queue import TaskQueue  # noqa: PLC0415
    from streamlab.server.reader import ReaderServer  # noqa: PLC0415
    from streamlab.worker import Worker  # noqa: PLC0415
    from streamlab.worker.supervisor import end_with_supervisor, report  # noqa: PLC0415

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    reports = end_with_supervisor()
    function = _function(handler)
    queue = TaskQueue(ReaderServer(url).client(), stream, group=group)
    serving = Worker(
        queue,
        function,
        name=name,
        batch=batch,
        min_idle_ms=min_idle_ms,
        max_deliveries=max_deliveries,
        retry_ms=retry_ms,
        idempotent=idempotent,
        delete_done=delete_done,
        regroup_at=regroup_at,
        threads=threads,
        grace_ms=grace_ms,
    )
    if processes != 1 and reports is None:
        _print(_supervised(url, name, processes, grace_ms), as_json=as_json)
        return
    typer.echo(f"{serving.name} serves {stream!r} for {group!r}; Ctrl-C stops it", err=True)
    try:
        counts = dataclasses.asdict(serving.run(max_tasks=max_tasks, idle_ms=idle_ms))
    except redis.RedisError as exc:  # a wrong password, or a user without the rights
        msg = f"Redis refused the worker: {exc}"
        raise StreamlabError(msg) from exc
    if reports is None:
        _print(counts, as_json=as_json)
    else:
        report(reports, json.dumps(counts))


def _print(counts: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        print_json(counts)
    else:
        typer.echo(", ".join(f"{what} {n}" for what, n in counts.items() if n or what == "done"))


def _supervised(url: str, name: str | None, processes: int, grace_ms: int) -> dict[str, int]:
    """Run this very command line in several processes; the sum of their reports."""
    from streamlab.worker.supervisor import Supervisor  # noqa: PLC0415

    if name is not None:
        msg = f"name must be left out with --processes {processes}: each process has its own"
        raise BadArgumentError(msg)
    os.environ["STREAMLAB_REDIS_URL"] = url  # a child inherits it; `ps` shows no password of ours
    command = [sys.executable, "-m", "streamlab", *_without_url(sys.argv[1:])]
    supervisor = Supervisor(command, processes, grace_ms)
    total: Counter[str] = Counter()
    for line in supervisor.run():
        total.update(json.loads(line))
    return {**total, "restarts": supervisor.restarts}


def _without_url(arguments: list[str]) -> list[str]:
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument != "--url" and not argument.startswith("--url="):
            kept.append(argument)
        skip = not skip and argument == "--url"
    return kept


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
