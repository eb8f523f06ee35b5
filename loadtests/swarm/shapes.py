"""A shape is a rate over time, along which a schedule lays out the tasks: due times, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import count, pairwise
from typing import TYPE_CHECKING

import numpy as np

from streamlab.load.schedule import due_offsets_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

_CHUNK = 4096  # tasks laid out at a time: a test may have no end
_SEEDS = 2**20  # chunks of one seed, before they would be those of the next


class Shape(StrEnum):
    """How the rate goes over time; each reaches ``--task-rate`` at its highest."""

    NONE = "none"  # one rate, until somebody stops it
    STEPS = "steps"  # 20, 40, 60, 80, 100 %
    RAMP = "ramp"  # from 0 to 100 %, in a straight line
    SPIKE = "spike"  # 20 %, for the middle fifth 100 %, and 20 % again
    SOAK = "soak"  # 100 %, for long, told in tenths: does anything drift?

    @property
    def usual_s(self) -> float:
        """How long it takes when nothing else is asked for, in s."""
        return 3600.0 if self is Shape.SOAK else 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a shape, whose latencies are told by themselves.

    Attributes
    ----------
    name
        What the table calls it.
    seconds
        How long it is, > 0.
    begins, ends
        The rate at its beginning and at its end, as shares of the highest; a straight line between.
    """

    name: str
    seconds: float
    begins: float
    ends: float

    def told(self, rate_per_s: float) -> str:
        """Its name and its rates."""
        first, last = self.begins * rate_per_s, self.ends * rate_per_s
        rates = f"{first:.4g}" if first == last else f"{first:.4g} to {last:.4g}"
        return f"{self.name}, {rates}/s"


def stages_of(shape: Shape, seconds: float) -> tuple[Stage, ...]:
    """The stages of `shape`, `seconds` long in all; none for a rate without end."""
    fifths = [share / 5 for share in range(6)]
    if shape is Shape.STEPS:
        return tuple(Stage(f"step {n}", seconds / 5, n / 5, n / 5) for n in range(1, 6))
    if shape is Shape.RAMP:
        parts = enumerate(pairwise(fifths), 1)
        return tuple(Stage(f"ramp {n}", seconds / 5, *edges) for n, edges in parts)
    if shape is Shape.SPIKE:
        long, short = 0.4 * seconds, 0.2 * seconds
        sides = Stage("before", long, 0.2, 0.2), Stage("after", long, 0.2, 0.2)
        return sides[0], Stage("spike", short, 1.0, 1.0), sides[1]
    if shape is Shape.SOAK:
        return tuple(Stage(f"tenth {n}", seconds / 10, 1.0, 1.0) for n in range(1, 11))
    return ()


def arrivals(
    schedule: str, rate_per_s: float, stages: tuple[Stage, ...], seed: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield (when each task is due, in ns after the first moment; its stage) of the next tasks.

    A schedule for one task a second gives each task a place u; it is due when the shape has let
    u tasks through: at the t for which the integral of the rate from 0 to t is u. So even gaps
    stay even, and exponential ones are a Poisson process with a rate that changes over time
    (Çinlar 1975, time change). The tasks end when the stages do; without stages they never end.

    Parameters
    ----------
    schedule
        ``"fixed"``, ``"exponential"`` or ``"bursts:SIZE"``, as `due_offsets_ns` has them.
    rate_per_s
        The highest rate, > 0.
    """
    if not stages:
        for places in _places(schedule, seed):
            yield _whole_ns(places / rate_per_s), [0] * len(places)
    starts_s = np.cumsum([0.0, *(stage.seconds for stage in stages)])
    first, last = (np.array([getattr(s, x) for s in stages]) * rate_per_s for x in _EDGES)
    seconds = np.diff(starts_s)
    # Rounded: else 36.000000000000004 would let a task through that the next stage should have.
    ends = np.round(np.cumsum(seconds * (first + last) / 2), 6)
    for places in _places(schedule, seed):
        inside = places[places < ends[-1]]
        at = np.searchsorted(ends, inside, side="right")
        left = inside - np.concatenate([[0.0], ends])[at]
        slope = (last - first)[at] / seconds[at]
        # first * x + slope * x^2 / 2 = left, in the form that loses no digits for a flat stage.
        below = first[at] + np.sqrt(first[at] ** 2 + 2 * slope * left)
        into_s = np.divide(2 * left, below, out=np.zeros_like(left), where=below > 0)
        yield _whole_ns(starts_s[at] + into_s), at.tolist()
        if len(inside) < len(places):
            return


_EDGES = ("begins", "ends")


def _places(schedule: str, seed: int) -> Iterator[Floats]:
    """Places of tasks, one per unit in the mean, in chunks that follow each other without end."""
    size = int(schedule.partition(":")[2] or 1)  # of a burst, which no chunk may cut
    tasks, base = size * -(-_CHUNK // size), 0.0
    for chunk in count():
        offsets = due_offsets_ns(schedule, 1.0, tasks, seed=seed * _SEEDS + chunk)
        places: Floats = base + offsets / 1e9
        yield places
        base = float(places[-1]) if schedule == "exponential" else base + tasks


def _whole_ns(seconds: Floats) -> list[int]:
    whole: list[int] = np.rint(seconds * 1e9).astype(np.int64).tolist()
    return whole
