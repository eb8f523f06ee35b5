"""``streamlab redis install | list | path`` and ``streamlab doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from streamlab.cli.printing import AsJson, Bar, print_json

redis_app = typer.Typer(
    help="The redis-servers that the lab can install.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Version = Annotated[str | None, typer.Argument(help="A version, such as 8.10.2.")]


@redis_app.command("install")
def redis_install(version: Version = None) -> None:
    """Install a redis-server for the lab into your cache folder (pip; no root).

    Example: streamlab redis install 6.2.14
    """
    from streamlab.server.install import DEFAULT_VERSION, install  # noqa: PLC0415

    with Bar() as bar:
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
        print_json(
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


def doctor(
    url: Annotated[
        str | None,
        typer.Argument(help="Of the Redis to examine; `env` takes STREAMLAB_REDIS_URL."),
    ] = None,
    stream: Annotated[
        str | None, typer.Argument(help="Its key; else every stream of the database.")
    ] = None,
    *,
    min_idle_ms: Annotated[
        int, typer.Option(help="With URL: what nobody touched for so long is abandoned.")
    ] = 300_000,
    as_json: AsJson = False,
) -> None:
    """Say what is here, what it allows, what is missing; or examine a Redis used as a task queue.

    Each finding has its fix. Without URL it starts a private server to see that one does start.
    Exit code 1 when something that every lesson needs is missing.

    With URL it reads, and changes nothing; a user with `~* +@read +@connection +info +config|get`
    sees all. A password on a command line shows in `ps`: put the URL into STREAMLAB_REDIS_URL and
    say `env`. Exit code 1: a problem, tasks are or may be lost; 0: none (--json counts the
    warnings); 2: it could not be examined.

    Example: streamlab doctor --json

    Example: streamlab doctor redis://localhost:6379/0 task_queue
    """
    from streamlab.doctor import examine  # noqa: PLC0415

    if url is not None:
        _examine(url, stream, min_idle_ms, as_json=as_json)
        return
    diagnosis = examine()
    if as_json:
        print_json(diagnosis.as_dict())
    else:
        typer.echo("\n".join(diagnosis.lines()))
    if not diagnosis.ok:
        raise typer.Exit(1)


def _examine(url: str, stream: str | None, min_idle_ms: int, *, as_json: bool) -> None:
    from streamlab.doctor import examine_deployment  # noqa: PLC0415
    from streamlab.errors import ServerError  # noqa: PLC0415
    from streamlab.server.reader import URL_VARIABLE, reader_url  # noqa: PLC0415

    address = reader_url() if url == "env" else url
    if address is None:
        msg = f"{URL_VARIABLE} is not set: set it, or give the URL in place of `env`"
        raise ServerError(msg)
    found = examine_deployment(address, stream, min_idle_ms=min_idle_ms)
    if as_json:
        print_json(found.as_dict())
    else:
        typer.echo("\n".join(found.lines()))
    if found.exit_code:
        raise typer.Exit(found.exit_code)
