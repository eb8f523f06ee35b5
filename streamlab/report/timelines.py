"""Which run is shown over time, and its story in words: what happened, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.measure.runs import Mode
from streamlab.report.chosen import fixed_rate, grouped, median_run, planned
from streamlab.report.phrases import number_text, rate_text, time_text

if TYPE_CHECKING:
    from streamlab.measure.details import Details, Timeline
    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

#: How many runs have room side by side.
MOST = 3


@dataclass(frozen=True, slots=True)
class Lived:
    """A run whose timeline was kept."""

    run: Run
    details: Details
    line: Timeline

    def stalls(self) -> list[tuple[float, float]]:
        """When the server was stopped, and when it went on, in s; to the end if it never did."""
        ends = iter(self._at("continued"))
        return [(begin, next(ends, self.line.at_s[-1])) for begin in self._at("stopped")]

    def kills(self) -> list[float]:
        """When a consumer was killed, in s."""
        return self._at("killed")

    def _at(self, what: str) -> list[float]:
        return [one["at_s"] for one in self.details.incidents if one["what"] == what]


def lived(results: Results, run: Run) -> Lived | None:
    """The run with its timeline; None where none was kept, or it is empty."""
    details = results.details(run)
    if details is None or details.timeline is None or not details.timeline.at_s:
        return None
    return Lived(run, details, details.timeline)


def chosen(results: Results) -> list[Run]:
    """The median run of each case to which something was done; else one run, of the last case."""
    known = [run for run in planned(results, Mode.LATENCY) if lived(results, run)]
    known = known or [run for run in results.of(Mode.LATENCY) if lived(results, run)]
    hit = [run for run in known if (one := lived(results, run)) and one.details.incidents]
    if hit:
        cases = grouped(hit, lambda run: run.case).values()
        return [run for mine in cases if (run := median_run(mine))][:MOST]
    first = [
        run for run in fixed_rate(results)[1] or planned(results, Mode.LATENCY) if run in known
    ]
    mine = first or known
    run = median_run([run for run in mine if run.case == mine[-1].case]) if mine else None
    return [run] if run else []


def story(one: Lived) -> str:
    """What happened in the run, from its timeline."""
    line, run = one.line, one.run
    told = [f"{run.case} over {line.at_s[-1] + line.step_s:.0f} s"]
    if run.rate_per_s:
        told[0] += f" at {rate_text(run.rate_per_s)}"
    for begin, end in one.stalls():
        told.append(f"the server stopped from {begin:.1f} to {end:.1f} s")
    if kills := one.kills():
        told.append(f"{len(kills)} consumers killed, the first at {kills[0]:.1f} s")
    known = [(us, at) for at, us in zip(line.at_s, line.max_us, strict=True) if us is not None]
    if known:
        us, at = max(known)
        told.append(f"the longest latency was {time_text(us)}, of a task due at {at:.1f} s")
    deepest = max(line.waiting)
    at = line.at_s[line.waiting.index(deepest)]
    tasks = "1 task" if deepest == 1 else f"{number_text(deepest)} tasks"
    told.append(f"at most {tasks} waited, at {at:.1f} s")
    return f"{'; '.join(told)}."
