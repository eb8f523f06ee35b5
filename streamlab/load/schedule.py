"""The schedule is data: when each task is due, known before the first is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamlab.errors import BadArgumentError
from streamlab.load.settings import SCHEDULES

if TYPE_CHECKING:
    import numpy.typing as npt

    Offsets = npt.NDArray[np.int64]

_BURSTS = re.compile(r"bursts:([1-9][0-9]{0,5})")


def due_offsets_ns(
    schedule: str, rate_per_s: float, seconds: float, *, seed: int = 1, warmup_s: float = 0.0
) -> Offsets:
    """When each task is due, in ns after t0, in order.

    Parameters
    ----------
    schedule
        ``"fixed"``: task i is due at i / `rate_per_s`. ``"exponential"``: gaps are drawn from an
        exponential distribution with that mean, from `seed` (arrivals that know nothing of each
        other: a Poisson process). ``"bursts:20"``: 20 tasks at once, every 20 / `rate_per_s`.
        ``"trace:FILE"``: a recorded one, a time in s in each line, counted from its first, and
        stretched so that its mean rate is `rate_per_s`; it is repeated until the time is filled.
    rate_per_s
        The mean rate λ, tasks per second, > 0.
    seconds, warmup_s
        The schedule covers [0, `warmup_s` + `seconds`).

    Raises
    ------
    BadArgumentError
        The schedule is none of these, or its file holds no rising times.
    """
    until_s = warmup_s + seconds
    tasks = max(1, round(rate_per_s * until_s))
    if schedule == "fixed":
        return _whole_ns(np.arange(tasks) * (1e9 / rate_per_s))
    if schedule == "exponential":
        gaps_ns = np.random.default_rng(seed).exponential(1e9 / rate_per_s, tasks)
        return _whole_ns(np.cumsum(gaps_ns))
    if burst := _BURSTS.fullmatch(schedule):
        size = int(burst.group(1))
        return _whole_ns(np.arange(tasks) // size * (size * 1e9 / rate_per_s))
    if schedule.startswith("trace:"):
        return _stretched(_trace_s(Path(schedule.removeprefix("trace:"))), rate_per_s, tasks)
    msg = f"schedule must be {SCHEDULES}, got {schedule!r}"
    raise BadArgumentError(msg)


def _trace_s(path: Path) -> npt.NDArray[np.float64]:
    try:
        times_s = np.array([float(line) for line in path.read_text().split()])
    except (OSError, ValueError) as exc:
        msg = f"a trace must be a file with a time in s in each line, got {path.name}: {exc}"
        raise BadArgumentError(msg) from exc
    rising = len(times_s) > 1 and np.isfinite(times_s).all() and (np.diff(times_s) >= 0).all()
    if not rising or times_s[-1] == times_s[0]:
        msg = f"a trace must have two or more times that rise, got {len(times_s)} in {path.name}"
        raise BadArgumentError(msg)
    since_s: npt.NDArray[np.float64] = times_s - times_s[0]
    return since_s


def _stretched(times_s: npt.NDArray[np.float64], rate_per_s: float, tasks: int) -> Offsets:
    """`tasks` times with the trace's own rhythm, at the mean rate asked for."""
    mean_gap_s = times_s[-1] / (len(times_s) - 1)
    rounds, length = -(-tasks // len(times_s)), len(times_s)
    # Between two rounds lies one mean gap: else the last and the first would be due at once.
    starts_s = np.repeat(np.arange(rounds) * (times_s[-1] + mean_gap_s), length)
    all_s = np.tile(times_s, rounds) + starts_s
    return _whole_ns(all_s[:tasks] * (1e9 / (mean_gap_s * rate_per_s)))


def _whole_ns(ns: npt.NDArray[np.floating[Any]]) -> Offsets:
    rounded: Offsets = np.rint(ns).astype(np.int64)
    return rounded
