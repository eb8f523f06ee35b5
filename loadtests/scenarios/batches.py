"""What do batches gain? COUNT of a read, tasks per acknowledgement, and four ways to acknowledge.

Question: XREADGROUP COUNT reads many tasks at once, one XACK may be for many. How much more does a
consumer finish, what does that cost in latency and in the server's time, and what do NOACK, XACK
with XDEL and XACKDEL (8.2+) change?

Method: one consumer with redis-py alone and an empty handler; one producer with redis-py's XADD.
Each case drains a backlog. Then all run an open loop at one rate, 60 % of the smallest capacity,
1,000/s at the most. `acks` in the manifest has, for each case, how often it acknowledged per task
(in the open loop), the server's own time for one such call (INFO commandstats, while the backlog is
drained), and both multiplied: the server's time to acknowledge a task.

Expect: batches gain more than anything else here. COUNT 100 with one XACK for 100 finishes about
ten times what COUNT 1 does, since a round trip costs 50 to 100 µs, of which the server needs 1 to 3
µs. Both sides of the batch must grow: COUNT 100 with an XACK for each task gains two- to threefold.
The server's time to acknowledge falls from about 0.4 to 0.25 µs a task, and with XACKDEL or XACK
and XDEL, which cost the server about the same, from 1.8 to 0.9. Latency at one rate does not
change, since reads find one task or two; but a task stays pending until its batch is full, and a
crash would have it done again. NOACK gains what one XACK for a hundred gains, and loses what was in
hand.

Sizes: tiny one case of each way to acknowledge; short and full fifteen cases.

Time at full: about 5 minutes.

    python loadtests/scenarios/batches.py --size short
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from streamlab.bench.cases import Cases
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.settings import Ack, Load, Reader, Sender
from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from streamlab.bench.study import Study
    from streamlab.measure.folder import Results

    Server = Mapping[str, Mapping[str, Any]]

# (COUNT, tasks per acknowledgement): all of them for XACK, the diagonal for the other ways. A batch
# larger than COUNT would only keep tasks pending over several reads.
_ALL = ((1, 1), (10, 1), (10, 10), (100, 1), (100, 10), (100, 100))
_DIAGONAL = ((1, 1), (10, 10), (100, 100))
_TINY = ((10, 10),)
# The commands that acknowledge; XDEL belongs to it where it deletes what was acknowledged.
_COMMANDS = {
    Ack.XACK: ("xack",),
    Ack.NOACK: (),
    Ack.XACKDEL: ("xackdel",),
    Ack.XACK_XDEL: ("xack", "xdel"),
}
_NAMES = {Ack.XACK: "", Ack.XACKDEL: ", XACKDEL", Ack.XACK_XDEL: ", XACK + XDEL"}
_WITHOUT_XACKDEL = "this server has no XACKDEL, which came with Redis 8.2: not measured"


def case_of(ack: Ack, count: int, batch: int) -> str:
    """``COUNT 10, ack 10``, ``COUNT 10, ack 10, XACKDEL``, ``COUNT 10, NOACK``."""
    if ack is Ack.NOACK:
        return f"COUNT {count}, NOACK"
    return f"COUNT {count}, ack {batch}{_NAMES[ack]}"


def loads_of(capabilities: frozenset[str], *, tiny: bool) -> dict[str, Load]:
    """The cases that a server with these capabilities can run."""
    ways = [ack for ack in Ack if ack is not Ack.XACKDEL or "XACKDEL" in capabilities]
    grid = {ack: _ALL if ack is Ack.XACK else _DIAGONAL for ack in ways}
    return {
        case_of(ack, count, batch): Load(
            work_ms=0,
            sender=Sender.XADD,
            reader=Reader.LOOP,
            count=count,
            ack=ack,
            ack_batch=batch,
        )
        for ack, sizes in grid.items()
        for count, batch in (_TINY if tiny else sizes)
    }


def left_out(capabilities: frozenset[str]) -> dict[str, str]:
    """What the manifest says of the cases that such a server cannot run."""
    return {} if "XACKDEL" in capabilities else {"left_out": _WITHOUT_XACKDEL}


def measure(study: Study) -> None:
    """All cases, and what an acknowledgement cost in each."""
    capabilities = study.rig().server.capabilities
    study.add_facts(left_out(capabilities))
    loads = loads_of(capabilities, tiny=study.size.tiny)
    Cases(loads=loads, latency_s=1.0).measure(study)
    study.add_facts({"acks": acks_of(study.results, loads)})


def acks_of(results: Results, loads: dict[str, Load]) -> dict[str, dict[str, float | None]]:
    """By case: acknowledging calls per task, µs of the server per call, and µs per task.

    Medians over the valid runs. An XACK with its XDEL is one call. Nothing for NOACK.
    """
    found: dict[str, dict[str, float | None]] = {}
    for case, load in loads.items():
        commands = _COMMANDS[load.ack]
        if not commands:
            continue
        calls = _median(
            server[commands[0]]["calls"] / server["xadd"]["calls"]
            for server in _shares(results, Mode.LATENCY, case)
        )
        us = _median(
            sum(server[name]["usec_per_call"] for name in commands)
            for server in _shares(results, Mode.CAPACITY, case)
        )
        found[case] = {
            "calls_per_task": calls,
            "server_us_per_call": us,
            "server_us_per_task": None if calls is None or us is None else round(calls * us, 3),
        }
    return found


def _shares(results: Results, mode: Mode, case: str) -> Iterable[Server]:
    """What the server did in each valid run of a case, by command."""
    for run in results.of(mode):
        details = results.details(run) if run.valid and run.case == case else None
        if details and details.server:
            yield details.server


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(median(known), 3) if known else None


EXPERIMENT = Experiment(
    name="batches",
    question="What do batches gain, and what does an acknowledgement cost?",
    measure=measure,
    charts=("cases_capacity", "cases_latency", "budget", "percentiles"),
    axis="COUNT, and tasks per acknowledgement",
    caveats=(
        (
            "`acks` in the manifest has the acknowledging calls per task and the server's own time "
            "for them. That time is measured inside the server: a client waits for the round trip."
        ),
        (
            "A task in a batch that is not full stays pending, until the batch is full or a read "
            "comes back empty: `ack_us`. What a consumer holds when it dies is done again."
        ),
        (
            "NOACK is no way to acknowledge but to do without: a task is gone when it is "
            "delivered, and a consumer that dies loses all it had in hand."
        ),
        "The handler does nothing: with real work, batches gain the less the longer it takes.",
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
