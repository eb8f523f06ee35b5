"""The harness's own floor: the package's queue and worker beside a bare redis-py loop, in turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from streamlab.errors import BenchError
from streamlab.load.settings import Load, Reader, Sender
from streamlab.measure.figures import middle_throughput_per_s, open_loop_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.bench.experiment import Size
    from streamlab.load.rig import Rig

#: λ of the floor's runs, tasks per second, and how long each is measured, in s.
RATE_PER_S = 500.0
SECONDS = 0.5
#: Tasks of the backlog that each drains.
BACKLOG = 2_000
#: How often each is run, in turns: the noise of the machine meets both.
ROUNDS = 3

_HARNESS = Load(work_ms=0)
_BARE = replace(_HARNESS, sender=Sender.XADD, reader=Reader.LOOP)


@dataclass(frozen=True, slots=True)
class Floor:
    """One consumer with an empty handler; lists have one figure a round.

    Attributes
    ----------
    bare_p50_us, harness_p50_us
        Median latencies in µs at `RATE_PER_S`: XADD in one process, XREADGROUP and XACK in
        another, nothing else; `TaskQueue.enqueue` and a `Worker`.
    bare_per_s, harness_per_s
        Tasks per second from a backlog.
    """

    bare_p50_us: list[float]
    harness_p50_us: list[float]
    bare_per_s: list[float]
    harness_per_s: list[float]

    @property
    def p50_ratios(self) -> list[float]:
        """How many times the bare loop's median latency the package's is, of each round."""
        pairs = zip(self.harness_p50_us, self.bare_p50_us, strict=True)
        return [round(ours / bare, 3) for ours, bare in pairs]

    @property
    def throughput_ratios(self) -> list[float]:
        """What share of the bare loop's throughput the package's is, of each round."""
        pairs = zip(self.harness_per_s, self.bare_per_s, strict=True)
        return [round(ours / bare, 3) for ours, bare in pairs]

    @property
    def ratio(self) -> float:
        """The median of `p50_ratios`."""
        return median(self.p50_ratios)

    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {
            "rate_per_s": RATE_PER_S,
            "bare_p50_us": self.bare_p50_us,
            "harness_p50_us": self.harness_p50_us,
            "p50_ratios": self.p50_ratios,
            "bare_per_s": self.bare_per_s,
            "harness_per_s": self.harness_per_s,
            "throughput_ratios": self.throughput_ratios,
        }


def floor_for(
    size: Size, rig: Rig, tick: Callable[[str], None], rounds: int | None = None
) -> Floor:
    """As much of it as suits a study's size: a quick look beside runs of less than a second."""
    if size.brief:
        return measure_floor(rig, tick, rounds=1, seconds=0.3, backlog=300)
    return measure_floor(rig, tick, rounds=rounds or size.floor_rounds)


def measure_floor(
    rig: Rig,
    tick: Callable[[str], None] = lambda _text: None,
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    backlog: int = BACKLOG,
) -> Floor:
    """Run both in turns, `rounds` times; `tick` is told before each run.

    Raises
    ------
    BenchError
        If a run has no figure: the machine did not even do this.
    """
    found: dict[str, tuple[list[float], list[float]]] = {}
    for number in range(rounds):
        for name, load in (("bare", _BARE), ("harness", _HARNESS)):
            tick(f"floor {number + 1}/{rounds}: {name}")
            latencies, rates = found.setdefault(name, ([], []))
            latencies.append(_p50_us(rig, load, seconds))
            rates.append(_per_s(rig, load, backlog))
    return Floor(found["bare"][0], found["harness"][0], found["bare"][1], found["harness"][1])


def _p50_us(rig: Rig, load: Load, seconds: float) -> float:
    observed = rig.open_loop(load, RATE_PER_S, seconds)
    corrected = open_loop_figures(observed).corrected
    p50_us = corrected.quantile_us(0.5)
    if p50_us is None:
        why = "; ".join(observed.endings) or f"only {corrected.count} tasks were done"
        msg = f"no floor at {RATE_PER_S:g} tasks/s ({why}): try again on a quieter machine"
        raise BenchError(msg)
    return float(p50_us)


def _per_s(rig: Rig, load: Load, backlog: int) -> float:
    observed = rig.drain(load, backlog)
    per_s = middle_throughput_per_s(observed.effects["done_ns"])
    if per_s is None:
        why = "; ".join(observed.endings) or f"{len(observed.effects)} of {backlog} were done"
        msg = f"no floor from a backlog ({why}): try again on a quieter machine"
        raise BenchError(msg)
    return round(per_s, 1)
