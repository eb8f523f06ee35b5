"""Does the harness tell the truth? One consumer, held against what queueing theory must give.

Question: when the work of a task is known, are capacity and waiting time what they have to be?

Method: one consumer that acknowledges each task before the next, with redis-py alone, so that its
service time is known: it reads one task, does it, acknowledges it. Work of 1, 5 and 20 ms; capacity
is drained from a backlog. Then tasks arrive at random (exponential gaps, another seed each
time) at 50 % and 80 % of what one consumer can do at 5 ms; by the M/D/1 formula the mean wait is
rho * s / (2 (1 - rho)), where the service time s is one over the capacity that was drained.

Expect: waits within 15 % of the formula, in the
median of the repeats. The mean of a queue at 80 % is slow to settle: one run may be off by more.

Time at full: about 4 minutes.

    python loadtests/scenarios/queueing.py --size short
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.settings import Load, Reader
from streamlab.measure.runs import Mode, Run
from streamlab.model.theory import md1_wait_s

if TYPE_CHECKING:
    from streamlab.bench.study import Study

WORK_MS = (1, 5, 20)
LOADS = (0.5, 0.8)
RANDOM_WORK_MS = 5
_EXACT = (
    "The formula is exact for arrivals at random and equal service times; a sleep of 5 ms differs "
    "by some ten µs from task to task."
)
# Waits at 80 % are correlated over some fifty tasks: so many make a mean that is worth comparing.
TASKS = {"tiny": 40, "short": 1_100, "full": 3_000}


def measure(study: Study) -> None:
    """Capacity for each work time, then waits at random arrivals."""
    alone = Load(reader=Reader.LOOP, count=1)
    cases = {f"work {work_ms} ms": replace(alone, work_ms=work_ms) for work_ms in WORK_MS}
    study.add_facts({"cases": [*cases, *(f"{share:.0%} busy" for share in LOADS)]})
    study.expect(study.size.repeats * (len(cases) + len(LOADS)))
    for repeat, case in study.shuffled(list(cases)):
        study.capacity(case, cases[case], repeat)
    one_per_s = study.median(Mode.CAPACITY, "throughput_per_s", case=f"work {RANDOM_WORK_MS} ms")
    if one_per_s is None:
        return
    for repeat, share in study.shuffled(LOADS):
        load = replace(alone, work_ms=RANDOM_WORK_MS, schedule="exponential", seed=repeat)
        rate_per_s = float(f"{share * one_per_s:.4g}")
        seconds = TASKS.get(study.size.name, TASKS["short"]) / rate_per_s
        case = f"{share:.0%} busy"
        study.latency(case, load, rate_per_s, repeat, share=share, seconds=seconds)
    study.add_facts({"theory": compared(study.runs, 1e6 / one_per_s)})


def compared(runs: list[Run], service_us: float) -> dict[str, list[dict[str, float]]]:
    """Each wait beside the formula's, in µs; the medians of their ratios last."""
    found: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        if run.mode is Mode.LATENCY and run.valid and run.wait_us and run.rate_per_s:
            by_formula_us = 1e6 * md1_wait_s(run.rate_per_s, service_us / 1e6)
            # The read is part of the service; the row counts it as waiting for the handler.
            read_us = max(0.0, service_us - (run.handler_us or 0) - (run.ack_us or 0))
            waited_us = run.wait_us - read_us
            told = {"service_us": service_us, "wait_us": waited_us, "md1_wait_us": by_formula_us}
            found.setdefault(run.case, []).append(told | {"ratio": waited_us / by_formula_us})
    for case, rows in found.items():
        found[case] = [*rows, {"ratio": median(row["ratio"] for row in rows)}]
    return found


EXPERIMENT = Experiment(
    name="queueing",
    question="Does the harness tell the truth, where theory knows it?",
    measure=measure,
    charts=("cases_capacity", "cases_latency", "budget", "percentiles"),
    axis="work and load",
    caveats=(_EXACT,),
)

if __name__ == "__main__":
    main(EXPERIMENT)
