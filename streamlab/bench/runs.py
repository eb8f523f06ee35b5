"""A run as a row: what it measured, whether it may be trusted, and why not."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Self

from streamlab.bench.figures import account, middle_throughput_per_s, open_loop_figures
from streamlab.bench.gates import Facts, judge, saturated

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from streamlab.bench.observed import Observed


class Mode(StrEnum):
    """What a run measures; the two are never mixed."""

    CAPACITY = "capacity"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, with the columns of ``runs.csv``; None is an empty cell: not measured, or unknown.

    Attributes
    ----------
    mode
        ``capacity``: a backlog was drained. ``latency``: an open loop at a fixed λ.
    consumers
        How many consumer processes.
    repeat
        From 1 on.
    rate_per_s
        λ of a latency run.
    throughput_per_s
        Tasks done per second, over the middle of a backlog or the measured part of an open loop.
    p50_us, p90_us, p99_us, max_us
        Latency in µs from when a task was due to when its handler had ended.
    uncorrected_p99_us
        The p99 counted from when a task was sent: what a benchmark that waits would have said.
    lost
        Tasks that XADD acknowledged and nobody did or will do.
    duplicated
        Tasks done more than once.
    valid
        Whether every gate let the run pass.
    reason
        What the gates said; empty for a valid run.
    """

    mode: Mode
    consumers: int
    repeat: int
    rate_per_s: float | None = None
    throughput_per_s: float | None = None
    p50_us: int | None = None
    p90_us: int | None = None
    p99_us: int | None = None
    max_us: int | None = None
    uncorrected_p99_us: int | None = None
    lost: int
    duplicated: int
    valid: bool
    reason: str


COLUMNS = tuple(field.name for field in fields(Run))


def _rounded(per_s: float | None) -> float | None:
    return None if per_s is None else round(per_s, 1)


def capacity_run(observed: Observed, consumers: int, repeat: int) -> Run:
    """Judge a drained backlog. It has no percentiles: a saturated system's say nothing."""
    tasks = account(observed)
    per_s = middle_throughput_per_s(observed.effects["done_ns"])
    reason = judge(Facts(tasks, observed.endings, throughput_per_s=per_s))
    return Run(
        mode=Mode.CAPACITY,
        consumers=consumers,
        repeat=repeat,
        throughput_per_s=_rounded(per_s),
        lost=tasks.lost,
        duplicated=tasks.duplicated,
        valid=not reason,
        reason=reason,
    )


def latency_run(
    observed: Observed, consumers: int, repeat: int, rate_per_s: float, seconds: float
) -> Run:
    """Judge an open loop. Percentiles stay out when it was saturated, or has too few samples."""
    tasks = account(observed)
    loop = open_loop_figures(observed, rate_per_s, seconds)
    facts = Facts(tasks, observed.endings, rate_per_s, loop)
    reason, publish = judge(facts), saturated(facts) is None
    return Run(
        mode=Mode.LATENCY,
        consumers=consumers,
        repeat=repeat,
        rate_per_s=rate_per_s,
        throughput_per_s=_rounded(loop.throughput_per_s),
        p50_us=loop.corrected.quantile_us(0.5) if publish else None,
        p90_us=loop.corrected.quantile_us(0.9) if publish else None,
        p99_us=loop.corrected.quantile_us(0.99) if publish else None,
        max_us=loop.corrected.max_us if publish else None,
        uncorrected_p99_us=loop.uncorrected.quantile_us(0.99) if publish else None,
        lost=tasks.lost,
        duplicated=tasks.duplicated,
        valid=not reason,
        reason=reason,
    )


def median_of_valid(runs: Iterable[Run], mode: Mode, consumers: int, column: str) -> float | None:
    """The median of a column over the valid runs of one mode and count; None without any.

    A p99 that stands for several runs is the median of theirs, never their mean.
    """
    values = [
        getattr(run, column)
        for run in runs
        if (run.mode, run.consumers) == (mode, consumers) and run.valid
    ]
    known = [value for value in values if value is not None]
    return median(known) if known else None


class RunsCsv:
    """``runs.csv``, complete up to the last run at any time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._row(COLUMNS)

    def write(self, run: Run) -> None:
        """Append a run, and see to it that it outlives this process."""
        cells = (getattr(run, column) for column in COLUMNS)
        self._row("" if c is None else str(c).lower() if isinstance(c, bool) else c for c in cells)

    def _row(self, cells: Iterable[object]) -> None:
        self._writer.writerow(cells)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
