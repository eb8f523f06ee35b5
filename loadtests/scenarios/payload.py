"""What does a large task cost? Payloads of 100 bytes to 100 kB: capacity, latency, memory.

Question: how do throughput, latency and the server's memory depend on the size of a task's data,
and from which size on is it better to store the data elsewhere and to send its key?

Method: one consumer with redis-py alone and an empty handler; one producer with redis-py's XADD.
Each size drains a backlog (of 200 MB at the most, so that a server of any size holds it); then each
runs an open loop at one rate, a tenth of the smallest capacity. Nothing is trimmed, so that the
growth of used_memory over the loop, divided by its tasks, is what one entry takes: `memory` in the
manifest.

Expect: from 100 bytes to 10 kB a task costs little more, since the round trip costs most: capacity
falls by a third to a half. 100 kB cost ten times the server's time. An entry takes its data and
about 40 bytes, fewer than 100 in all for 100 bytes of data, since a node of the stream's tree
holds a hundred entries or 4 kB of them. Memory is what runs out: a backlog of 10,000 tasks of
100 kB is 1 GB.

Sizes: tiny 100 bytes and 10 kB; short and full all four.

Time at full: about 2 minutes.

    python loadtests/scenarios/payload.py --size short
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from streamlab.bench.cases import Cases
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.settings import Load, Reader, Sender
from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    from streamlab.bench.study import Study
    from streamlab.measure.folder import Results

CASES = {"100 B": 100, "1 kB": 1_000, "10 kB": 10_000, "100 kB": 100_000}
_TINY = ("100 B", "10 kB")
# Of the smallest capacity, that of 100 kB: at 500 tasks/s a run leaves 125 MB on the server.
_SHARE = 0.1


def measure(study: Study) -> None:
    """All sizes, and what an entry of each takes."""
    loads = {
        case: Load(work_ms=0, sender=Sender.XADD, reader=Reader.LOOP, payload_bytes=size)
        for case, size in CASES.items()
        if case in _TINY or not study.size.tiny
    }
    Cases(loads=loads, share=_SHARE).measure(study)
    study.add_facts({"memory": memory_of(study.results)})


def memory_of(results: Results) -> dict[str, dict[str, float]]:
    """By case: bytes of used_memory that one entry took, the median over the valid open loops."""
    found: dict[str, list[float]] = {}
    for run in results.of(Mode.LATENCY):
        details = results.details(run)
        if run.valid and details and "xadd" in details.server and run.memory_grown_bytes:
            entries = details.server["xadd"]["calls"]
            found.setdefault(run.case, []).append(run.memory_grown_bytes / entries)
    return {case: {"bytes_per_entry": round(median(each))} for case, each in found.items()}


EXPERIMENT = Experiment(
    name="payload",
    question="What does a large task cost?",
    measure=measure,
    charts=("cases_capacity", "cases_latency", "budget", "memory", "percentiles"),
    axis="payload of a task",
    caveats=(
        (
            "The loop is local, over a unix socket. Over a network of 1 Gbit/s, 100 kB take 0.8 ms "
            "each way: capacity there is bounded by the line."
        ),
        (
            "The data is text of one letter, which the client decodes. JSON of that size costs "
            "more to read than to send."
        ),
        "`memory` in the manifest has the bytes of used_memory per entry, acknowledged and kept.",
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
