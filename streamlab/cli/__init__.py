"""The shell's door: ``streamlab doctor | redis | worker | bench | chaos``; it parses and prints.

Exit codes: 0 done; 1 an answer of "no" (a problem found, a task lost); 2 it could not be done, or
the command line is wrong; 130 interrupted. Errors are one line on stderr.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from streamlab import __version__
from streamlab.cli.bench import bench_app
from streamlab.cli.chaos import chaos
from streamlab.cli.servers import doctor, redis_app
from streamlab.cli.worker import worker
from streamlab.errors import StreamlabError

app = typer.Typer(
    help="A lab for Redis Streams as task queues.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks print local variables: passwords
    rich_markup_mode=None,
)
app.command()(doctor)
app.add_typer(redis_app, name="redis")
app.command()(worker)
app.add_typer(bench_app, name="bench")
app.command()(chaos)


def main() -> None:
    """Run the command line; an error of the package becomes one line and exit code 2."""
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
