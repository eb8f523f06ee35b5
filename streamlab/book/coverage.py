"""What the notebooks must show, and which lesson shows it; what is missing has no lesson."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.book.lessons import stream_methods, used_by_cli, used_by_python

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from streamlab.book.grammar import Command
    from streamlab.book.lessons import Lesson

#: F01 to F60, as lessons, tests and exercises name what goes wrong.
FAILURES = tuple(f"F{number:02}" for number in range(1, 61))

#: What COMMAND DOCS tells of an option's age in prose only (its "history").
_SINCE = {
    ("XADD", "KEEPREF"): "8.2",
    ("XADD", "DELREF"): "8.2",
    ("XADD", "ACKED"): "8.2",
    ("XTRIM", "KEEPREF"): "8.2",
    ("XTRIM", "DELREF"): "8.2",
    ("XTRIM", "ACKED"): "8.2",
    ("XGROUP CREATE", "ENTRIESREAD"): "7.0",
    ("XGROUP SETID", "ENTRIESREAD"): "7.0",
    ("XINFO STREAM", "FULL"): "6.0",
    ("XINFO STREAM", "COUNT"): "6.0",
}

#: The lesson about something that most lessons use on their way to something else.
_HOME = {
    ("XADD", None): "1-commands/01-append-and-read.ipynb",
    ("XADD", "*"): "1-commands/01-append-and-read.ipynb",
    ("XDEL", None): "1-commands/10-trim-and-delete.ipynb",
}


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write an id that has a meaning of its own, which COMMAND DOCS does not list."""

    command: str
    shown: str
    since: str
    pattern: str


FORMS = (
    Form("XADD", "ms-*", "7.0", r"\d+-\*"),
    Form("XRANGE", "-", "5.0", r"-"),
    Form("XRANGE", "+", "5.0", r"\+"),
    Form("XRANGE", "(", "6.2", r"\(\d+(-\d+)?"),
    Form("XREVRANGE", "(", "6.2", r"\(\d+(-\d+)?"),
    Form("XREAD", "$", "5.0", r"\$"),
    Form("XREAD", "+", "7.4", r"\+"),
    Form("XREADGROUP", ">", "5.0", r">"),
    Form("XREADGROUP", "0", "5.0", r"0(-0)?"),
    Form("XPENDING", "(", "6.2", r"\(\d+(-\d+)?"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be shown: a command, one of its options, or a form of id.

    Attributes
    ----------
    option
        A token or the name of a form; None for the command itself.
    since
        The version that brought it.
    lesson
        The path of the lesson that uses it most; None if no cell ran it.
    """

    command: str
    option: str | None
    since: str
    lesson: str | None


def command_items(lessons: Iterable[Lesson], grammar: Mapping[str, Command]) -> list[Item]:
    """Everything that `grammar` and `FORMS` list, each with its lesson, in alphabetical order.

    The lesson is looked for among ``1-commands/`` first, then anywhere.
    """
    counts: defaultdict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
    for lesson in lessons:
        weight = 1_000 if lesson.path.startswith("1-commands/") else 1
        for what in used_by_cli(lesson, grammar):
            counts[what][lesson.path] += weight
        for form in _forms(lesson):
            counts[form.command, form.shown][lesson.path] += weight

    def item(command: str, option: str | None, since: str) -> Item:
        used = counts[command, option]
        home = _HOME.get((command, option))
        if home not in used:
            # The first of those with the highest count: lessons come in the order of a reader.
            home = max(used, key=used.__getitem__, default=None)
        return Item(command, option, since, home)

    items = []
    for command in grammar.values():
        items.append(item(command.name, None, command.since))
        for token, told in command.tokens.items():
            since = told or _SINCE.get((command.name, token)) or command.since
            items.append(item(command.name, token, since))
        forms = [form for form in FORMS if form.command == command.name]
        items += [item(form.command, form.shown, form.since) for form in forms]
    return items


def _forms(lesson: Lesson) -> Iterator[Form]:
    for line in lesson.lines():
        name, *words = line.split() or [""]
        for form in FORMS:
            if name.upper() == form.command and any(re.fullmatch(form.pattern, w) for w in words):
                yield form


def python_items(lessons: Iterable[Lesson]) -> dict[tuple[str, str | None], bool]:
    """redis-py's methods for streams, with None and with each parameter: whether a cell uses it."""
    used = {what for lesson in lessons for what in used_by_python(lesson)}
    return {
        (method, parameter): (method, parameter) in used
        for method, parameters in stream_methods().items()
        for parameter in (None, *parameters)
    }


@dataclass(frozen=True, slots=True)
class Failure:
    """One of `FAILURES`: where a reader sees it happen, and what proves that it does.

    Attributes
    ----------
    title
        The heading under which the lesson shows it; empty if none does.
    lesson
        The path of that notebook.
    proofs
        Test file (relative to the project) and test, for each test that is marked with the id.
    """

    id: str
    title: str
    lesson: str | None
    proofs: tuple[tuple[str, str], ...]


def failure_items(lessons: Iterable[Lesson], tests: Path) -> list[Failure]:
    """All of `FAILURES`, shown by lessons and proved by the tests below the folder `tests`."""
    shown: dict[str, tuple[str, str | None]] = {}
    # A lesson about failures first: others may show one on their way.
    for lesson in sorted(lessons, key=lambda lesson: not lesson.path.startswith("2-failures/")):
        for failure, title in lesson.failures().items():
            shown.setdefault(failure, (title, lesson.path))
    proofs: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        name = path.relative_to(tests.parent).as_posix()
        for failure, test in _marked(ast.parse(path.read_text("utf-8"))):
            proofs[failure].append((name, test))
    nowhere: tuple[str, str | None] = ("", None)
    return [Failure(f, *shown.get(f, nowhere), tuple(proofs[f])) for f in FAILURES]


def _marked(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Each ``@pytest.mark.failure("F01")`` with the name of the test below it."""
    for node in module.body:
        for mark in getattr(node, "decorator_list", ()):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.failure":
                yield ast.literal_eval(mark.args[0]), node.name  # type: ignore[attr-defined]
