"""What a process of a run tells of itself at its end: its share of a core, and its clocks."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def clock_offset_ns() -> int:
    """What the wall clock is ahead of the monotonic one, in ns: constant unless one is stepped.

    Of eleven readings the one whose two sides were closest together.
    """
    readings = []
    for _ in range(11):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


@dataclass(frozen=True, slots=True)
class Life:
    """One process, from "go" to its end.

    Attributes
    ----------
    cpu_share
        The share of one core that it used, >= 0.
    clock_step_ns
        How far its wall clock and its monotonic clock moved against each other, in ns.
    seconds
        How long that was.
    """

    cpu_share: float
    clock_step_ns: int
    seconds: float

    @classmethod
    def read(cls, path: Path) -> Life | None:
        """What the process wrote; None if it did not live to write it."""
        return cls(**json.loads(path.read_text())) if path.exists() else None


@contextlib.contextmanager
def life_noted(path: Path) -> Iterator[None]:
    """Write the `Life` of what happens inside into `path`, however it ends, SIGKILL excepted."""
    offset_ns, cpu_ns, began_ns = clock_offset_ns(), time.process_time_ns(), time.monotonic_ns()
    try:
        yield
    finally:
        wall_ns = max(1, time.monotonic_ns() - began_ns)
        life = Life(
            cpu_share=(time.process_time_ns() - cpu_ns) / wall_ns,
            clock_step_ns=clock_offset_ns() - offset_ns,
            seconds=wall_ns / 1e9,
        )
        path.write_text(json.dumps(asdict(life)))
