"""The tables of a report, as HTML; everything that comes from data is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from streamlab.measure.runs import Mode
from streamlab.measure.tasks import PARTS
from streamlab.report.budgets import MEANINGS, budgets
from streamlab.report.chosen import planned
from streamlab.report.phrases import number_text, percent_text
from streamlab.report.published import known_figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

#: More rows than these are folded away until the reader asks for them.
FOLD_FROM = 60
_HEADS = {
    "repeat": "repeat",
    "persistence": "persistence",
    "rate_per_s": "λ (tasks/s)",
    "share": "load",
    "throughput_per_s": "done (tasks/s)",
    "p50_us": "p50 (µs)",
    "p90_us": "p90 (µs)",
    "p99_us": "p99 (µs)",
    "p999_us": "p99.9 (µs)",
    "max_us": "max (µs)",
    "uncorrected_p99_us": "p99 from sending (µs)",
    "lag_p99_us": "late sending, p99 (µs)",
    "in_system": "in the system",
    "server_task_us": "server's own (µs)",
    "server_cpu": "server's share of a core",
    "recovery_ms": "recovery (ms)",
    "lost": "lost",
    "duplicated": "twice",
}
_SHARES = {"share", "server_cpu"}
#: What the manifest tells elsewhere on the page.
_TOLD = {"experiment", "question", "charts", "caveats", "cases", "command", "floor", "law", "axis"}


def table(
    heads: Sequence[str], rows: Iterable[str], caption: str, label: str, *, texts: int = 1
) -> str:
    """A table that scrolls by itself where it is too wide; its first `texts` columns are words."""
    cells = "".join(
        f'<th scope="col"{_text(at < texts)}>{escape(head)}</th>' for at, head in enumerate(heads)
    )
    kind = ' class="words"' if texts == len(heads) else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table{kind}>'
        f"<caption><span>{escape(caption)}</span></caption><thead><tr>{cells}</tr></thead><tbody>\n"
        f"{''.join(rows)}</tbody></table></div>"
    )


def _text(yes: bool) -> str:  # noqa: FBT001 - a class, or none
    return ' class="text"' if yes else ""


def row(cells: Iterable[object], *, texts: int = 1, kind: str = "") -> str:
    """A row; numbers as the report writes them."""
    inner = "".join(
        f"<td{_text(at < texts)}>{escape(_cell(value))}</td>" for at, value in enumerate(cells)
    )
    shown = f' class="{kind}"' if kind else ""
    return f"<tr{shown}>{inner}</tr>\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else number_text(value)


def runs_table(results: Results) -> str:
    """Every run, in the order of measuring, invalid ones with their reason; folded if many."""
    runs = results.runs
    columns = [name for name in _HEADS if _told(runs, name)]
    heads = ["case", "mode", *(_HEADS[name] for name in columns), "valid"]
    rows = "".join(_run(run, columns) for run in runs)
    whole = table(
        heads,
        [rows],
        "In the order of measuring. An empty cell was not measured, or has too few samples to be "
        "published.",
        "Every run",
        texts=2,
    )
    if len(runs) <= FOLD_FROM:
        return whole
    return f"<details><summary>Show all {len(runs)} runs</summary>{whole}</details>"


def _told(runs: Sequence[Run], name: str) -> bool:
    """Whether a column says anything: of the persistence, only where there are several."""
    found = {getattr(run, name) for run in runs}
    return len(found) > 1 if name == "persistence" else bool(found - {None})


def _run(run: Run, columns: Sequence[str]) -> str:
    told = ((name, getattr(run, name)) for name in columns)
    numbers = [percent_text(v) if name in _SHARES and v is not None else v for name, v in told]
    cells = [run.case, run.mode, *numbers]
    if run.valid:
        return row([*cells, "yes"], texts=2)
    why = escape(run.reason or "no reason was given")
    return (
        row([*cells, "no"], texts=2, kind="invalid")
        + f'<tr class="invalid why"><td class="text" colspan="{len(cells) + 1}">'
        f"not valid: {why}</td></tr>\n"
    )


def budget_table(results: Results) -> str:
    """Where a message spends its time, by case, load and rate; nothing without latency runs."""
    every = budgets(planned(results, Mode.LATENCY))
    if not every:
        return ""
    heads = ["case", *(f"{MEANINGS[part]} (µs)" for part in PARTS), "whole (µs)", "server (µs)"]
    rows = []
    for one in every:
        case = one.case if one.valid else f"{one.case} (invalid runs only)"
        cells = [case, *(one.parts_us[part] for part in PARTS), one.whole_us, one.server_us]
        rows.append(row(cells, kind="" if one.valid else "invalid"))
    caption = "Means over the tasks of a run, medians over the valid runs of each case."
    return table(heads, rows, caption, "Latency budget")


def floor_table(floor: Mapping[str, Any]) -> str:
    """The rounds of the harness and the bare loop, side by side."""
    latency = ("bare_p50_us", "harness_p50_us", "p50_ratios")
    columns = (*latency, "bare_per_s", "harness_per_s", "throughput_ratios")
    heads = ["round", "bare p50 (µs)", "ours p50 (µs)", "ratio"]
    heads += ["bare (tasks/s)", "ours (tasks/s)", "ratio"]
    rounds = zip(*(floor[name] for name in columns), strict=True)
    rows = [row([f"{at}", *cells]) for at, cells in enumerate(rounds, 1)]
    caption = "One consumer, an empty handler; the two in turns, so that noise meets both."
    return table(heads, rows, caption, "The harness's own share")


def published_table(results: Results) -> str:
    """What others published, beside the reader's own."""
    rows = [
        row([one.what, one.published, one.source, one.here], texts=4)
        for one in known_figures(results)
    ]
    heads = ["what", "published", "by", "here"]
    caption = "Other machines, other settings: an order of magnitude, no more."
    return table(heads, rows, caption, "Published figures", texts=4)


def facts_table(manifest: Mapping[str, Any]) -> str:
    """The manifest: on what it was measured, and with what settings."""
    rows = "".join(_facts({name: v for name, v in manifest.items() if name not in _TOLD}))
    return f'<table class="facts"><tbody>\n{rows}</tbody></table>'


def _facts(facts: Mapping[str, Any], prefix: str = "") -> list[str]:
    rows: list[str] = []
    for name, value in facts.items():
        label = f"{prefix}{name}"
        if isinstance(value, dict):
            rows += _facts(value, f"{label}: ")
            continue
        text = "none" if value is None or value == "" else _cell_of_fact(value)
        cell = f"<td><code>{escape(text)}</code></td>"
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{cell}</tr>\n')
    return rows


def _cell_of_fact(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
