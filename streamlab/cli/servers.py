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


def doctor(*, as_json: AsJson = False) -> None:
    """Say what is here, what it allows, what is missing.

    Each finding has its fix. It starts a private server to see that one does start.
    Exit code 1 when something that every lesson needs is missing.

    Example: streamlab doctor --json
    """
    from streamlab.doctor import examine  # noqa: PLC0415

    diagnosis = examine()
    if as_json:
        print_json(diagnosis.as_dict())
    else:
        typer.echo("\n".join(diagnosis.lines()))
    if not diagnosis.ok:
        raise typer.Exit(1)
