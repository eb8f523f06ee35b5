"""Which runs a figure or a sentence is about: chosen in one place, so that both mean the same."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from streamlab.measure.folder import HDR
from streamlab.measure.runs import Mode, Run
from streamlab.report.phrases import percent_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from streamlab.measure.folder import Results

    T = TypeVar("T")

#: A load "at 80 %" may be this far off, as a share of capacity.
_NEAR = 0.051


def planned(results: Results, mode: Mode) -> list[Run]:
    """The runs of one mode whose case is among the manifest's, in their order; else all of it."""
    runs, cases = results.of(mode), results.manifest.get("cases", [])
    mine = [run for run in runs if run.case in cases]
    return sorted(mine, key=lambda run: cases.index(run.case)) if mine else runs


def fixed_rate(results: Results) -> tuple[float | None, list[Run]]:
    """The latency runs that share one λ, and that λ in tasks/s: the one most runs have."""
    runs = [run for run in planned(results, Mode.LATENCY) if run.share is None]
    rates = Counter(run.rate_per_s for run in runs)
    if not rates:
        return None, []
    rate = rates.most_common(1)[0][0]
    return rate, [run for run in runs if run.rate_per_s == rate]


def loaded(results: Results) -> list[Run]:
    """The latency runs whose λ was a share of their case's own capacity."""
    return [run for run in planned(results, Mode.LATENCY) if run.share is not None]


def at_share(results: Results, share: float) -> list[Run]:
    """The latency runs nearest to that load, if any comes within five percent of capacity."""
    runs = loaded(results)
    nearest = min((abs((run.share or 0) - share) for run in runs), default=1.0)
    if nearest > _NEAR:
        return []
    return [run for run in runs if abs(abs((run.share or 0) - share) - nearest) < 1e-9]  # noqa: PLR2004 - the same share, as a float


def grouped(runs: Iterable[Run], key: Callable[[Run], T]) -> dict[T, list[Run]]:
    """Runs by what `key` says of each, in the order of the first of each."""
    found: dict[T, list[Run]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return found


def by_consumers(runs: Iterable[Run]) -> dict[int, list[Run]]:
    """Runs by their number of consumers, the smallest first."""
    found = grouped(runs, lambda run: run.consumers)
    return {count: found[count] for count in sorted(found)}


def by_condition(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by what they were asked: their case, and the load or the rate where a case has several.

    The order is that of `runs`; within a case, the smaller load comes first.
    """
    settings = grouped(runs, lambda run: run.case)
    several = {
        case: len({(run.share, run.rate_per_s) for run in mine}) > 1
        for case, mine in settings.items()
    }
    order = {case: at for at, case in enumerate(settings)}
    ordered = sorted(runs, key=lambda run: (order[run.case], run.share or 0, run.rate_per_s or 0))
    return grouped(ordered, lambda run: _label(run) if several[run.case] else run.case)


def _label(run: Run) -> str:
    if run.share is not None:
        return f"{run.case}, {percent_text(run.share)} load"
    return f"{run.case}, {run.rate_per_s:g}/s" if run.rate_per_s is not None else run.case


def values(runs: Iterable[Run], column: str) -> list[float]:
    """The column of the valid runs that have it."""
    found = [getattr(run, column) for run in runs if run.valid]
    return [float(value) for value in found if value is not None]


def middle(runs: Iterable[Run], column: str) -> float | None:
    """The median of the column over the valid runs; None without any."""
    found = values(runs, column)
    return median(found) if found else None


def medians(groups: dict[T, list[Run]], column: str) -> dict[T, float]:
    """The medians over the valid runs of each group that has any."""
    found = ((key, middle(runs, column)) for key, runs in groups.items())
    return {key: value for key, value in found if value is not None}


def median_run(runs: Sequence[Run]) -> Run | None:
    """The run in the middle by its p99, or by its longest latency where none has a p99.

    Valid ones are preferred; of an even number, the smaller of the two in the middle.
    """
    known = [run for run in runs if run.valid] or list(runs)
    for column in ("p99_us", "max_us"):
        having = [run for run in known if getattr(run, column) is not None]
        if having:
            return sorted(having, key=lambda run: getattr(run, column))[(len(having) - 1) // 2]
    return known[0] if known else None


def has_percentiles(results: Results, run: Run) -> bool:
    """Whether its latencies were kept, and may be shown: a saturated run's may not.

    Its row has no percentiles then; its log has them all the same.
    """
    kept = bool(run.name) and (results.path / HDR / f"{run.name}.hdr").exists()
    return kept and run.p50_us is not None


def spread_out(keys: Sequence[T], most: int) -> list[T]:
    """At most so many of the keys, the first and the last among them, evenly apart."""
    if len(keys) <= most:
        return list(keys)
    step = (len(keys) - 1) / (most - 1)
    return [keys[round(at * step)] for at in range(most)]
