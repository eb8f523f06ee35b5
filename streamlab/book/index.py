"""``notebooks/README.md``: all lessons, and who shows and proves what, as tables with links."""

from __future__ import annotations

import posixpath
import re
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamlab.book.coverage import Failure, Item
    from streamlab.book.lessons import Lesson

_PARTS = {
    "1-commands": "Every command",
    "2-failures": "Every failure",
    "3-patterns": "Patterns",
    "4-use-cases": "Use cases",
    "5-measure": "Measure",
    "6-interview": "Interview",
}


def number(path: str) -> str:
    """How a table names a lesson in little room: ``1.08`` for ``1-commands/08-claim.ipynb``."""
    folder, _, name = path.rpartition("/")
    return f"{folder[0]}.{name[:2]}" if folder else name[:2]


def link(path: str, *, within: str = "") -> str:
    """A Markdown link to the lesson at `path` for a page in the folder `within`."""
    return f"[{number(path)}]({posixpath.relpath(path, within or '.')})"


def lessons_table(lessons: Iterable[Lesson]) -> str:
    """All lessons by folder, each with the failures that it shows."""
    parts = []
    for folder, group in groupby(lessons, key=lambda lesson: lesson.path.rpartition("/")[0]):
        rows = [
            f"| {number(lesson.path)} | [{lesson.title}]({lesson.path})"
            f" | {' '.join(sorted(lesson.failures()))} |"
            for lesson in group
        ]
        heading = [f"### {_PARTS[folder]}", ""] if folder else []
        parts += [*heading, "| | lesson | failures shown |", "|---|---|---|", *rows, ""]
    return "\n".join(parts).rstrip()


def failures_table(failures: Sequence[Failure]) -> str:
    """All failures: what happens, in which lesson a reader sees it, and which test proves it."""
    rows = []
    for failure in failures:
        lesson = link(failure.lesson) if failure.lesson else "**missing**"
        files = dict.fromkeys(file for file, _ in failure.proofs)
        tests = ", ".join(f"[{file.rpartition('_')[2][:-3]}](../{file})" for file in files)
        rows.append(f"| {failure.id} | {failure.title} | {lesson} | {tests or '**missing**'} |")
    done = sum(bool(f.lesson and f.proofs) for f in failures)
    head = f"{done} of {len(failures)} are shown by a lesson and proved by a test."
    return "\n".join([head, "", "| | what happens | lesson | proof |", "|---|---|---|---|", *rows])


def commands_summary(items: Sequence[Item], python: Mapping[tuple[str, str | None], bool]) -> str:
    """How much of the commands, of their options and of redis-py some cell runs."""
    commands = _share([item for item in items if item.option is None])
    options = _share([item for item in items if item.option is not None])
    return (
        f"{commands} commands, {options} options and special ids, and {sum(python.values())} of"
        f" {len(python)} methods and parameters of redis-py are run by a cell."
    )


def commands_table(items: Sequence[Item], *, within: str = "") -> str:
    """Each command with its age and its lesson, and the same of its options where they differ.

    Links are those of a page in the folder `within`.
    """
    rows = [
        f"| `{item.command}` | {item.since} | {_place(item, within)}"
        f" | {_options(items, item, within)} |"
        for item in items
        if item.option is None
    ]
    head = ["| command | since | lesson | options |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _options(items: Iterable[Item], command: Item, within: str) -> str:
    told = []
    for item in items:
        if item.command == command.command and item.option is not None:
            words = [f"`{item.option}`"]
            words += [item.since] * (item.since != command.since)
            words += [_place(item, within)] * (item.lesson != command.lesson)
            told.append(" ".join(words))
    return " · ".join(told)


def _place(item: Item, within: str) -> str:
    return link(item.lesson, within=within) if item.lesson else "**missing**"


def _share(items: Sequence[Item]) -> str:
    return f"{sum(item.lesson is not None for item in items)} of {len(items)}"


def replaced(page: str, name: str, text: str) -> str:
    """`page` with `text` between its marks ``<!-- name -->`` and ``<!-- /name -->``.

    Raises
    ------
    ValueError
        If the marks are not there, once each.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
    page, times = marks.subn(lambda found: f"{found[1]}{text}{found[2]}", page)
    if times != 1:
        raise ValueError(f"{times} places between <!-- {name} --> and <!-- /{name} -->: want one")
    return page
