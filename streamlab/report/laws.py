"""The scaling law of a folder's capacity runs, or why there is none; the same in plain words."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from streamlab.load.settings import consumers_text
from streamlab.measure.runs import Mode
from streamlab.model.law import ENOUGH_COUNTS
from streamlab.report.chosen import by_consumers, planned, values
from streamlab.report.phrases import joined, number_text, percent_text

if TYPE_CHECKING:
    from streamlab.measure.folder import Results
    from streamlab.measure.spread import Interval
    from streamlab.model.law import Law


_SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


def law_of(results: Results) -> Law | None:
    """The law through the valid capacity runs; None with fewer than six different counts."""
    groups = by_consumers(planned(results, Mode.CAPACITY))
    points = [(n, x) for n, runs in groups.items() for x in values(runs, "throughput_per_s") if x]
    if len({count for count, _ in points}) < ENOUGH_COUNTS:
        return None
    return _fit(tuple(points))


@lru_cache(maxsize=8)
def _fit(points: tuple[tuple[int, float], ...]) -> Law:
    """A fit takes 0.3 s, and the figure, its words and the answer all ask for it."""
    from streamlab.model.scaling import fit  # noqa: PLC0415 - scipy, which few folders need

    return fit([count for count, _ in points], [per_s for _, per_s in points])


def no_law_text(results: Results) -> str:
    """Why there is no law."""
    counts = {run.consumers for run in planned(results, Mode.CAPACITY) if run.valid}
    return (
        f"No scaling law: it takes {ENOUGH_COUNTS} numbers of consumers with valid runs, "
        f"and there are {len(counts)}."
    )


def law_text(law: Law) -> str:
    """Contention, coherency and the peak in plain words, with their intervals."""
    sigma = f"{_SIGMA}{_interval(law.sigma_interval, 100, ' %')}"
    kappa = f"κ{_interval(law.kappa_interval, 100, ' %')}"
    contention = (
        f"{percent_text(law.sigma)} of the work is queued for something that only one can have at "
        f"a time (contention, {sigma})"
        if law.sigma
        else f"no contention shows ({sigma})"
    )
    coherency = (
        f"each pair of consumers costs {percent_text(law.kappa)} of a task (coherency, {kappa})"
        if law.kappa
        else f"no cost of consumers to each other shows ({kappa})"
    )
    notes = [f"Note: {one}." for one in law.caveats if "peak" not in one]
    return joined(
        f"By the Universal Scalability Law, {contention}, and {coherency}.", peak_text(law), *notes
    )


def peak_text(law: Law) -> str:
    """N* in words, and nothing of it that was not measured."""
    if law.peak > law.largest:
        return f"No peak lies within the {consumers_text(law.largest)} that were measured."
    interval = _interval(law.peak_interval)
    return f"Beyond about {law.peak:.0f} consumers (N*{interval}) more of them finish less."


def _interval(interval: Interval | None, times: float = 1, unit: str = "") -> str:
    if interval is None:
        return ""
    ends = [
        f"{number_text(times * end)}{unit}" if math.isfinite(end) else "without bound"
        for end in (interval.low, interval.high)
    ]
    return f", interval {' to '.join(ends)}"
