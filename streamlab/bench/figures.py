"""From what a run left behind to figures: each task accounted for, rates, latencies. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamlab.bench.latency import LatencyHistogram
from streamlab.bench.observed import first_measured
from streamlab.bench.schedule import due_ns

if TYPE_CHECKING:
    import numpy.typing as npt

    from streamlab.bench.observed import Observed

#: The shares of the tasks that were done before and after the middle of a drained backlog: its
#: beginning (processes that warm up) and its tail (consumers that find nothing more) do not count.
MIDDLE = (0.2, 0.8)
_FEWEST_IN_MIDDLE = 20


@dataclass(frozen=True, slots=True)
class Account:
    """Where each task ended, in numbers of tasks.

    Attributes
    ----------
    lost
        Acknowledged by XADD, no effect, and no longer on the stream's list of things to do.
    duplicated
        Effect seen more than once (at-least-once allows it).
    unexpected
        Effect of a task that nobody sent.
    pending, unread
        Left on the stream: delivered and not acknowledged; never delivered.
    """

    lost: int
    duplicated: int
    unexpected: int
    pending: int
    unread: int


def account(observed: Observed) -> Account:
    """Hold the sends against the effects, task by task."""
    numbers, times = np.unique(observed.effects["number"], return_counts=True)
    done = set(numbers.tolist())
    waiting = {*observed.pending, *observed.unread}
    return Account(
        lost=len(set(observed.sends["number"].tolist()) - done - waiting),
        duplicated=int((times > 1).sum()),
        unexpected=sum(not 0 <= number < observed.attempted for number in done),
        # A task whose effect is known and whose XACK is not: pending, and counted as such.
        pending=len(set(observed.pending)),
        unread=len(set(observed.unread)),
    )


def middle_throughput_per_s(done_ns: npt.NDArray[np.int64]) -> float | None:
    """Completions per second over the `MIDDLE` of a drained backlog; None when it is too short."""
    done_ns = np.sort(done_ns)
    first, last = (int(len(done_ns) * share) for share in MIDDLE)
    if last - first < _FEWEST_IN_MIDDLE or done_ns[last] == done_ns[first]:
        return None
    return float((last - first) * 1e9 / (done_ns[last] - done_ns[first]))


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """The figures of an open loop, without its warm-up.

    Attributes
    ----------
    corrected, uncorrected
        Latencies from when a task was due; from when it was sent.
    sent_per_s
        The rate that was achieved; None for fewer than two tasks.
    throughput_per_s
        Completions per second; None for fewer than two.
    own_lag_p99_us
        How late the producer sent, counted from when the task was due and the reply to the one
        before had come: its own lateness, without the server's. None for no task.
    producer_cpu
        The share of one core that the producer used.
    sent
        How many tasks were sent.
    growth
        How many more tasks were in the system at the end of the sending than at its beginning.
    """

    corrected: LatencyHistogram
    uncorrected: LatencyHistogram
    sent_per_s: float | None
    throughput_per_s: float | None
    own_lag_p99_us: float | None
    producer_cpu: float | None
    sent: int
    growth: float


def open_loop_figures(observed: Observed, rate_per_s: float, seconds: float) -> OpenLoop:
    """The figures of the tasks from `first_measured` on."""
    first = first_measured(rate_per_s, seconds)
    numbers, sent = observed.sends["number"], observed.sends["sent_ns"]
    due = np.array([due_ns(int(n), observed.t0_ns, rate_per_s) for n in numbers], np.int64)
    before = np.concatenate([[observed.t0_ns], observed.sends["replied_ns"][:-1]])[: len(due)]
    lag_ns = (sent - np.maximum(due, before))[numbers >= first]
    # A task that was done twice was done when it was done first.
    effects = np.sort(observed.effects, order="done_ns")
    _, at = np.unique(effects["number"], return_index=True)
    done = effects[at]
    measured = done[np.isin(done["number"], numbers) & (done["number"] >= first)]
    row = np.searchsorted(numbers, measured["number"])
    return OpenLoop(
        corrected=LatencyHistogram.of_ns(measured["done_ns"] - due[row]),
        uncorrected=LatencyHistogram.of_ns(measured["done_ns"] - sent[row]),
        sent_per_s=_per_s(sent[numbers >= first]),
        throughput_per_s=_per_s(measured["done_ns"]),
        own_lag_p99_us=float(np.quantile(lag_ns, 0.99) / 1000) if len(lag_ns) else None,
        producer_cpu=observed.producer_cpu,
        sent=len(lag_ns),
        growth=backlog_growth(sent[numbers >= first], observed.effects["done_ns"]),
    )


def _per_s(times_ns: npt.NDArray[np.int64]) -> float | None:
    span_ns = int(np.ptp(times_ns)) if len(times_ns) else 0
    return (len(times_ns) - 1) * 1e9 / span_ns if span_ns else None


def backlog_growth(sent_ns: npt.NDArray[np.int64], done_ns: npt.NDArray[np.int64]) -> float:
    """How many tasks the backlog grew by while `sent_ns` were sent.

    From the median of the first quarter to that of the last, which are three quarters of the
    time apart: a stall that was worked off does not count, a growth that goes on does.
    """
    quarter = len(sent_ns) // 4
    if not quarter:
        return 0.0
    backlog = np.arange(len(sent_ns)) - np.searchsorted(np.sort(done_ns), sent_ns, side="right")
    return float(np.median(backlog[-quarter:]) - np.median(backlog[:quarter])) * 4 / 3
