"""Which case is best and which is worst, by how much, and whether these runs can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.measure.runs import Mode
from streamlab.report.chosen import (
    by_condition,
    fixed_rate,
    grouped,
    loaded,
    medians,
    middle,
    planned,
    values,
)
from streamlab.report.phrases import (
    bytes_text,
    interval_text,
    list_text,
    number_text,
    percent_text,
    rate_text,
    time_text,
)
from streamlab.report.series import series_of
from streamlab.report.spread import ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

    Groups = dict[str, list[Run]]

_LOAD = 0.8
# How many lines are told of one by one.
_LINES = 4
#: A naive p99 that is so many times too small is worth a sentence.
_MISLED = 1.5


def case_sentences(results: Results) -> list[str]:
    """What the runs say of an experiment's cases; an empty sentence where they say nothing."""
    capacity = by_condition(planned(results, Mode.CAPACITY))
    latency = by_condition(planned(results, Mode.LATENCY))
    where, runs = comparable(results)
    return [
        _best(capacity, "throughput_per_s", rate_text, "finished", most=True),
        _best(by_condition(runs), "p99_us", time_text, f"{where} had a p99 of", most=False),
        *_commands(planned(results, Mode.COMMAND)),
        _misled(latency),
        _recovered(latency),
        _memory(results),
    ]


def comparable(results: Results) -> tuple[str, list[Run]]:
    """The latency runs that may be set side by side, and where they stand: one rate, or one load.

    Of loads that nearest to 80 %, which most experiments choose.
    """
    rate, fixed = fixed_rate(results)
    if fixed and rate is not None:
        return f"at {rate_text(rate)}", fixed
    shares = {run.share for run in loaded(results) if run.share is not None}
    if not shares:
        return "", []
    share = min(shares, key=lambda one: abs(one - _LOAD))
    where = f"at {percent_text(share)} of its own capacity"
    return where, [run for run in loaded(results) if run.share == share]


def _commands(runs: list[Run]) -> list[str]:
    """Of lines, how each goes from first point to last; else the best case and the worst."""
    series = series_of(runs)
    if not series or max(map(len, series.values())) == 1:
        by_case = grouped(runs, lambda run: run.case)
        return [_best(by_case, "p50_us", time_text, "took", most=False)]
    growth = {text: _growth(points) for text, points in series.items()}
    first = sorted(series, key=lambda text: -growth[text])[:_LINES]
    told = [_line(text, points) for text, points in series.items() if text in first]
    rest = [growth[text] for text in series if text not in first]
    if rest:
        told.append(f"Of {len(rest)} others none grew more than {number_text(max(rest))} times.")
    return told


def _growth(points: Mapping[float, list[Run]]) -> float:
    """How many times as long the last point takes as the first; 0 where nobody knows."""
    first, last = (middle(points[at], "p50_us") for at in (min(points), max(points)))
    return last / first if first and last else 0.0


def _line(text: str, points: Mapping[float, list[Run]]) -> str:
    known = {number: us for number, runs in points.items() if (us := middle(runs, "p50_us"))}
    if len(known) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    first, last = min(known), max(known)
    times = ratio(values(points[last], "p50_us"), values(points[first], "p50_us"))
    told = (
        f"{text} took {time_text(known[first])} at {number_text(first)} and "
        f"{time_text(known[last])} at {number_text(last)}"
    )
    if times is None or times.interval is None:
        return f"{told}."
    if not times.told_apart:
        return f"{told}: cannot tell whether it grows{interval_text(times)}."
    return f"{told}: {number_text(times.value)} times as long{interval_text(times)}."


def _best(
    groups: Groups, column: str, text: Callable[[float], str], verb: str, *, most: bool
) -> str:
    """The best and the worst case by one column, with their ratio and its interval."""
    found = medians(groups, column)
    if not found:
        return ""
    ordered = sorted(found, key=found.__getitem__, reverse=most)
    best, worst = ordered[0], ordered[-1]
    first = f"{best} {verb} {text(found[best])}"
    if best == worst:
        return f"{first}."
    high, low = (best, worst) if most else (worst, best)
    times = ratio(values(groups[high], column), values(groups[low], column))
    last = f"{worst} {text(found[worst])}"
    if times is None:
        return f"Best: {first}. Worst: {last}."
    if times.interval is None:
        told = "too few runs to tell whether that is more than chance"
    elif times.told_apart:
        told = f"{number_text(times.value)} times apart{interval_text(times)}"
    else:
        told = f"cannot tell: {number_text(times.value)} times apart{interval_text(times)}"
    return f"Best: {first}. Worst: {last}; {told}."


def _misled(groups: Groups) -> str:
    """Where a benchmark that waits would have told a p99 that is much too small."""
    parts = []
    for case, runs in groups.items():
        true, naive = middle(runs, "p99_us"), middle(runs, "uncorrected_p99_us")
        if true and naive and true >= _MISLED * naive:
            parts.append(
                f"{case}: {time_text(naive)} instead of {time_text(true)}, "
                f"{number_text(true / naive)} times too small"
            )
    if not parts:
        return ""
    return f"Counted from the sending, as a benchmark that waits does, p99 is {list_text(parts)}."


def _recovered(groups: Groups) -> str:
    """How long until what had been sent before a kill was done, and what was lost or done twice."""
    parts = []
    for case, runs in groups.items():
        killed = [run for run in runs if run.valid and run.kills]
        took = middle(killed, "recovery_ms")
        if took is None:
            continue
        twice = sum(run.duplicated for run in killed)
        lost = sum(run.lost for run in killed)
        kills = sum(run.kills or 0 for run in killed)
        parts.append(
            f"{case} {time_text(1000 * took)} (median over {kills} kills), with "
            f"{lost or 'no'} tasks lost and {twice or 'none'} done twice"
        )
    if not parts:
        return ""
    return f"From a kill until all that had been sent before it was done: {'; '.join(parts)}."


def _memory(results: Results) -> str:
    if "memory" not in results.manifest.get("charts", []):
        return ""
    parts = []
    for case, runs in by_condition(planned(results, Mode.LATENCY)).items():
        grown, whole = middle(runs, "memory_grown_bytes"), middle(runs, "memory_bytes")
        if grown is not None and whole is not None:
            how = "grew" if grown >= 0 else "fell"
            parts.append(f"{case} {how} by {bytes_text(abs(grown))} to {bytes_text(whole)}")
    return f"used_memory: {'; '.join(parts)}." if parts else ""
