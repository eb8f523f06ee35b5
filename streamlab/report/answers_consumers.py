"""How many consumers, and what latency: capacity, scaling, latency at one rate and under load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.load.settings import consumers_text
from streamlab.measure.runs import Mode
from streamlab.report.chosen import (
    at_share,
    by_consumers,
    fixed_rate,
    grouped,
    medians,
    middle,
    planned,
    values,
)
from streamlab.report.laws import law_of, law_text, no_law_text
from streamlab.report.phrases import (
    interval_text,
    list_text,
    number_text,
    percent_text,
    rate_text,
    time_text,
)
from streamlab.report.spread import ratio, spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

#: A smaller number of consumers is as good as the best when its median comes so close.
_AS_GOOD = 0.95
#: The load that is told of: high, and yet not saturated.
_LOAD = 0.8


def consumer_sentences(results: Results) -> list[str]:
    """What the runs say of numbers of consumers; an empty sentence where they say nothing."""
    capacity = _capacity(results)
    law = law_of(results)
    scaling = law_text(law) if law else no_law_text(results)
    latency = [_fixed(results), _loaded(results)]
    return [capacity, scaling if capacity else "", *latency, _unpublished(results, latency)]


def _capacity(results: Results) -> str:
    groups = by_consumers(planned(results, Mode.CAPACITY))
    per_s = medians(groups, "throughput_per_s")
    if not per_s:
        return ""
    best, least = max(per_s, key=per_s.__getitem__), min(per_s)
    found = spread(values(groups[best], "throughput_per_s"))
    text = f"{consumers_text(best)} finished {rate_text(per_s[best])}"
    text += interval_text(found) if found else ""
    if len(per_s) == 1:
        return text + "."
    if best == least:
        return f"{text}, the most; more consumers did not finish more."
    text += f", {_times(groups[best], groups[least], consumers_text(least))}"
    enough = next(count for count in per_s if per_s[count] >= _AS_GOOD * per_s[best])
    if enough < best:
        text += f"; {enough} come within {percent_text(1 - _AS_GOOD)} of that"
    return text + "."


def _times(most: Sequence[Run], least: Sequence[Run], who: str) -> str:
    """How many times as much, or that these runs cannot tell."""
    times = ratio(values(most, "throughput_per_s"), values(least, "throughput_per_s"))
    if times is None:
        return f"the most; {who} finished nothing"
    told = f"{number_text(times.value)} times what {who} did"
    if times.interval is None:
        return f"{told} (too few runs for an interval)"
    if not times.told_apart:
        return f"{told}{interval_text(times)}: these runs cannot tell the two apart"
    return f"{told}{interval_text(times)}"


def _fixed(results: Results) -> str:
    rate, runs = fixed_rate(results)
    groups = by_consumers(runs)
    most, half = medians(groups, "p99_us"), medians(groups, "p50_us")
    both = [count for count in groups if count in most and count in half]
    if not both or rate is None:
        return ""
    best = min(both, key=most.__getitem__)
    parts = [
        f"with {consumers_text(count)} half of the tasks were done within {time_text(half[count])} "
        f"of being due, and 99 % within {time_text(most[count])}"
        for count in sorted({both[0], best})
    ]
    return f"At {rate_text(rate)} for all, {'; '.join(parts)}.{_no_better(groups, both[0], best)}"


def _no_better(groups: Mapping[int, Sequence[Run]], first: int, best: int) -> str:
    if first == best:
        return ""
    times = ratio(values(groups[first], "p99_us"), values(groups[best], "p99_us"))
    if times is None or times.told_apart:
        return ""
    return " These runs cannot tell the two p99 apart."


def _loaded(results: Results) -> str:
    runs = at_share(results, _LOAD)
    groups = by_consumers(runs)
    most = medians(groups, "p99_us")
    if not most:
        return ""
    parts = []
    for count in sorted({min(most), max(most)}):
        rate = middle(groups[count], "rate_per_s") or 0.0
        half = middle(groups[count], "p50_us") or 0.0
        parts.append(
            f"{consumers_text(count)} ({rate_text(rate)}) had half of the tasks done within "
            f"{time_text(half)} and 99 % within {time_text(most[count])}"
        )
    load = percent_text(runs[0].share or _LOAD)
    return f"At {load} of their own capacity, {list_text(parts)}."


def _unpublished(results: Results, told: Sequence[str]) -> str:
    """Why there is no latency to tell, where there should be."""
    runs = planned(results, Mode.LATENCY)
    if any(told) or not runs:
        return ""
    full = grouped(runs, lambda run: "saturated" in run.reason).get(True, [])
    if len(full) == len(runs):
        return (
            "No latency can be told: in every latency run the backlog grew to the end, and such a "
            "run's percentiles say only how long it was. Lower the rate, or add consumers."
        )
    return "No latency can be told: no valid run has a p99."
