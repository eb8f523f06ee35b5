"""How many consumers, and what latency: sentences made from valid runs only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.bench.runs import Mode

if TYPE_CHECKING:
    from streamlab.bench.result import BenchResult

#: A smaller number of consumers is as good as the best when its median comes so close.
_AS_GOOD = 0.95


def consumers_text(count: int) -> str:
    """``1 consumer``, ``2 consumers``."""
    return f"{count} consumer" + "s" * (count != 1)


def time_text(us: float) -> str:
    """A duration given in µs, with three digits and the unit that suits it."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:.3g} {unit}"
    return f"{us:.0f} µs"


def answer(result: BenchResult) -> list[str]:
    """What was found, in up to three sentences; each figure is a median over valid runs."""
    sentences = [_capacity(result), _latency(result), _trust(result)]
    return [sentence for sentence in sentences if sentence]


def _known(result: BenchResult, mode: Mode, column: str) -> dict[int, float]:
    medians = ((n, result.median(mode, n, column)) for n in sorted(result.settings.consumers))
    return {count: value for count, value in medians if value is not None}


def _capacity(result: BenchResult) -> str:
    per_s = _known(result, Mode.CAPACITY, "throughput_per_s")
    if not per_s:
        return ""
    best, least = max(per_s, key=per_s.__getitem__), min(per_s)
    text = f"{consumers_text(best)} finished {per_s[best]:,.0f} tasks/s"
    if len(per_s) == 1:
        return text + "."
    if best == least:
        return f"{text}, and more consumers did not finish more."
    text += f", {per_s[best] / per_s[least]:.1f} times what {consumers_text(least)} did"
    enough = next(count for count in per_s if per_s[count] >= _AS_GOOD * per_s[best])
    return (
        f"{text}; {enough} come within {1 - _AS_GOOD:.0%} of that." if enough < best else text + "."
    )


def _latency(result: BenchResult) -> str:
    half = _known(result, Mode.LATENCY, "p50_us")
    most = _known(result, Mode.LATENCY, "p99_us")
    both = [count for count in half if count in most]
    if not both:
        return ""
    best = min(both, key=most.__getitem__)
    parts = [
        f"with {consumers_text(count)} half of the tasks were done within {time_text(half[count])} "
        f"of being due, and 99% within {time_text(most[count])}"
        for count in sorted({both[0], best})
    ]
    return f"At a fixed {result.rate_per_s:g} tasks/s, " + "; ".join(parts) + "."


def _trust(result: BenchResult) -> str:
    bad, runs = sum(not run.valid for run in result.runs), len(result.runs)
    if not bad:
        return ""
    if bad == runs:
        return "No run can be trusted; the table says why."
    return (
        f"{bad} of {runs} runs are invalid: they count for nothing above, and the table says why."
    )
