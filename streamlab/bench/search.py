"""Where a case saturates: double the rate until the backlog grows, then halve the gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    from streamlab.bench.study import Study
    from streamlab.load.settings import Load

# What a producer process can offer at the most (it says itself when it cannot hold a rate).
_HIGHEST_PER_S = 50_000.0
# The search is over when the gap is 5 % of the rate: the noise of short runs is not smaller.
_CLOSE = 1.05


def saturation_per_s(
    study: Study, case: str, load: Load, start_per_s: float, *, repeat: int = 1
) -> float | None:
    """The highest rate that a case holds, tasks per second; each try is a row of its own.

    A try is a short open loop. It is held when its backlog did not grow and its producer kept the
    schedule. This asks what a drained backlog does not: whether the consumers hold the rate while
    a producer works beside them on the same cores.

    Parameters
    ----------
    start_per_s
        Where to begin: a capacity that was measured by draining.

    Returns
    -------
    None when not even a sixteenth of `start_per_s` is held.
    """
    seconds = 0.3 if study.size.tiny else min(2.0, study.size.seconds)

    def held(rate_per_s: float) -> bool:
        tried = study.latency(case, load, rate_per_s, repeat, seconds=seconds, mode=Mode.SEARCH)
        return tried.kept_up

    low, high = 0.0, start_per_s
    while high <= _HIGHEST_PER_S and held(high):
        low, high = high, 2 * high
    while not low and high > start_per_s / 16:
        if held(high / 2):
            low = high / 2
        else:
            high /= 2
    if not low:
        return None
    while high / low > (1.5 if study.size.tiny else _CLOSE):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if held(middle) else (low, middle)
    return low
