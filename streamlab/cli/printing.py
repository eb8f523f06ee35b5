"""What the commands print: JSON for programs, a bar for people."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any, Self

import typer

#: The option that every command with an answer for programs has.
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def print_json(value: object) -> None:
    """Print `value` as indented JSON."""
    typer.echo(json.dumps(value, indent=2))


#: With the value ``lines`` a `Bar` is a line for each step, for a program that draws its own.
PROGRESS_VARIABLE = "STREAMLAB_PROGRESS"


class Bar:
    """A progress bar on stderr, drawn only while there is something to tell."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def __call__(self, text: str, share: float) -> None:
        """Show `text` and a bar filled to `share`, in [0, 1]."""
        if os.environ.get(PROGRESS_VARIABLE) == "lines":
            typer.echo(f"{share:.3f} {text}", err=True)
            return
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
