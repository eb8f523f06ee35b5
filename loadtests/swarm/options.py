"""The options of a load test: the command line and the web form are read and checked in one way."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamlab.errors import BadArgumentError
from streamlab.load.schedule import due_offsets_ns
from streamlab.load.settings import Load, WorkShape, check_number
from swarm.clock import ClockKind
from swarm.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Option:
    """One option: a flag of the command line, and a field of the web form.

    Attributes
    ----------
    name
        Of the field. Letters alone: Locust's form takes ``p99_ms`` apart, and posts ``p9_9ms``.
    default
        What it is when it is not given.
    help
        In the web form it stands beside the name.
    read
        From text to the value; raises `BadArgumentError`. Not used for a flag that is on or off.
    choices
        The values of a list, None for free text.
    example
        What an error names as the next step; empty for the default.
    in_form
        Whether the web form has it.
    flags
        On the command line; empty for the name with hyphens.
    """

    name: str
    default: Any
    help: str
    read: Read = str
    choices: tuple[str, ...] | None = None
    example: str = ""
    in_form: bool = True
    flags: tuple[str, ...] = ()

    def value(self, text: str) -> Any:
        """What `text` says, checked.

        Raises
        ------
        BadArgumentError
            With the value, the rule and an example.
        """
        try:
            return self.read(text)
        except BadArgumentError as exc:
            msg = f"{exc}: give for example {self.example or self.default}"
            raise BadArgumentError(msg) from None

    def again(self, given: Any) -> Any:
        """The value of what Locust keeps for it: the value, or the text of the web form."""
        if given is None or isinstance(given, bool) or not self.in_form:
            return given
        return self.value(str(given))

    def argument(self, text: str) -> Any:
        """`value`, as argparse wants its errors."""
        try:
            return self.value(text)
        except BadArgumentError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from None

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Make it an argument of Locust's."""
        more: dict[str, Any] = {"help": self.help, "include_in_web_ui": self.in_form}
        if isinstance(self.default, bool):
            more["action"] = "store_true"
        else:
            more |= {"type": self.argument, "default": self.default, "choices": self.choices}
        flags = self.flags or (f"--{self.name.replace('_', '-')}",)
        parser.add_argument(*flags, dest=self.name, **more)


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        msg = f"{name} must be {noun}, got {text!r}"
        raise BadArgumentError(msg) from None


def _of_load(name: str, default: Any, text: str, example: str = "") -> Option:
    """A field of `Load`, which knows its bounds; one that is None may be empty."""
    kind = float if isinstance(default, float) else int

    def read(text: str) -> Any:
        value = _number(name, text, kind)
        Load(**{name: value})
        return value

    return Option(name, default, text, _or_nothing(read, default), example=example)


def _between(
    name: str, default: Any, text: str, bounds: tuple[float, float], example: str = ""
) -> Option:
    """A number within its bounds; one that is None may be empty."""
    kind = int if isinstance(bounds[0], int) else float

    def read(text: str) -> Any:
        value = _number(name, text, kind)
        check_number(name, value, kind, *bounds)
        return value

    return Option(name, default, text, _or_nothing(read, default), example=example)


def _or_nothing(read: Read, default: Any) -> Read:
    if default is not None:
        return read
    return lambda text: read(text) if text.strip() else None


def _one_of(name: str, kind: Any, text: str) -> Option:
    known = tuple(str(one) for one in kind)

    def read(text: str) -> str:
        if text not in known:
            msg = f"{name} must be one of {', '.join(known)}, got {text!r}"
            raise BadArgumentError(msg)
        return text

    return Option(name, known[0], text, read, known)


def _schedule(text: str) -> str:
    with contextlib.suppress(BadArgumentError):
        if not text.startswith("trace:"):  # a file, which only one host of several might have
            due_offsets_ns(text, 1.0, 1.0)
            return text
    msg = f"schedule must be fixed, exponential or bursts:SIZE, got {text!r}"
    raise BadArgumentError(msg)


def _new_file(text: str) -> str:
    if not Path(text).resolve().parent.is_dir() or Path(text).is_dir():
        msg = f"hdr must be a file in a folder that exists, got {text!r}"
        raise BadArgumentError(msg)
    return text


_HOUR_MS, _WEEK_S = 3_600_000.0, 604_800.0
_SLO = "exit code 3 above it"
OPTIONS = (
    _between("task_rate", 200.0, "tasks per second; a shape's highest", (0.1, 100_000.0)),
    Option("schedule", "fixed", "fixed, exponential, bursts:SIZE", _schedule, None, "bursts:20"),
    _of_load("seed", 1, "of schedule and work"),
    _one_of("shape", Shape, "the rate over time"),
    _between("shape_seconds", None, "empty: 60, a soak's 3600", (0.1, _WEEK_S), "60"),
    _of_load("payload_bytes", 100, "of a task's data"),
    _of_load("maxlen", None, "MAXLEN ~ of each XADD; empty: no trimming", "100000"),
    replace(_of_load("count", 10, "COUNT of a read"), flags=("--count", "--stream-batch")),
    _of_load("block_ms", 100, "BLOCK of a read"),
    _of_load("ack_batch", 1, "tasks for one XACK"),
    Option(name="noack", default=False, help="read with NOACK, and acknowledge nothing"),
    _of_load("groups", 1, "each does every task once"),
    _of_load("work_ms", 1.0, "a task's work, a sleep, in the mean"),
    _one_of("work_shape", WorkShape, "how the work's time is spread"),
    _one_of("clock", ClockKind, "server: for processes on several hosts"),
    replace(
        _between("slo_median_ms", None, f"p50 from due; {_SLO}", (0.0, _HOUR_MS), "5"),
        flags=("--slo-p50-ms",),
    ),
    replace(
        _between("slo_tail_ms", None, f"p99 from due; {_SLO}", (0.0, _HOUR_MS), "50"),
        flags=("--slo-p99-ms",),
    ),
    _between("slo_lost", None, _SLO, (0, 10**9), "0"),
    Option("hdr", None, "file for the latencies", _new_file, None, "latest.hdr", in_form=False),
)
