"""What does trimming cost XADD? Each way to trim, at several lengths, one by one and in pipelines.

Question: a stream that nobody trims grows for ever. What does each way to bound it add to XADD?

Method: a stream of N entries, copied anew for each row; then XADD in a closed loop, one call at a
time, and for three of the ways 100 in a pipeline, with a way to trim that keeps about N. So each
call finds as much to trim as a long-running producer does. Ids are given, 1-0, 2-0, ..., so that
MINID knows what is N entries old. Then the bound is lowered from the largest N to a hundredth, and
the first XADD, which has to trim it all, is timed in the server.

Expect: nothing that depends on N. "=" takes one entry off a node of 100 with each call; "~" waits
until a whole node may go, which is cheaper. LIMIT bounds one call's work, counts entries, and
frees whole nodes only: LIMIT 10 is less than a node, so it never trims, and the stream grows as if
there were no bound. A lowered bound makes one XADD pay for all: "=" at once, "~" 10,000 entries a
call.

Sizes: tiny 1,000; short 1,000 and 100,000; full 1,000,000 too (60 MB in the server).

Time at full: about 1 minute.

    python loadtests/scenarios/trimming.py --size short
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamlab.bench.commands import Command, time_command
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.payload import payload_of
from streamlab.load.settings import Load, Reader, Sender
from streamlab.load.share import Reading
from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    import redis

    from streamlab.bench.study import Study

LENGTHS = {"tiny": (1_000,), "short": (1_000, 100_000), "full": (1_000, 100_000, 1_000_000)}
# An XADD takes a fraction of a millisecond: a tenth of the time of a run is thousands of calls.
_SECONDS_SHARE = 0.1
_PIPELINE, _PAGE = 100, 1_000
_NODE = 100  # entries of a node: stream-node-max-entries
_LOAD = Load(work_ms=0, sender=Sender.XADD, reader=Reader.LOOP)
#: How XADD trims, as redis-py has it; None where the id of N entries ago is still to come.
WAYS: dict[str, dict[str, Any]] = {
    "XADD": {},
    "XADD MAXLEN = N": {"maxlen": None, "approximate": False},
    "XADD MAXLEN ~ N": {"maxlen": None},
    "XADD MAXLEN ~ N LIMIT 100": {"maxlen": None, "limit": 100},
    "XADD MAXLEN ~ N LIMIT 10": {"maxlen": None, "limit": 10},
    "XADD MINID ~ N ago": {"minid": None},
}
_IN_PIPELINES = ("XADD", "XADD MAXLEN = N", "XADD MAXLEN ~ N")
_LOWERING = ("XADD MAXLEN = N", "XADD MAXLEN ~ N", "XADD MAXLEN ~ N LIMIT 100")


@dataclass(slots=True)
class Producer:
    """Adds entries with rising ids to a stream that has `length` of them, and trims its own way."""

    client: redis.Redis
    stream: str
    length: int
    way: dict[str, Any]
    last: int = 0

    def add(self, to: redis.Redis) -> None:
        """One XADD, to a server or into a pipeline."""
        self.last += 1
        bound = {"maxlen": self.length, "minid": self.last - self.length}
        options: dict[str, Any] = {
            name: bound[name] if value is None else value for name, value in self.way.items()
        }
        to.xadd(self.stream, {"data": payload_of(self.last, 100)}, id=f"{self.last}-0", **options)

    def add_one(self) -> None:
        """One call."""
        self.add(self.client)

    def add_many(self, calls: int = _PIPELINE) -> None:
        """Many calls in one round trip."""
        with self.client.pipeline(transaction=False) as pipe:
            for _ in range(calls):
                self.add(pipe)
            pipe.execute()


def measure(study: Study) -> None:
    """Fill a stream of each length, then time each way to trim on copies of it."""
    lengths = LENGTHS.get(study.size.name, LENGTHS["short"])
    ways = [(way, 1) for way in WAYS] + [(way, _PIPELINE) for way in _IN_PIPELINES]
    points = [(way, each, n) for way, each in ways for n in lengths]
    study.add_facts({"cases": [case_of(*point) for point in points]})
    study.expect(len(lengths) + study.size.repeats * len(points) + 1)
    order = [(repeat, point, case_of(*point)) for repeat, point in study.shuffled(points)]
    missing = [one for one in order if study.known(Mode.COMMAND, one[2], one[0]) is None]
    if not missing and "lowered" in study.facts:
        return
    client, stream = study.rig().client, study.rig().stream
    try:
        for n in lengths:
            study.tick(f"fill: {n:,} entries")
            source = Producer(client, f"{stream}-{n}", n, {})
            for _ in range(0, n, _PAGE):
                source.add_many(_PAGE)
        for repeat, (way, each, n), case in order:
            if (repeat, (way, each, n), case) in missing:
                _time(study, case, repeat, _copied(study, way, n), each)
            else:
                study.tick(f"known: {case}, repeat {repeat}")
        _lower(study, lengths[-1])
    finally:
        client.delete(stream, *(f"{stream}-{n}" for n in lengths))


def case_of(way: str, each: int, length: int) -> str:
    """``100 x XADD MAXLEN ~ N: 1,000``: what is called, and the stream's length."""
    return f"{f'{each} x ' if each > 1 else ''}{way}: {length:,}"


def _copied(study: Study, way: str, length: int) -> Producer:
    client, stream = study.rig().client, study.rig().stream
    client.copy(f"{stream}-{length}", stream, replace=True)
    return Producer(client, stream, length, WAYS[way], length)


def _time(study: Study, case: str, repeat: int, producer: Producer, each: int) -> None:
    call = producer.add_one if each == 1 else producer.add_many
    command = Command(name="xadd", call=call, each=each)
    seconds = _SECONDS_SHARE * study.size.seconds
    time_command(study, case, repeat, command, seconds=seconds, load=_LOAD)
    grown_by = int(producer.client.xlen(producer.stream)) - producer.length
    study.add_facts({"grown_by": {**study.facts.get("grown_by", {}), case: grown_by}})


def _lower(study: Study, length: int) -> None:
    """The bound is lowered to a hundredth: what the first XADD costs, and how many it takes."""
    study.tick("lower the bound")
    told: dict[str, Any] = {"from": length, "to": length // 100}
    for way in _LOWERING:
        producer = _copied(study, way, length)
        producer.length, client = length // 100, producer.client
        before = Reading.take(client)
        producer.add_one()
        first = before.until(Reading.take(client)).commands["xadd"]
        calls = 1
        while client.xlen(producer.stream) >= length // 100 + _NODE:
            producer.add_one()
            calls += 1
        told[way] = {"first_call_us": first.usec_per_call, "calls": calls}
    study.add_facts({"lowered": told})


EXPERIMENT = Experiment(
    name="trimming",
    question="What does trimming cost XADD?",
    measure=measure,
    charts=("commands",),
    axis="entries on the stream (N)",
    caveats=(
        (
            "A closed loop on an idle server: times of one call, not latencies of tasks. The round "
            "trip of a pipeline is that of all its 100 calls; the server's time is that of one."
        ),
        (
            "LIMIT 10 is less than a node of 100 entries, and only whole nodes are freed: it trims "
            "nothing at all. `grown_by` in the manifest says by how many entries each stream grew."
        ),
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
