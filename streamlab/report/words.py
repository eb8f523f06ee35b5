"""The answer in sentences: what the valid runs of a folder say, and what they cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.load.settings import consumers_text
from streamlab.measure.runs import Mode
from streamlab.report.answers_cases import case_sentences
from streamlab.report.answers_consumers import consumer_sentences
from streamlab.report.phrases import joined, runs_text, time_text, why_text

if TYPE_CHECKING:
    from streamlab.measure.folder import Results

__all__ = ["answer", "consumers_text", "time_text"]

#: The charts whose x axis is the number of consumers: their experiments ask how many.
_ABOUT_CONSUMERS = {"capacity", "latency", "search"}


def answer(results: Results) -> list[str]:
    """What was found, in a few sentences; each figure is a median over valid runs.

    How much of it may be trusted is the last sentence, and the only one where no run is valid.
    """
    if not results.runs:
        return ["Nothing was measured yet."]
    about_consumers = _ABOUT_CONSUMERS & set(results.manifest.get("charts", []))
    found = consumer_sentences(results) if about_consumers else case_sentences(results)
    return [sentence for sentence in (*found, _trust(results)) if sentence]


def _trust(results: Results) -> str:
    """How many runs may be believed; tries of a search are no runs: not to hold is an answer."""
    runs = [run for run in results.runs if run.mode is not Mode.SEARCH]
    bad = [run for run in runs if not run.valid]
    lost = sum(run.lost for run in runs)
    tasks = f"{lost} tasks were lost." if lost else ""
    if not bad:
        return f"All {runs_text(len(runs))} passed every check." if len(runs) > 1 else ""
    if len(bad) == len(runs):
        return joined("No run can be trusted.", why_text(runs), tasks)
    verbs = ("is", "counts") if len(bad) == 1 else ("are", "count")
    count = f"{len(bad)} of {runs_text(len(runs))} {verbs[0]} invalid and {verbs[1]} for nothing."
    return joined(count, why_text(runs), tasks)
