"""``python -m streamlab.book``: write what is generated, from the lessons, the tests and a server.

The pages of questions and the map of commands are notebooks, to be run afterwards; the tables of
``notebooks/README.md`` count what has been run. Works on the folder it is started in.
"""

from __future__ import annotations

from pathlib import Path

from streamlab.book.coverage import command_items, failure_items, python_items
from streamlab.book.grammar import stream_commands
from streamlab.book.index import (
    commands_summary,
    commands_table,
    failures_table,
    lessons_table,
    replaced,
)
from streamlab.book.lessons import read_lessons
from streamlab.book.pages import MAP, PAGES, map_page, question_page, write
from streamlab.book.questions import questions
from streamlab.server import RedisServer
from streamlab.server.install import DEFAULT_VERSION


def tables(page: str, notebooks: Path, tests: Path) -> str:
    """The text `page` of ``notebooks/README.md`` with its tables made anew."""
    lessons = read_lessons(notebooks)
    with RedisServer(DEFAULT_VERSION) as server:
        items = command_items(lessons, stream_commands(server.cli()))
    page = replaced(page, "lessons", lessons_table(lessons))
    summary = commands_summary(items, python_items(lessons))
    page = replaced(page, "commands", f"{summary}\n\n{commands_table(items)}")
    return replaced(page, "failures", failures_table(failure_items(lessons, tests)))


def main(root: Path) -> None:
    """Write the generated notebooks below `root`, and the tables."""
    notebooks = root / "notebooks"
    pages, asked = questions()
    made = {PAGES[page.level]: question_page(page, asked) for page in pages}
    lessons = read_lessons(notebooks)
    with RedisServer(DEFAULT_VERSION) as server:
        made[MAP] = map_page(command_items(lessons, stream_commands(server.cli())))
    for name, notebook in made.items():
        print(f"{'changed' if write(notebook, notebooks / name) else 'as it was':9}  {name}")  # noqa: T201
    readme = notebooks / "README.md"
    readme.write_text(tables(readme.read_text("utf-8"), notebooks, root / "tests"), "utf-8")


if __name__ == "__main__":
    main(Path.cwd())
