"""The schedule is data: the i-th task is due at t0 + i/λ, whatever happened to those before it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# time.sleep wakes up late. Measured at 500 tasks/s on two cores, lateness in the median and share
# of one core: no spinning 131 µs, 3 %; the last 100 µs spun 35 µs, 3 %; the last 200 µs 0.4 µs,
# 6 %. At 5,000 tasks/s: 106 µs, 23 %; 14 µs, 23 %; 0.2 µs, 96 %. Hence:
_SPIN_NS = 100_000


def due_ns(number: int, t0_ns: int, rate_per_s: float) -> int:
    """When task `number` (from 0) is due, in ns of the clock that `t0_ns` was read from."""
    return t0_ns + round(number * 1e9 / rate_per_s)


def wait_until(
    due: int,
    *,
    clock: Callable[[], int] = time.monotonic_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when `clock`, in ns, has come to `due`: at once when that is past."""
    if (wait_ns := due - clock() - _SPIN_NS) > 0:
        sleep(wait_ns / 1e9)
    while clock() < due:
        pass


def paced(
    count: int,
    t0_ns: int,
    rate_per_s: float,
    *,
    clock: Callable[[], int] = time.monotonic_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Yield 0, 1, … `count` - 1, none before it is due; a late one at once, and none is skipped.

    This is wrk2's open loop: the schedule does not wait for the system it measures, so that a
    stall is seen by every task it delays (no coordinated omission).
    """
    for number in range(count):
        wait_until(due_ns(number, t0_ns, rate_per_s), clock=clock, sleep=sleep)
        yield number
