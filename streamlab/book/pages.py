"""Notebooks that are generated: the map of commands, and a page of questions for each level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat

from streamlab.book.index import commands_table
from streamlab.book.questions import Level, Page, Question, Theme
from streamlab.server.capabilities import CAPABILITIES, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nbformat import NotebookNode

    from streamlab.book.coverage import Item

#: Where each level's page is, below the folder of the notebooks.
PAGES = {
    Level.JUNIOR: "6-interview/01-junior.ipynb",
    Level.MID: "6-interview/02-mid.ipynb",
    Level.SENIOR: "6-interview/03-senior.ipynb",
}
_WHOM = {Level.MID: "somebody who has run such a queue", Level.SENIOR: "somebody who designs one"}
MAP = "1-commands/00-map-of-commands.ipynb"

_MAP_TITLE = """\
# A map of the commands

Every stream command and every option that Redis 8.10 knows, with the version that brought it and \
the lesson that shows it. Follow a number to see it run.

A number such as 1.08 names a lesson: the eighth of this folder. Behind an option stands a version \
if the option is younger than its command, and a number if another lesson shows it."""

_MAP_READ = """\
This page is made from what a server says about itself (`COMMAND DOCS`) and from the cells of the \
lessons, and a test holds it against both. Special ids, such as `>` or `(`, are no options to \
COMMAND DOCS; they are listed all the same. `XSETID` and `XIDMPRECORD` are for the server's own use.

## Which of them does your server have?"""

_MAP_ASK = """\
wanted = {wanted}
known = {{name.upper() for name in r.command()}}
missing = [name for name in wanted if name not in known]
assert missing or server.version.startswith("8.1")
print(f"missing on {{server.version}}: {{', '.join(missing)}}" if missing else "all of them")"""


def _markdown(cell_id: str, text: str) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_markdown_cell(text, id=cell_id)
    return cell


def _code(cell_id: str, text: str) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_code_cell(text, id=cell_id)
    return cell


def _notebook(cells: Iterable[NotebookNode], needs: Iterable[str] = ()) -> NotebookNode:
    notebook: NotebookNode = nbformat.v4.new_notebook(
        cells=list(cells),
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "streamlab": {"needs": list(needs)},
        },
    )
    notebook.nbformat_minor = 5
    return notebook


def map_page(items: Sequence[Item]) -> NotebookNode:
    """The map of commands: a table, and a cell that asks the reader's own server for them."""
    names = dict.fromkeys(item.command.split()[0] for item in items)
    rows = ["wanted = ("]
    for name in names:
        if len(rows[-1]) + len(name) > 80:  # noqa: PLR2004 - a line that needs no scrolling
            rows.append("   ")
        rows[-1] += f" {name}"
    wanted = '"""' + "\n".join(rows).removeprefix("wanted = (").strip() + '""".split()'
    return _notebook(
        [
            _markdown("map-title", _MAP_TITLE),
            _markdown("map-table", commands_table(items, within="1-commands")),
            _markdown("map-read", _MAP_READ),
            _code("map-imports", "%load_ext streamlab\nfrom streamlab import lab_server"),
            _code("map-server", "server = lab_server()\nr = server.client()"),
            _code("map-ask", _MAP_ASK.format(wanted=wanted)),
            _markdown("map-next", "**Next:** [Append and read](01-append-and-read.ipynb)"),
            _code("map-end", "r.close()\nserver.stop()"),
        ]
    )


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def _asked(number: int, question: Question) -> str:
    about = f" ({', '.join(question.failures)})" if question.failures else ""
    return "\n\n".join(
        [
            f"### {number}. {question.ask}",
            _folded("Answer", question.answer + about),
            f"They go on: *{question.follow_up}*",
            _folded("Answer", question.follow_up_answer),
            f"Often heard: *{question.heard}*",
            _folded("Why that is wrong", question.because),
        ]
    )


def _proof(question: Question) -> Iterable[NotebookNode]:
    for number, source in enumerate(question.proof, 1):
        head = f"%%needs {question.needs}\n" if question.needs else ""
        yield _code(f"{question.id}-proof-{number}", head + source.strip("\n"))


def question_page(page: Page, questions: Sequence[Question]) -> NotebookNode:
    """The notebook of one level: its questions by theme, each followed by the cells that prove it.

    `questions` are those of all levels; the numbers run through all of them.
    """
    cells = [
        _markdown(f"{page.level}-title", f"# {page.title}\n\n{page.intro.strip()}"),
        _code(f"{page.level}-imports", page.imports.strip()),
    ]
    ordered = [
        question
        for level in Level
        for theme in Theme
        for question in questions
        if (question.level, question.theme) == (level, theme)
    ]
    here = [(n, q) for n, q in enumerate(ordered, 1) if q.level == page.level]
    keys = ", ".join(f'"{key}"' for _, q in here for key in q.keys)
    cells.append(_code(f"{page.level}-server", _server_cell(keys)))
    theme = None
    for number, question in here:
        heading = f"## {question.theme.capitalize()}\n\n" if question.theme != theme else ""
        theme = question.theme
        cells.append(_markdown(question.id, heading + _asked(number, question)))
        cells += _proof(question)
    cells += [
        _markdown(f"{page.level}-next", _next(page.level)),
        _code(f"{page.level}-end", "r.close()\nserver.stop()"),
    ]
    return _notebook(cells, _capabilities(question for _, question in here))


def _server_cell(keys: str) -> str:
    lines = ["keys = ["]
    for key in keys.split(", "):
        if len(lines[-1]) + len(key) > 80:  # noqa: PLR2004 - a line that needs no scrolling
            lines.append("   ")
        lines[-1] += f" {key},"
    lines += ["]", "server = lab_server(keys=keys)", "r = server.client()"]
    return "\n".join(lines)


def _next(level: Level) -> str:
    after = list(Level)[list(Level).index(level) + 1 :]
    if not after:
        return "**Back to** [Start here](../00-start-here.ipynb)"
    name = PAGES[after[0]].rpartition("/")[2]
    return f"**Next:** [the questions for {_WHOM[after[0]]}]({name})"


def _capabilities(questions: Iterable[Question]) -> list[str]:
    """The newest capability that a proof needs, as lessons name it; none if 6.2 does."""
    versions = [parse_version(question.needs) for question in questions if question.needs]
    if not versions:
        return []
    fit = [c.name for c in CAPABILITIES if parse_version(c.since) <= max(versions)]
    return fit[-1:]


def write(notebook: NotebookNode, path: Path) -> bool:
    """Write a generated notebook to `path`; returns whether a cell changed.

    Outputs that are stored there stay with the cells whose source is the same; the others have
    none until the notebook is run.
    """
    stored = {}
    if path.exists():
        stored = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    for cell in notebook.cells:
        before = stored.get(cell.id)
        if cell.cell_type == "code" and before is not None and before.source == cell.source:
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
    changed = [(c.id, c.source) for c in notebook.cells] != [
        (cell_id, cell.source) for cell_id, cell in stored.items()
    ]
    if changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(notebook, version=4) + "\n", encoding="utf-8")
    return changed
