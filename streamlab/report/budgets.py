"""Where a message spends its time, per case: for the figure and for the table alike."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from streamlab.measure.tasks import PARTS
from streamlab.report.chosen import by_condition, fixed_rate, loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

#: What each part is, for those who have not read the code.
MEANINGS = {
    "lag": "sent late",
    "add": "XADD",
    "wait": "wait for the handler",
    "handler": "handler",
    "ack": "acknowledgement",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """One case's.

    Attributes
    ----------
    case
        With its load or its rate where it has several.
    parts_us
        Of each of `PARTS` the mean over the tasks of a run, in µs; medians over the runs.
    server_us
        The server's own time per task, in µs; None where it was not asked.
    valid
        Whether valid runs stand behind it; if not, the case has none.
    """

    case: str
    parts_us: Mapping[str, float]
    server_us: float | None
    valid: bool

    @property
    def whole_us(self) -> float:
        """From due to acknowledged, in µs."""
        return sum(self.parts_us.values())


def budgets(runs: Sequence[Run]) -> list[Budget]:
    """The budget of each case, load and rate among latency runs."""
    found = []
    for case, mine in by_condition(runs).items():
        known = [run for run in mine if run.handler_us is not None]
        known = [run for run in known if run.valid] or known
        if known:
            parts = {part: _median(known, f"{part}_us") or 0.0 for part in PARTS}
            server = _median(known, "server_task_us")
            found.append(Budget(case, parts, server, valid=known[0].valid))
    return found


def told_apart(results: Results) -> tuple[list[Run], list[Run]]:
    """What the figure compares: all cases at one rate, and one case as its load grows.

    The case in the middle of those that were loaded stands for all; of an experiment without a
    fixed rate, each case at its own.
    """
    fixed, shares = fixed_rate(results)[1], loaded(results)
    cases = list(dict.fromkeys(run.case for run in shares))
    if not fixed and len({(run.case, run.share) for run in shares}) == len(cases):
        return shares, []
    middle = cases[len(cases) // 2] if cases else ""
    return fixed, [run for run in shares if run.case == middle]


def _median(runs: Iterable[Run], column: str) -> float | None:
    found = [value for run in runs if (value := getattr(run, column)) is not None]
    return median(found) if found else None
