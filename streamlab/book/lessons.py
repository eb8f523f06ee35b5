"""What the notebooks hold: headings, the commands that their cells ran, the failures they show."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from streamlab.errors import StreamlabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from streamlab.book.grammar import Command

_PROMPT = re.compile(r"^redis(?:\[\d+\])?(?:\(TX\))?> (.*)$")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FAILURE = re.compile(r"\((F\d\d)\)")
_REFUSED = re.compile(r"^(?:\d+\) )*\(error\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One notebook, as it is stored.

    Attributes
    ----------
    path
        Relative to the folder of the notebooks, with ``/``.
    title
        Its first heading, which is Markdown.
    headings
        All further headings, in order.
    cells
        The source and all stored text of each code cell that has been run.
    """

    path: str
    title: str
    headings: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]

    @property
    def output(self) -> str:
        """All stored text."""
        return "\n".join(text for _, text in self.cells)

    def failures(self) -> dict[str, str]:
        """The failures under a heading of their own: the id, and the heading without it."""
        return {
            failure: _FAILURE.sub("", heading).strip()
            for heading in self.headings
            for failure in _FAILURE.findall(heading)
        }

    def lines(self) -> Iterator[str]:
        """Each line that a cell gave to redis-cli and that the server did not refuse."""
        for source, output in self.cells:
            head, *rest = [*source.removeprefix("%%needs").splitlines(), ""]
            if source.startswith("%%needs"):
                head, *rest = [*rest, ""]
            if head.startswith("%%redis"):
                yield from _answered(output)
            elif not _REFUSED.search(output):
                magics = (line.strip() for line in (head, *rest))
                yield from (m.removeprefix("%redis ") for m in magics if m.startswith("%redis "))


def _answered(output: str) -> Iterator[str]:
    """The lines of a ``%%redis`` cell, as its output repeats them, without those refused."""
    line, reply = None, ""
    for text in (*output.splitlines(), "redis> "):
        if match := _PROMPT.match(text):
            if line and not _REFUSED.search(reply):
                yield line
            line, reply = match[1], ""
        else:
            reply += f"{text}\n"


def read_lesson(path: Path, folder: Path) -> Lesson:
    """The lesson at `path`, named relative to `folder`.

    Raises
    ------
    StreamlabError
        If it is no notebook, or begins without a title.
    """
    name = path.relative_to(folder).as_posix()
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    except (ValueError, KeyError, TypeError) as exc:
        raise StreamlabError(f"{name} is no notebook: restore it from git") from exc
    headings = _HEADING.findall(_FENCED.sub("", prose))
    if not headings:
        raise StreamlabError(f"{name} has no title: its first cell must begin with '# '")
    ran = tuple(
        ("".join(c["source"]), "\n".join(_texts(c["outputs"])))
        for c in cells
        if c["cell_type"] == "code" and c["execution_count"] is not None
    )
    return Lesson(name, headings[0], tuple(headings[1:]), ran)


def _texts(outputs: Iterable[dict[str, Any]]) -> Iterator[str]:
    for output in outputs:
        yield "".join(output.get("text", ""))
        yield "".join(output.get("data", {}).get("text/plain", ""))


def read_lessons(folder: Path) -> list[Lesson]:
    """All notebooks below `folder`, in the order of a reader; Jupyter's own copies are none."""
    paths = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    return [read_lesson(path, folder) for path in paths]


# -- what a lesson uses ----------------------------------------------------------------------------


def used_by_cli(lesson: Lesson, grammar: Mapping[str, Command]) -> Iterator[tuple[str, str | None]]:
    """Each command that the lesson gave to redis-cli, with None, and with each option it used."""
    for line in lesson.lines():
        try:
            words = shlex.split(line)
        except ValueError:  # a quote left open on purpose
            continue
        for length in (2, 1):  # "XGROUP CREATE" before "XADD"
            command = grammar.get(" ".join(words[:length]).upper())
            used = command.used(words[length:]) if command else None
            if command and used is not None:
                yield command.name, None
                yield from ((command.name, token) for token in used)
                break


@cache
def stream_methods() -> dict[str, tuple[str, ...]]:
    """redis-py's methods for streams, each with the names of its parameters."""
    import redis  # noqa: PLC0415 - costs 200 ms

    return {
        name: tuple(inspect.signature(getattr(redis.Redis, name)).parameters)[1:]
        for name in dir(redis.Redis)
        if re.match(r"x[a-z]", name)
    }


def used_by_python(lesson: Lesson) -> Iterator[tuple[str, str | None]]:
    """Each method of redis-py for streams that a cell calls, with None and with each parameter."""
    methods = stream_methods()
    for source, _ in lesson.cells:
        for call in ast.walk(_tree(source)):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            name = call.func.attr
            if name in methods:
                yield name, None
                yield from ((name, parameter) for parameter in _given(call, methods[name]))


def _given(call: ast.Call, parameters: tuple[str, ...]) -> Iterator[str]:
    plain = sum(not isinstance(argument, ast.Starred) for argument in call.args)
    yield from parameters[:plain]
    yield from (k.arg for k in call.keywords if k.arg in parameters)
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        yield parameters[-1]  # *ids and the like come last


def _tree(source: str) -> ast.AST:
    lines = source.splitlines()
    if lines and lines[0].startswith("%%needs"):
        del lines[0]
    if lines and lines[0].startswith("%%"):
        return ast.Module([], [])
    return ast.parse("\n".join(re.sub(r"^(\s*)%.*", r"\1pass", line) for line in lines))
