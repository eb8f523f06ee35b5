"""To wait or to ask? A consumer that blocks beside consumers that poll each 1, 10 and 100 ms.

Question: XREADGROUP can wait for a task (BLOCK), or a consumer can ask again and again with pauses
in between. What does each cost in latency, in processor time and in commands?

Method: one consumer with redis-py alone and an empty handler. Tasks arrive at random (seeded
exponential gaps): at fixed gaps of 50 ms a consumer that asks each 10 ms would meet every task at
the same point of its pause. A low and a medium rate. A poller pauses only after an empty reply.
Processor time is that of the consumer's process and of the server; commands per task are
XREADGROUP and XACK over XADD, by INFO commandstats. Then one consumer blocks on an idle server
where nothing ever comes, again and again, and it is timed how long BLOCK 1 to 150 ms really last.

Expect: with a pause of p ms the latency of a task is spread evenly over 0 to p, so its p99 is
about p; BLOCK has none of that, for one XREADGROUP a task. Asking each 1 ms comes near to it in
latency, and costs tens of commands a task at 20/s. An idle server looks for blocked clients whose
time is over only when its timer wakes it, 10 times a second (hz 10): BLOCK 1 and BLOCK 50 both
last about 100 ms there, BLOCK 100 lasts 200. A task that arrives ends the wait at once, so a short
BLOCK gains nothing.

Sizes: a p99 takes 1,000 tasks, 52 s at the low rate of 20/s, which is measured once at full; short
takes 100/s for it, tiny nothing else.

Time at full: about 6 minutes.

    python loadtests/scenarios/polling.py --size short
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from streamlab.bench.commands import LEAST_CALLS, Command, time_command
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.settings import Load, Reader, Sender
from streamlab.measure.histogram import samples_needed
from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    from streamlab.bench.study import Study
    from streamlab.measure.folder import Results

POLLS_MS = {"tiny": (10.0,)}
_POLLS_MS = (1.0, 10.0, 100.0)
BLOCKS_MS = {"tiny": (10,)}
_BLOCKS_MS = (1, 10, 50, 100, 150)
LOW_PER_S = {"full": 20.0}
_LOW_PER_S, MEDIUM_PER_S = 100.0, 500.0
_MOST_REPEATS = 3
_COMMANDS = ("xadd", "xreadgroup", "xack")
_BASE = Load(
    work_ms=0, sender=Sender.XADD, reader=Reader.LOOP, schedule="exponential", block_ms=100
)


def measure(study: Study) -> None:
    """Latency of each way to read at both rates; then the lengths of empty waits."""
    size = study.size
    polls = POLLS_MS.get(size.name, _POLLS_MS)
    loads = {"BLOCK": _BASE} | {f"poll {ms:g} ms": replace(_BASE, poll_ms=ms) for ms in polls}
    low, blocks = LOW_PER_S.get(size.name, _LOW_PER_S), BLOCKS_MS.get(size.name, _BLOCKS_MS)
    repeats = {low: 1, MEDIUM_PER_S: min(size.repeats, _MOST_REPEATS)}  # the low rate takes long
    points = [(case, rate) for case in loads for rate in repeats]
    if size.tiny:
        points = [point for point in points if point[1] == low]
    study.add_facts({"cases": [*loads, *map(case_of, blocks)]})
    study.expect(sum(repeats[rate] for _, rate in points) + len(blocks))
    for repeat, (case, rate) in study.shuffled(points):
        if repeat <= repeats[rate]:
            load = replace(loads[case], seed=repeat)
            study.latency(case, load, rate, repeat, seconds=seconds_of(study, rate))
    for block_ms in blocks:
        _empty_wait(study, block_ms)
    study.add_facts({"cost": costs(study.results)})


def seconds_of(study: Study, rate_per_s: float) -> float:
    """How long a run is: until there are enough tasks for a p99, and the size's seconds."""
    enough_s = 1.05 * samples_needed(0.99) / rate_per_s
    return study.size.seconds if study.size.tiny else max(study.size.seconds, enough_s)


def case_of(block_ms: int) -> str:
    """``empty BLOCK: 50``: a read that gives up after so many ms."""
    return f"empty BLOCK: {block_ms}"


def _empty_wait(study: Study, block_ms: int) -> None:
    client, stream = study.rig().client, study.rig().stream

    def wait() -> None:
        client.xreadgroup("workers", "waiting", {stream: ">"}, count=1, block=block_ms)

    client.xgroup_create(stream, "workers", "$", mkstream=True)
    try:
        time_command(
            study,
            case_of(block_ms),
            1,
            Command(name="xreadgroup", call=wait),
            seconds=LEAST_CALLS * block_ms / 1000,
            load=replace(_BASE, block_ms=block_ms),
        )
    finally:
        client.delete(stream)


def costs(results: Results) -> dict[str, dict[str, float]]:
    """Of each case and rate: shares of one core, and commands per task; medians of valid runs."""
    found: dict[str, list[dict[str, float]]] = {}
    for run in results.of(Mode.LATENCY):
        details = results.details(run)
        if not run.valid or details is None or "xadd" not in details.server:
            continue
        calls = {name: details.server.get(name, {}).get("calls", 0) for name in _COMMANDS}
        consumers = [cpu for name, cpu in details.cpu_shares.items() if name != "producer"]
        found.setdefault(f"{run.case}, {run.rate_per_s:g}/s", []).append(
            {
                "consumer_cpu": sum(consumers),
                "server_cpu": run.server_cpu or 0.0,
                "commands_per_task": (calls["xreadgroup"] + calls["xack"]) / calls["xadd"],
            }
        )
    return {
        case: {name: round(median(row[name] for row in rows), 4) for name in rows[0]}
        for case, rows in found.items()
    }


EXPERIMENT = Experiment(
    name="polling",
    question="To wait or to ask: BLOCK, or polling?",
    measure=measure,
    charts=("cases_latency", "percentiles", "commands", "budget"),
    axis="BLOCK, or the pause between two polls (ms)",
    caveats=(
        "`cost` in the manifest has the shares of a core and the commands per task.",
        (
            "An empty BLOCK ends when the server's timer next looks (hz 10: each 100 ms), as long "
            "as nothing else wakes it. It delays nothing but a consumer that wants to stop."
        ),
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
