"""What does fan-out cost? 1, 2, 4 and 8 groups that each get every task.

Question: when each task goes to several consumer groups, what does one more group cost in
latency, in throughput and in the server's time?

Method: one consumer with redis-py alone in each group, with an empty handler; one producer with
redis-py's XADD. All groups drain the same backlog: capacity is what each group finishes. Then all
run an open loop at one rate, 30 % of the smallest capacity. A task counts once for each group.

Expect: an entry is stored once, and each group reads and acknowledges it: the server's time for a
task is that of one XADD and of as many reads and XACKs as there are groups. Each group is one more
process too: with more of them than cores, capacity per group falls as one over the groups, and
with eight the p50 is some three times as long, since a task wakes all of them at once. One group
with two handlers is cheaper than two groups, where they need not fail apart.

Sizes: tiny 2 groups; short and full 1 to 8.

Time at full: about 2 minutes.

    python loadtests/scenarios/groups.py --size short
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.bench.cases import Cases
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.settings import Load, Reader, Sender

if TYPE_CHECKING:
    from streamlab.bench.study import Study

GROUPS = (1, 2, 4, 8)
_TINY = (2,)
# A drained backlog is read ten tasks at a time, an open loop one by one, which takes more time.
_SHARE = 0.3


def case_of(groups: int) -> str:
    """``1 group``, ``2 groups``."""
    return f"{groups} group" + "s" * (groups != 1)


def measure(study: Study) -> None:
    """Each number of groups, with one consumer in each group."""
    loads = {
        case_of(groups): Load(work_ms=0, sender=Sender.XADD, reader=Reader.LOOP, groups=groups)
        for groups in (_TINY if study.size.tiny else GROUPS)
    }
    Cases(loads=loads, share=_SHARE).measure(study)


EXPERIMENT = Experiment(
    name="groups",
    question="What does fan-out cost?",
    measure=measure,
    charts=("cases_capacity", "cases_latency", "budget", "percentiles", "timeline"),
    axis="groups that each get every task",
    caveats=(
        (
            "Each group has one consumer, a process of its own: past the number of cores they wait "
            "for each other, and that is in the figures. The server's own time per task "
            "(`server_task_us`) is not touched by it."
        ),
        (
            "Throughput is that of each group. The latency is that of a task in a group: eight "
            "groups give eight figures for each task."
        ),
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
