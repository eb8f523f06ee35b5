"""Does the figure see a stall? The server is stopped for a second, and latency counted two ways.

Question: when the server stands still (SIGSTOP) for 1.0 s of a run of 10 s, what should
percentiles say, and what does a benchmark say that waits for each reply before it sends again?

Method: 500 tasks/s at fixed gaps, an empty handler, the package's queue and worker. In the middle
the server is stopped, and continued one gap between two tasks (2 ms) later than after 1.0 s, so
that a task waits for all of it. Each task counts twice: from when it was due by the schedule
(corrected), and from when it was sent (naive): while the server stood, the producer was waiting
for one reply, and sent nothing. The same load without a stall runs beside it.

Theory: a task that was due x seconds before the server went on waits x. At a fixed rate the
latencies of those tasks are spread evenly over (0, s], and they are a share s / T of all in a run
of T seconds. So quantile q is s - (1 - q) * T, as long as that is above 0: for s = 1 and T = 10
the p99 is 0.9 s, the p99.9 is 0.99 s and the largest is 1 s. What had piled up is worked off after
that, in some 0.05 s.

Expect: corrected, a p99 of about 0.9 s and a largest of 1.0 to 1.1 s. Naive, a p99 of some tens of
milliseconds: no more than a hundredth of the tasks has seen the second. Without a stall both
agree.

Time at full: about 2 minutes.

    python loadtests/scenarios/stall.py --size short
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.disturb import Stall
from streamlab.load.observed import WARMUP_SHARE
from streamlab.load.settings import Load
from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    from streamlab.bench.study import Study

RATE_PER_S = 500.0
#: How long the server stands still, and how long the run is, in s.
STALL_S, SECONDS = 1.0, 10.0
_TINY = (0.25, 2.1)
_MOST_REPEATS = 4
# So much longer, in s, one gap between two tasks: wherever the stop falls, one waits for all of it.
_GAP_S = 1 / RATE_PER_S
CALM = "no stall"


def measure(study: Study) -> None:
    """Runs with and without a stall, in random order; then theory beside what was measured."""
    stall_s, seconds = _TINY if study.size.tiny else (STALL_S, SECONDS)
    stall = Stall((WARMUP_SHARE + 0.5) * seconds, stall_s + _GAP_S)
    stalls = {f"{stall_s:g} s stall": (stall,), CALM: ()}
    repeats = min(study.size.repeats, _MOST_REPEATS)
    study.add_facts({"cases": list(stalls), "theory": theory(stall_s, seconds)})
    study.expect(repeats * len(stalls))
    for repeat, case in study.shuffled(list(stalls)):
        if repeat <= repeats:
            study.latency(
                case,
                Load(work_ms=0),
                RATE_PER_S,
                repeat,
                seconds=study.size.seconds if study.size.tiny and case == CALM else seconds,
                disturbances=stalls[case],
            )
    columns = ("p99_us", "p999_us", "max_us", "uncorrected_p99_us", "uncorrected_max_us")
    measured = {
        case: {name: study.median(Mode.LATENCY, name, case=case) for name in columns}
        for case in stalls
    }
    study.add_facts({"measured": measured})


def theory(stall_s: float, seconds: float) -> dict[str, float]:
    """What corrected latencies must be when a server that takes no time stands still, in µs."""
    told = {"stall_s": stall_s, "seconds": seconds}
    for name, quantile in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)):
        told[name] = round(1e6 * max(0.0, stall_s - (1 - quantile) * seconds))
    return told


EXPERIMENT = Experiment(
    name="stall",
    question="Does the figure see a stall of one second?",
    measure=measure,
    charts=("naive", "percentiles", "timeline"),
    axis="what happens to the server",
    caveats=(
        (
            "“theory” in the manifest is for a server that works off in no time what had piled "
            "up; a real one takes some 0.05 s more."
        ),
        "The server is stopped by SIGSTOP: clients see a connection that is silent, not closed.",
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
