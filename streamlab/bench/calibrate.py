"""How long a backlog lasts: found by draining a few tasks, before the run that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.errors import BenchError
from streamlab.load.rig import MOST_TASKS, Rig
from streamlab.measure.figures import middle_throughput_per_s

if TYPE_CHECKING:
    from streamlab.load.settings import Load

# A backlog that calibrates should last so long, in s, if a task took its work and 0.1 ms.
_CALIBRATION_S = 0.3
_LEAST_TASK_S = 0.0001
_FEWEST, _MOST = 50, 3_000
# A backlog lies in the server's memory: 2,000 tasks of 100 kB.
_MOST_BYTES = 200_000_000


def backlog_for(rig: Rig, load: Load, seconds: float) -> int:
    """How many tasks `load` works off in about `seconds`, in each group; no more than 200 MB.

    Raises
    ------
    BenchError
        Not even a few were finished.
    """
    few = few_of(load)
    per_s = middle_throughput_per_s(rig.drain(load, few).effects["done_ns"])
    if per_s is None:
        msg = (
            f"{load.consumers} consumers did not finish {few} tasks: lower work_ms, "
            f"{load.work_ms:g} ms a task"
        )
        raise BenchError(msg)
    most = min(MOST_TASKS, _MOST_BYTES // load.payload_bytes)
    return min(most, max(few, round(per_s / load.groups * seconds)))


def few_of(load: Load) -> int:
    """A backlog that would last for about 0.3 s: 50 to 3,000 tasks, no more than 200 MB."""
    task_s = load.work_ms / 1000 + _LEAST_TASK_S
    most = min(_MOST, _MOST_BYTES // load.payload_bytes)
    return max(_FEWEST, min(most, round(load.consumers * _CALIBRATION_S / task_s)))


class Backlogs:
    """How many tasks last for so long: found out once for each load on each rig.

    Parameters
    ----------
    guessed
        Whether a few do, without a run to find out: for a study that proves nothing.
    """

    def __init__(self, *, guessed: bool) -> None:
        self._guessed = guessed
        self._known: dict[tuple[str, Load, float], int] = {}

    def lasting(self, rig: Rig, load: Load, seconds: float) -> int:
        """So many that `load` works them off in about `seconds`.

        Raises
        ------
        BenchError
            As `backlog_for`.
        """
        if self._guessed:
            return few_of(load)
        key = (rig.stream, load, seconds)
        if key not in self._known:
            self._known[key] = backlog_for(rig, load, seconds)
        return self._known[key]
