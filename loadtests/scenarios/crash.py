"""What does a crash cost? A consumer is killed each second, and others take over what it held.

Question: a consumer that dies (kill -9) leaves tasks on the pending list. How soon are they done,
how many are done twice, and what does everybody else notice?

Method: four consumers and a fixed rate at 60 % of what they can do. One of them, drawn at random,
gets SIGKILL each second, and a new one is started at once, as a supervisor would. Three ways to
take over: XAUTOCLAIM by a loop that sweeps each quarter of min-idle, XREADGROUP CLAIM (Redis 8.4+)
with each read, and the package's worker. Each is measured beside the same load without kills. A
fourth loop recovers nothing: its run is short, and invalid by design, "still pending at the end".
Recovery is the time from a kill until all that had been sent before it was done.

Expect: recovery takes min-idle (500 ms), less what the tasks had waited already, plus up to one
sweep. Nothing is lost. A task is done twice only when the kill falls between its effect and its
XACK. The p99 is that of the few tasks per kill that wait for min-idle, and of a machine that
starts a Python process each second (0.3 s of a core).

Sizes: a kill each second, for 10 s at full, 6 s at short; each 0.3 s for 0.8 s at tiny, with two
consumers, two of the ways, and no calm runs.

Time at full: about 5 minutes.

    python loadtests/scenarios/crash.py --size short
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.disturb import Kill
from streamlab.load.observed import WARMUP_SHARE
from streamlab.load.settings import Load, Reader, Recover
from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    from streamlab.bench.study import Study

MIN_IDLE_MS = 500
#: Tasks per second and consumer, of the hundred that 10 ms of work allow.
RATE_PER_S = 60.0
# From the warm-up to the first kill, and from the last one to the end, as a share of the run.
_CALM_SHARE = 0.1
_MOST_REPEATS = 3
_WORKER = Load(consumers=4, work_ms=10, min_idle_ms=MIN_IDLE_MS)
_LOOP = replace(_WORKER, reader=Reader.LOOP)
LOADS = {
    "CLAIM": replace(_LOOP, recover=Recover.CLAIM),
    "XAUTOCLAIM": replace(_LOOP, recover=Recover.XAUTOCLAIM),
    "worker": _WORKER,
    # Nobody waits for min-idle here: without hope of it the run is given up a second sooner.
    "nothing recovers": replace(_LOOP, min_idle_ms=10),
}
*WAYS, NOTHING = LOADS


@dataclass(frozen=True, slots=True)
class Plan:
    """How many consumers, and in s how long a run and the control are, and how often one dies."""

    consumers: int
    seconds: float
    control_s: float
    every_s: float = 1.0


PLANS = {"tiny": Plan(2, 0.8, 0.6, 0.3), "short": Plan(4, 6.0, 4.0), "full": Plan(4, 10.0, 4.0)}


def measure(study: Study) -> None:
    """Each way to recover, with and without kills, in random order; then the one that does not."""
    plan, repeats = (
        PLANS.get(study.size.name, PLANS["short"]),
        min(study.size.repeats, _MOST_REPEATS),
    )
    has_claim = "CLAIM" in study.rig().server.capabilities
    ways = [way for way in WAYS if has_claim or way != "CLAIM"]
    points = [(way, killed) for killed in (True, False) for way in ways]
    if study.size.tiny:
        points = [(way, True) for way in (ways[0], ways[-1])]
    study.add_facts({"cases": [*(case_of(way, killed=killed) for way, killed in points), NOTHING]})
    study.expect(repeats * len(points) + 1)
    for repeat, (way, killed) in study.shuffled(points):
        if repeat <= repeats:
            _run(study, plan, way, repeat, killed=killed)
    _run(study, plan, NOTHING, 1, killed=True)
    study.add_facts({"min_idle_ms": MIN_IDLE_MS, "excursion": excursions(study, ways)})


def _run(study: Study, plan: Plan, way: str, repeat: int, *, killed: bool) -> None:
    seconds = plan.control_s if way == NOTHING else plan.seconds
    first_s = (WARMUP_SHARE + _CALM_SHARE) * seconds
    last_s = (WARMUP_SHARE + 1 - _CALM_SHARE) * seconds
    study.latency(
        case_of(way, killed=killed),
        replace(LOADS[way], consumers=plan.consumers),
        RATE_PER_S * plan.consumers,
        repeat,
        seconds=seconds,
        disturbances=(Kill(first_s, plan.every_s, last_s, seed=repeat),) if killed else (),
    )


def case_of(way: str, *, killed: bool) -> str:
    """``CLAIM, kills`` and ``CLAIM, calm``; the control has no calm to compare with."""
    return way if way == NOTHING else f"{way}, {'kills' if killed else 'calm'}"


def excursions(study: Study, ways: list[str]) -> dict[str, dict[str, float]]:
    """Of each way: p99 with and without kills, in µs, and recovery; medians of the valid runs."""
    found = {}
    for way in ways:
        told = {
            f"{column}, {'kills' if killed else 'calm'}": study.median(
                Mode.LATENCY, column, case=case_of(way, killed=killed)
            )
            for column in ("p99_us", "max_us")
            for killed in (True, False)
        }
        for column in ("recovery_ms", "held", "kills", "duplicated"):
            told[column] = study.median(Mode.LATENCY, column, case=case_of(way, killed=True))
        found[way] = {column: value for column, value in told.items() if value is not None}
    return found


EXPERIMENT = Experiment(
    name="crash",
    question="What does it cost when consumers crash, and who takes over?",
    measure=measure,
    charts=("timeline", "cases_latency", "percentiles"),
    axis="how tasks are taken over",
    caveats=(
        (
            f"“{NOTHING}” is a control: what its killed consumers held stays pending for ever, so "
            "its run is invalid, as it should be."
        ),
        (
            "A new Python process takes 0.3 s of a core to start, each second: part of what the "
            "others notice is that, not Redis. `excursion` in the manifest has p99 and recovery."
        ),
        f"min-idle is {MIN_IDLE_MS} ms so that much happens in a few seconds; usual is a minute.",
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
