"""What does safety cost? No append-only file, one synced each second, one before each reply.

Question: how much throughput and latency does an append-only file cost, with `appendfsync everysec`
and with `always`?

Method: a private server for each setting. One consumer with redis-py alone and an empty handler;
one producer with redis-py's XADD. Each setting drains a backlog, which writes as well: each read
and each XACK is a line of the file. Then all run an open loop at one rate, 20 % of the smallest
capacity. `always` comes a second time with one XACK for ten tasks. `disk` in the manifest has what
fdatasync costs here, measured on a file beside the server's.

Expect: everysec costs too little to tell here, since a thread of its own waits for the disk. With
`always` each reply waits for it, XADD's, the read's and XACK's: on a virtual disk that syncs in
0.12 ms capacity falls to a third or less, and the p50 doubles; on a disk that takes 5 ms it would
be some 100 tasks/s. One sync is for all that came since the last: with one XACK for ten tasks most
of the capacity is back.

Sizes: tiny the three settings; short and full all cases.

Time at full: about 2 minutes.

    python loadtests/scenarios/persistence.py --size short
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from streamlab.bench.cases import Cases
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.settings import Load, Reader, Sender
from streamlab.report.phrases import time_text

if TYPE_CHECKING:
    from streamlab.bench.study import Study

_LOAD = Load(work_ms=0, sender=Sender.XADD, reader=Reader.LOOP)
LOADS = {
    "no persistence": _LOAD,
    "everysec": _LOAD,
    "always": _LOAD,
    "always, ack 10": replace(_LOAD, ack_batch=10),
}
_PERSISTENCE = {"everysec": "everysec", "always": "always", "always, ack 10": "always"}
# In an open loop the producer's XADDs wait for the same disk, and reads find one task, not ten.
_SHARE = 0.2
_TINY = 3
_SYNCS = 100
_LINE = b"x" * 300  # about what an XADD, a read and an XACK of one task write


def measure(study: Study) -> None:
    """What the disk does, and all settings."""
    if "disk" not in study.facts:
        took_us = fdatasync_us()
        told = (
            f"fdatasync of {len(_LINE)} bytes took {time_text(took_us)} in the median here. The "
            "cost of `always` is that of the disk: figures of another disk are other figures."
        )
        study.add_facts(
            {
                "disk": {"fdatasync_p50_us": round(took_us, 1)},
                "caveats": [*study.facts["caveats"], told],
            }
        )
    cases = list(LOADS)[: _TINY if study.size.tiny else None]
    loads = {case: LOADS[case] for case in cases}
    Cases(loads=loads, persistence=_PERSISTENCE, share=_SHARE).measure(study)


def fdatasync_us() -> float:
    """The median time to append a task's lines to a file and to sync them, in µs."""
    # macOS has no fdatasync; Redis uses fsync there as well.
    sync, took_us = getattr(os, "fdatasync", os.fsync), []
    with tempfile.TemporaryFile(prefix="streamlab-") as file:
        for _ in range(_SYNCS):
            os.write(file.fileno(), _LINE)
            began_ns = time.perf_counter_ns()
            sync(file.fileno())
            took_us.append((time.perf_counter_ns() - began_ns) / 1000)
    return median(took_us)


EXPERIMENT = Experiment(
    name="persistence",
    question="What does safety cost?",
    measure=measure,
    charts=("cases_capacity", "cases_latency", "budget", "percentiles", "timeline"),
    axis="appendfsync",
    caveats=(
        (
            "Capacity is that of a consumer: the backlog was on the stream before the clock ran. "
            "Its reads and XACKs are writes all the same, and are synced."
        ),
        (
            "A virtual disk may say that it has synced when the host has it: then `always` is fast "
            "and not safe. A server on another disk than the folder for temporary files is not "
            "measured here."
        ),
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
