"""Do more consumers make a task faster? One rate for all counts, from 1 to 32 consumers.

Question: at a rate that a single consumer holds, what does latency gain from more consumers, and
what does it lose when there are more processes than cores?

Method: the package's own producer and worker; a task is a sleep of 1 ms. One consumer drains a
backlog. At 60 % of its capacity each count runs an open loop: at one rate for all, unlike in
consumers.py, where each count has its own. Tasks arrive at random (seeded exponential gaps, the
same for all counts): at fixed gaps no task would meet another, and there would be nothing to gain.

Expect: the second consumer gains most, since it takes what would have waited for the first: on two
cores the p50 falls from 2.2 to 1.5 ms, the p99 from 8 to 4 ms. Eight bring the p99 to 2.4 ms. After
that nobody waits for a busy consumer, and each idle one is one more client for the server, one more
process for the system: with 32 the server's time for a task is four times that with one, and the
p50 is longer than with two. Consumers are for capacity.

Sizes: tiny 1 and 2 consumers; short and full 1 to 32.

Time at full: about 3 minutes.

    python loadtests/scenarios/fixed_rate.py --size short
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.bench.cases import Cases
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.settings import Load, consumers_text

if TYPE_CHECKING:
    from streamlab.bench.study import Study

COUNTS = (1, 2, 4, 8, 16, 32)
_TINY = (1, 2)


def measure(study: Study) -> None:
    """The capacity of one consumer, and the latency of all counts at 60 % of it."""
    counts = _TINY if study.size.tiny else COUNTS
    cases = Cases(
        loads={consumers_text(n): Load(consumers=n, schedule="exponential") for n in counts},
        capacity_of=(consumers_text(1),),
        capacity_s=2.0,
    )
    cases.measure(study)


EXPERIMENT = Experiment(
    name="fixed_rate",
    question="Do more consumers make a task faster?",
    measure=measure,
    charts=("latency", "percentiles", "budget", "timeline"),
    axis="consumer processes",
    caveats=(
        "The rate is 60 % of what one consumer finishes: every other count is almost idle.",
        "A sleep of 1 ms ends late, by some 0.1 ms: that is in the handler's part.",
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
