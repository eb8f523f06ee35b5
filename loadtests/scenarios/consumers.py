"""How many consumers, and what latency? Counts far past the number of cores, each at its own load.

Question: how many tasks a second do 1, 2, 4, … 32 consumer processes finish, and how long does a
task take when they are loaded with 20 to 95 % of that?

Method: the package's own producer and worker; a task is a sleep of 1 ms. Each count drains a
backlog: its capacity, from which the scaling law is fitted. Then the rate that it holds with a
producer beside it on the same cores is searched: doubled until the backlog grows, then the gap is
halved until it is 5 %. Then latency, in open loops at shares of that rate, for 1, 4 and 16
consumers.

Expect: a sleep needs no core, so that consumers add up until those cores are busy that receive,
acknowledge and send: on two cores 1 to 16 consumers finish some 850 tasks/s each, 32 fewer each.
The rate that is held with a producer beside is about the drained one for few consumers and less for
many, who share their cores with it. Tasks come at fixed gaps, so that latency is level until almost
all of that rate, then rises at once. Some runs at 95 % do not hold their rate, which the search
could not tell in 2 s: they are drawn hollow.

Sizes: tiny 1 consumer; short all counts, and latency for 1 and 4 consumers at three loads; full all
of it.

Time at full: about 10 minutes (short: 4).

    python loadtests/scenarios/consumers.py --size short
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streamlab.bench.consumers import Consumers
from streamlab.cli.scenario import main

if TYPE_CHECKING:
    from streamlab.bench.study import Study

SIZES = {
    "tiny": Consumers(counts=(1,), shares=(0.5,), search=True, rate_per_s=0),
    "short": Consumers(
        counts=(1, 2, 4, 8, 16, 32),
        shares=(0.2, 0.8, 0.95),
        load_counts=(1, 4),
        search=True,
        rate_per_s=0,
    ),
    "full": Consumers(
        counts=(1, 2, 4, 8, 16, 32),
        shares=(0.2, 0.5, 0.8, 0.9, 0.95),
        load_counts=(1, 4, 16),
        search=True,
        rate_per_s=0,
    ),
}


def measure(study: Study) -> None:
    """What this size measures."""
    SIZES.get(study.size.name, SIZES["short"]).measure(study)


_EXPERIMENT = SIZES["full"].experiment()
EXPERIMENT = replace(
    _EXPERIMENT,
    measure=measure,
    caveats=(
        *_EXPERIMENT.caveats,
        (
            "Tasks are due at fixed gaps, the kindest of all arrivals. At random ones "
            "(fixed_rate.py, queueing.py) tasks wait for each other long before 95 %."
        ),
        (
            "The search tries each rate once, for up to 2 s, and stops at a gap of 5 %: a load of "
            "95 % may be one that a longer run does not hold. Its producer and the server work on "
            "the consumers' own cores: with many consumers it finds what all of them hold together."
        ),
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
