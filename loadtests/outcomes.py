"""What became of each experiment of a study: a line, and a section of the index page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from streamlab.report.page import REPORT
from streamlab.report.words import answer

if TYPE_CHECKING:
    from pathlib import Path

    from streamlab.measure.folder import Results

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load tests</title><style>
{style}</style></head><body><main>
<h1>Load tests</h1>
{body}</main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one experiment: its results, or why there are none."""

    name: str
    results: Results | None
    error: str = ""
    seconds: float = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether a task was lost, or no run can be trusted."""
        runs = self.results.runs if self.results else ()
        return any(run.lost for run in runs) or not any(run.valid for run in runs)

    def line(self) -> str:
        """Its runs in a few words."""
        if self.results is None:
            return f"failed: {self.error}"
        bad = sum(not run.valid for run in self.results.runs)
        return f"{len(self.results.runs)} runs" + (f", {bad} of them invalid" if bad else "")


def write_index(out: Path, outcomes: list[Outcome]) -> Path:
    """An ``index.html`` with the answers and links to the reports; it needs nothing but them."""
    style = resources.files("streamlab.report").joinpath("page.css").read_text(encoding="utf-8")
    page = out / "index.html"
    page.write_text(_PAGE.format(style=style, body="".join(map(_section, outcomes))), "utf-8")
    return page


def _section(outcome: Outcome) -> str:
    if outcome.results is None:
        return f"<h2>{outcome.name}</h2>\n<p>Failed: {escape(outcome.error)}</p>\n"
    question = escape(str(outcome.results.manifest["question"]))
    told = "".join(f"<p>{escape(sentence)}</p>\n" for sentence in answer(outcome.results))
    link = f'<h2><a href="{outcome.name}/{REPORT}">{question}</a></h2>\n'
    return f'{link}{told}<p class="quiet">{escape(outcome.line())}</p>\n'
