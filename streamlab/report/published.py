"""What others published, beside the reader's own figure where there is one that compares."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from streamlab.load.settings import consumers_text
from streamlab.measure.hdr_log import CORRECTED
from streamlab.measure.runs import Mode
from streamlab.model.scaling import PUBLISHED
from streamlab.report.chosen import by_consumers, medians
from streamlab.report.phrases import list_text, number_text, rate_text, time_text

if TYPE_CHECKING:
    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

_NOT = "not measured here"
_COUNT = 100


@dataclass(frozen=True, slots=True)
class Known:
    """One published figure: what it is of, what it is, who says so, and the reader's own."""

    what: str
    published: str
    source: str
    here: str


def known_figures(results: Results) -> list[Known]:
    """The published figures of Redis Streams and of queues on Redis, each with the reader's own."""
    docs = "Redis documentation, Streams"
    figures = [
        Known(
            "latency from producer to consumer",
            "74 % of the messages within 1 ms, 99.9 % within 2 ms",
            docs,
            _latency(results),
        ),
        Known(
            "XADD, pipelined",
            "0.5 to 1 million a second, on an average machine",
            docs,
            _xadd(results),
        ),
        Known(
            "XREADGROUP COUNT 100",
            "14,500 calls a second and core",
            "Redis CI, pull request 14957",
            _xreadgroup(results),
        ),
    ]
    counts = list_text([f"{count}" for count in PUBLISHED.counts])
    own = _no_work(results)
    for name, per_s in PUBLISHED.per_s.items():
        told = list_text([number_text(x) for x in per_s])
        figures.append(
            Known(
                f"{name}, tasks that do nothing, {counts} workers",
                f"{told} tasks/s",
                PUBLISHED.source,
                own,
            )
        )
    return figures


def _idle(run: Run) -> bool:
    """Whether a run's figures are those of the queue alone: no work, no faults."""
    return run.valid and run.load.work_ms == 0 and not run.kills


def _latency(results: Results) -> str:
    runs = [run for run in results.of(Mode.LATENCY) if _idle(run) and run.p99_us is not None]
    runs = [run for run in runs if not ((kept := results.details(run)) and kept.incidents)]
    if not runs:
        return f"{_NOT}: no valid run whose tasks do nothing"
    best = min(runs, key=lambda run: run.p99_us or 0)
    histogram = results.histograms(best).get(CORRECTED)
    if histogram is None:
        return f"{_NOT}: no histogram was kept"
    shares = {"74 %": histogram.quantile_us(0.74), "99 %": best.p99_us, "99.9 %": best.p999_us}
    told = [f"{share} within {time_text(us)}" for share, us in shares.items() if us is not None]
    return f"{list_text(told)} (best run: {best.case}, {rate_text(best.rate_per_s or 0)})"


def _xadd(results: Results) -> str:
    runs = [run for run in results.of(Mode.COMMAND) if run.valid and run.throughput_per_s]
    mine = [run for run in runs if "XADD" in run.case and "pipelin" in run.case]
    if not mine:
        return _NOT
    best = max(mine, key=lambda run: run.throughput_per_s or 0)
    return f"{number_text(best.throughput_per_s or 0)} a second ({best.case})"


def _xreadgroup(results: Results) -> str:
    times = []
    for run in results.runs:
        if run.load.count != _COUNT or not run.valid:
            continue
        details = results.details(run)
        share = details.server.get("xreadgroup") if details is not None else None
        if share and share["usec_per_call"]:
            times.append(share["usec_per_call"])
    if not times:
        return f"{_NOT}: no valid run reads {_COUNT} at once"
    us = median(times)
    return f"{number_text(1e6 / us)} calls a second by the server's own time, {time_text(us)} each"


def _no_work(results: Results) -> str:
    per_s = medians(
        by_consumers([run for run in results.of(Mode.CAPACITY) if _idle(run)]), "throughput_per_s"
    )
    if not per_s:
        return f"{_NOT}: no valid capacity run whose tasks do nothing"
    told = [f"{number_text(per_s[count])} with {consumers_text(count)}" for count in per_s]
    return f"{list_text(told)}"
