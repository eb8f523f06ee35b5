"""One self-contained page: the answer, the figures, every run, the machine, the caveats."""

from __future__ import annotations

import base64
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from streamlab.bench.answer import answer, time_text
from streamlab.bench.charts import latency_chart, throughput_chart
from streamlab.bench.figures import MIDDLE
from streamlab.bench.floor import RATE_PER_S
from streamlab.bench.observed import WARMUP_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamlab.bench.result import BenchResult
    from streamlab.bench.runs import Run

_HEADS = {
    "consumers": "consumers",
    "repeat": "repeat",
    "rate_per_s": "λ (tasks/s)",
    "throughput_per_s": "done (tasks/s)",
    "p50_us": "p50 (µs)",
    "p90_us": "p90 (µs)",
    "p99_us": "p99 (µs)",
    "max_us": "max (µs)",
    "uncorrected_p99_us": "p99 from sending (µs)",
    "lost": "lost",
    "duplicated": "twice",
}

_CAVEATS = """\
Server, producer and consumers share one host with {cores} cores. Where there are more processes \
than cores they wait for each other; on machines of their own they would not.
Capacity and latency come from different runs. A drained backlog says how much, an open loop says \
how long; a percentile under saturation would only say how long the run was.
p99 from sending is what a benchmark reports that waits for the server before it sends. It hides \
stalls; it stands here to be compared, never alone.
A sleep needs no processor: work that computes scales with cores, not with consumers.
The loop is local: a network adds its round trip to every command.
{repeats} runs per point show the spread; they prove no difference smaller than it."""


def write_report(result: BenchResult) -> None:
    """Write ``report.html`` and its figures into the results folder."""
    charts = {"throughput": throughput_chart(result), "latency": latency_chart(result)}
    for name, png in charts.items():
        (result.settings.out / f"{name}.png").write_bytes(png)
    result.report.write_text(_page(result, charts), encoding="utf-8")


def _page(result: BenchResult, charts: Mapping[str, bytes]) -> str:
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    manifest = result.manifest
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>streamlab bench: consumers and latency</title>
<style>
{style}</style>
</head>
<body>
<h1>How many consumers, and what latency?</h1>
{"".join(f'<p class="answer">{escape(sentence)}</p>' for sentence in answer(result))}
<p class="quiet">Medians over the valid runs. {escape(_work(result))}
Measured {escape(str(manifest["date"]))} with <code>{escape(str(manifest["command"]))}</code>.</p>
<h2>Capacity: a backlog, drained</h2>
{_figure(charts["throughput"], "throughput", _throughput_words(result))}
<h2>Latency: an open loop at {result.rate_per_s:g} tasks/s</h2>
{_figure(charts["latency"], "latency percentiles", _latency_words())}
<h2>The harness's own share</h2>
<p>{escape(_floor_words(result))}</p>
<h2>Every run</h2>
{_table(result)}
<h2>What to keep in mind</h2>
<ul>{"".join(f"<li>{escape(text)}</li>" for text in _caveats(result))}</ul>
<h2>Measured on</h2>
<table class="facts"><tbody>
{"".join(_fact_rows(manifest))}</tbody></table>
</body>
</html>
"""


def _work(result: BenchResult) -> str:
    work = result.settings.work_ms
    return f"Each task's work is a sleep of {work:g} ms." if work else "The handler does nothing."


def _figure(png: bytes, what: str, words: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    alt = f"Chart of {what} against the number of consumer processes; the table has its figures."
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt)}" width="1036">'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def _throughput_words(result: BenchResult) -> str:
    return (
        f"Tasks finished per second while a backlog of about {result.settings.seconds:g} s was "
        f"drained. Counted from {MIDDLE[0]:.0%} to {MIDDLE[1]:.0%} of its tasks: the warm-up and "
        "the tail, when consumers run out of work, are left out. Points are runs."
    )


def _latency_words() -> str:
    return (
        "From the moment a task was due, by a schedule that waits for nobody, to the end of its "
        f"handler. A warm-up of {WARMUP_SHARE:.0%} of the measured time is left out. Points are "
        "runs, lines join their medians; a percentile is drawn when ten samples lie beyond it."
    )


def _floor_words(result: BenchResult) -> str:
    floor = result.floor
    return (
        f"At {RATE_PER_S:g} tasks/s with one consumer and no work, the median latency was "
        f"{time_text(floor.harness_p50_us)} with the package's queue and worker and "
        f"{time_text(floor.bare_p50_us)} with redis-py alone: {floor.ratio:.2f} times as much. "
        "What lies below that cannot be measured here."
    )


def _table(result: BenchResult) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in _HEADS.values())
    rows = "\n".join(map(_row, result.runs))
    return (
        '<div class="scroll"><table><caption>In the order of measuring. An empty cell was not '
        "measured, or has too few samples to be published.</caption>"
        f'<thead><tr><th scope="col" class="text">mode</th>{heads}'
        f'<th scope="col">valid</th></tr></thead><tbody>\n{rows}\n</tbody></table></div>'
    )


def _row(run: Run) -> str:
    cells = "".join(f"<td>{_cell(getattr(run, name))}</td>" for name in _HEADS)
    row = f'<td class="text">{run.mode}</td>{cells}<td>{"yes" if run.valid else "no"}</td>'
    if run.valid:
        return f"<tr>{row}</tr>"
    why = f'<td class="text" colspan="{len(_HEADS) + 2}">not valid: {escape(run.reason)}</td>'
    return f'<tr class="invalid">{row}</tr><tr class="invalid why">{why}</tr>'


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def _caveats(result: BenchResult) -> list[str]:
    cores = result.manifest["machine"]["cores"]
    return _CAVEATS.format(cores=cores, repeats=result.settings.repeats).splitlines()


def _fact_rows(facts: Mapping[str, object], prefix: str = "") -> list[str]:
    rows: list[str] = []
    for name, value in facts.items():
        label = f"{prefix}{name}"
        if isinstance(value, dict):
            rows += _fact_rows(value, f"{label}: ")
        else:
            text = "none" if value is None or value == "" else str(value)
            cell = f"<td><code>{escape(text)}</code></td>"
            rows.append(f'<tr><th scope="row">{escape(label)}</th>{cell}</tr>\n')
    return rows
