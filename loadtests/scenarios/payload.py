"""What does a large task cost? Payloads of 100 bytes to 100 kB: capacity, latency, memory.

Question: how do throughput, latency and the server's memory depend on the size of a task's data,
and from which size on is it better to store the data elsewhere and to send its key?

Method: one consumer with redis-py alone and an empty handler; one producer with redis-py's XADD.
Each size drains a backlog (of 200 MB at the most, so that a server of any size holds it); then each
runs an open loop at one rate, a tenth of the smallest capacity, in which nothing is trimmed.
What one entry takes is measured on a stream of 1,000: `memory` in the manifest.

Expect: up to 10 kB a task costs hardly more than one of 100 bytes, since the round trip costs most.
At 100 kB capacity falls by 40 %, and the server's time for a task is eight times as long. An entry
takes its data and 13 to 50 bytes on Redis 8.10, on older versions up to 15 % more, for the nodes of
the stream are not shrunk to what they hold. Memory is what runs out: a backlog of 10,000 tasks of
100 kB is 1 GB. Send a key instead of the data when it is memory, or the network, that is short.

Sizes: tiny 100 bytes and 10 kB; short and full all four.

Time at full: about 2 minutes.

    python loadtests/scenarios/payload.py --size short
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamlab.bench.cases import Cases
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.payload import payload_of
from streamlab.load.settings import Load, Reader, Sender

if TYPE_CHECKING:
    import redis

    from streamlab.bench.study import Study

CASES = {"100 B": 100, "1 kB": 1_000, "10 kB": 10_000, "100 kB": 100_000}
_TINY = ("100 B", "10 kB")
# Of the smallest capacity, that of 100 kB: at 500 tasks/s a run leaves 125 MB on the server.
_SHARE = 0.1
_ENTRIES, _PAGE = 1_000, 50


def measure(study: Study) -> None:
    """What an entry of each size takes, then all sizes."""
    loads = {
        case: Load(work_ms=0, sender=Sender.XADD, reader=Reader.LOOP, payload_bytes=size)
        for case, size in CASES.items()
        if case in _TINY or not study.size.tiny
    }
    if "memory" not in study.facts:
        rig = study.rig()
        taken = {
            case: {"bytes_per_entry": bytes_per_entry(rig.client, f"{rig.stream}-filled", size)}
            for case, size in CASES.items()
            if case in loads
        }
        study.add_facts({"memory": taken})
    Cases(loads=loads, share=_SHARE).measure(study)


def bytes_per_entry(client: redis.Redis, stream: str, payload_bytes: int) -> float:
    """What one entry of a stream takes on the server, in bytes (MEMORY USAGE of all its nodes)."""
    try:
        for _ in range(0, _ENTRIES, _PAGE):
            with client.pipeline(transaction=False) as pipe:
                for number in range(_PAGE):
                    pipe.xadd(stream, {"data": payload_of(number, payload_bytes)})
                pipe.execute()
        taken: Any = client.memory_usage(stream, samples=0)  # None only where there is no stream
        return round(float(taken) / _ENTRIES, 1)
    finally:
        client.delete(stream)


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
        (
            "`memory` in the manifest has the bytes that one entry takes, by MEMORY USAGE. The "
            "growth of used_memory in a run has the clients' buffers in it too."
        ),
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
