"""From what a run left behind to figures: rates, latencies, the budget of a message. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamlab.measure.histogram import LatencyHistogram
from streamlab.measure.tasks import PARTS, Tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from streamlab.load.observed import Observed

    Times = npt.NDArray[np.int64]

#: The shares of the tasks that were done before and after the middle of a drained backlog: its
#: beginning (processes that warm up) and its tail (consumers that find nothing more) do not count.
MIDDLE = (0.2, 0.8)
_FEWEST_IN_MIDDLE = 20


def middle_throughput_per_s(done_ns: Times) -> float | None:
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
    parts_us
        The mean of each of a message's `PARTS`, in µs; empty when no task was done.
    rate_off
        How far the rate of the sending was off the schedule's own, as a share: 0.01 is 1 % too
        fast. None for fewer than two tasks.
    sent_per_s, throughput_per_s
        Sent, and done, per second; None for fewer than two.
    own_lag_p99_us
        How late the producer sent, counted from when the task was due and the reply to what it
        had sent before had come: its own lateness, without the server's. None for no task.
    lag_p99_us
        The same from when the task was due, the server's part included.
    sent
        How many tasks were sent.
    growth
        How many more tasks were in the system at the end of the sending than at its beginning.
    in_system
        L, the number of tasks in the system between sending and done, in the mean over time.
    little
        X * W, arrivals per second times the mean time from sent to done: by Little's law equal to
        L. Both None when there is nothing to count.
    out_of_order
        Tasks whose moments contradict each other; they are in no histogram.
    """

    corrected: LatencyHistogram
    uncorrected: LatencyHistogram
    parts_us: Mapping[str, float]
    rate_off: float | None
    sent_per_s: float | None
    throughput_per_s: float | None
    own_lag_p99_us: float | None
    lag_p99_us: float | None
    sent: int
    growth: float
    in_system: float | None
    little: float | None
    out_of_order: int


def open_loop_figures(observed: Observed) -> OpenLoop:
    """The figures of the tasks from `Observed.measured_from` on."""
    tasks = Tasks.of(observed)
    sends = np.sort(observed.sends, order="number")
    own_ns, lag_ns = _send_lags_ns(observed, sends)
    counted = sends["number"] >= observed.measured_from
    sent, due = sends["sent_ns"][counted], observed.due_ns[sends["number"][counted]]
    parts = tasks.parts_ns()
    in_system, little = _little(observed, tasks, sent)
    wrong = tasks.out_of_order()  # a gate's affair: such a run is not valid
    return OpenLoop(
        corrected=LatencyHistogram.of_ns((tasks.done - tasks.due)[~wrong]),
        uncorrected=LatencyHistogram.of_ns((tasks.done - tasks.sent)[~wrong]),
        parts_us={name: float(parts[name].mean() / 1000) for name in PARTS} if len(tasks) else {},
        rate_off=_rate_off(sent, due),
        sent_per_s=_per_s(sent),
        throughput_per_s=_per_s(tasks.done, observed.load.groups),
        own_lag_p99_us=_p99_us(own_ns[counted]),
        lag_p99_us=_p99_us(lag_ns[counted]),
        sent=int(counted.sum()),
        growth=backlog_growth(sent, np.sort(observed.effects["done_ns"])[:: observed.load.groups]),
        in_system=in_system,
        little=little,
        out_of_order=int(wrong.sum()),
    )


def _p99_us(lags_ns: npt.NDArray[np.int64]) -> float | None:
    return float(np.quantile(lags_ns, 0.99) / 1000) if len(lags_ns) else None


def _per_s(times_ns: Times, groups: int = 1) -> float | None:
    span_ns = int(np.ptp(times_ns)) if len(times_ns) else 0
    return (len(times_ns) / groups - 1) * 1e9 / span_ns if span_ns else None


def _rate_off(sent_ns: Times, due_ns: Times) -> float | None:
    if len(sent_ns) <= 1 or not np.ptp(sent_ns):
        return None
    return float(np.ptp(due_ns) / np.ptp(sent_ns)) - 1


def _send_lags_ns(observed: Observed, sends: npt.NDArray[np.void]) -> tuple[Times, Times]:
    """The producer's own lag, and the whole, of each send, in ns.

    What was sent in one pipeline has one time of sending: it could not be sent before the reply
    to the pipeline before it.
    """
    sent, due = sends["sent_ns"], observed.due_ns[sends["number"]]
    starts = np.flatnonzero(np.diff(sent, prepend=-1))  # where a new pipeline begins
    free = np.concatenate([[0], sends["replied_ns"][starts[1:] - 1]]) if len(starts) else starts
    free_of_each = np.repeat(free, np.diff(np.append(starts, len(sent))))
    return np.maximum(0, sent - np.maximum(due, free_of_each)), sent - due


def _little(observed: Observed, tasks: Tasks, sent: Times) -> tuple[float | None, float | None]:
    """L as the mean of a count over time, and X * W: two ways to one number.

    Over the time in which the measured tasks were sent, of the first group.
    """
    groups = observed.load.groups
    mine = tasks.number % groups == 0
    if len(sent) <= 1 or not np.ptp(sent) or not mine.any():
        return None, None
    begin, end = int(sent[0]), int(sent[-1])
    first = observed.effects[observed.effects["number"] % groups == 0]
    # The area under "how many are in the system": each send adds the time left to the end, each
    # effect takes it away. What was there before the beginning counts from the beginning on.
    arrived = np.clip(observed.sends["sent_ns"], begin, end)
    first = np.sort(first, order="done_ns")
    _, once = np.unique(first["number"], return_index=True)
    left = np.clip(first["done_ns"][once], begin, end)
    area = float((end - arrived).sum() - (end - left).sum())
    waits = (tasks.done - tasks.sent)[mine]
    rate = len(sent) / (end - begin)
    return area / (end - begin), rate * float(waits.mean())


def backlog_growth(sent_ns: Times, done_ns: Times) -> float:
    """How many tasks the backlog grew by while `sent_ns` were sent.

    From the median of the first quarter to that of the last, which are three quarters of the
    time apart: a stall that was worked off does not count, a growth that goes on does.
    """
    quarter = len(sent_ns) // 4
    if not quarter:
        return 0.0
    backlog = np.arange(len(sent_ns)) - np.searchsorted(np.sort(done_ns), sent_ns, side="right")
    return float(np.median(backlog[-quarter:]) - np.median(backlog[:quarter])) * 4 / 3


def recovery_ms(observed: Observed) -> list[float]:
    """After each kill, how long until all that had been sent before it was done, in ms.

    One kill's recovery may last into the next.
    """
    effects = np.sort(observed.effects, order="done_ns")
    numbers, first = np.unique(effects["number"], return_index=True)
    done = effects["done_ns"][first]
    found = []
    for incident in observed.incidents:
        if incident.what != "killed":
            continue
        before = observed.sends["number"][observed.sends["sent_ns"] <= incident.at_ns]
        mine = done[np.isin(numbers // observed.load.groups, before)]
        if len(mine):
            found.append(max(0.0, float(mine.max() - incident.at_ns) / 1e6))
    return found
