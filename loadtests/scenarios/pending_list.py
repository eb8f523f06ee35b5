"""What does a long pending list cost? Each command timed over 100 to a million pending entries.

Question: tasks that were delivered and never acknowledged stay on the group's pending list. Which
commands does that make slower, and how much memory does it take?

Method: one stream for each size. All its entries are delivered to one consumer and stay pending,
delivered moments ago; beside it another consumer reads and acknowledges one entry at a time. Each
command is called in a closed loop, one call at a time, in a random order of sizes and commands.
Those that look for idle entries (XPENDING IDLE, XAUTOCLAIM, XREADGROUP CLAIM) ask for an hour and
find none, as most sweeps do. Memory is the growth of used_memory while the list is filled.

Expect: XREADGROUP, XACK and the two XINFO hardly notice. XPENDING IDLE walks the whole list to
find that nothing is idle, and the server does nothing else meanwhile. XAUTOCLAIM looks at COUNT *
10 entries and gives a cursor: one call is short, a sweep of the whole list as long as the list.
CLAIM (8.4+) has an index by time. A pending entry takes about 180 bytes on Redis 8, 90 on 6.2.

Sizes: tiny 100 and 1,000; short up to 100,000; full up to 1,000,000, which takes 230 MB of memory.

Time at full: about 1 minute.

    python loadtests/scenarios/pending_list.py --size short
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.bench.commands import Command, time_command
from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.payload import DIGITS, payload_of
from streamlab.load.settings import Load, Reader, Sender
from streamlab.measure.runs import Mode
from streamlab.queue import replies

if TYPE_CHECKING:
    import redis

    from streamlab.bench.study import Study

SIZES = {
    "tiny": (100, 1_000),
    "short": (100, 1_000, 10_000, 100_000),
    "full": (100, 1_000, 10_000, 100_000, 1_000_000),
}
# A command takes a fraction of a millisecond: a tenth of the time of a run is thousands of calls.
_SECONDS_SHARE = 0.1
_HOUR_MS = 3_600_000
_COUNT = 100  # of XAUTOCLAIM; also the default
_PAGE = 1_000
_LOAD = Load(work_ms=0, payload_bytes=DIGITS, sender=Sender.XADD, reader=Reader.LOOP, count=1)


class PendingList:
    """A stream with a group in which `size` entries are pending, and commands on it."""

    def __init__(self, client: redis.Redis, stream: str, size: int) -> None:
        self._client, self._stream, self._size = client, stream, size
        self._unread = 0
        self._mine = ""  # the entry that the second consumer holds

    def fill(self) -> dict[str, float]:
        """Add the entries, deliver them, and tell what each took, in bytes of used_memory."""
        client = self._client
        client.xgroup_create(self._stream, "workers", "0", mkstream=True)
        before = self._memory()
        for first in range(0, self._size, _PAGE):
            self._add(min(_PAGE, self._size - first))
        added = self._memory()
        for _ in range(0, self._size, _PAGE):
            client.xreadgroup("workers", "gone", {self._stream: ">"}, count=_PAGE)
        delivered = self._memory()
        return {
            "stream_bytes_per_entry": round((added - before) / self._size, 1),
            "pending_bytes_per_entry": round((delivered - added) / self._size, 1),
            "all_bytes": delivered - before,
        }

    def commands(self, capabilities: frozenset[str]) -> dict[str, Command]:
        """What can be timed on it, by the names of the cases."""
        client, stream = self._client, self._stream
        found = {
            "XREADGROUP >": Command(name="xreadgroup", call=self._read, before=self.settle),
            "XREADGROUP CLAIM": Command(
                name="xreadgroup", call=lambda: self._read(_HOUR_MS), before=self.settle
            ),
            "XACK": Command(name="xack", call=self._ack, before=self._next),
            "XPENDING": Command(name="xpending", call=lambda: client.xpending(stream, "workers")),
            "XPENDING - + 10": Command(name="xpending", call=self._page),
            "XPENDING IDLE": Command(name="xpending", call=lambda: self._page(_HOUR_MS)),
            "XAUTOCLAIM": Command(
                name="xautoclaim",
                call=lambda: client.xautoclaim(
                    stream, "workers", "reader", _HOUR_MS, "0-0", count=_COUNT
                ),
            ),
            "XINFO STREAM": Command(name="xinfo|stream", call=lambda: client.xinfo_stream(stream)),
            "XINFO GROUPS": Command(name="xinfo|groups", call=lambda: client.xinfo_groups(stream)),
        }
        if "CLAIM" not in capabilities:
            del found["XREADGROUP CLAIM"]
        return found

    def _memory(self) -> int:
        return int(self._client.info("memory")["used_memory"])

    def _add(self, entries: int) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for number in range(entries):
                pipe.xadd(self._stream, {"data": payload_of(number, DIGITS)})
            pipe.execute()

    def _page(self, idle_ms: int | None = None) -> object:
        return self._client.xpending_range(self._stream, "workers", "-", "+", 10, idle=idle_ms)

    def _read(self, claim_ms: int | None = None) -> None:
        reply = self._client.xreadgroup(
            "workers", "reader", {self._stream: ">"}, count=1, claim_min_idle_time=claim_ms
        )
        (entry,) = replies.read_entries(reply)
        self._mine = entry.entry_id
        self._unread -= 1

    def _ack(self) -> None:
        self._client.xack(self._stream, "workers", self._mine)

    def settle(self) -> None:
        """Nothing is pending but what the list was filled with, and there is something to read."""
        if self._mine:
            self._ack()
        self._forget()

    def _forget(self) -> None:
        """The entry that was acknowledged goes off the stream too; new ones come in time."""
        if self._mine:
            self._client.xdel(self._stream, self._mine)
            self._mine = ""
        if not self._unread:
            self._unread = min(500, self._size)
            self._add(self._unread)

    def _next(self) -> None:
        """One entry more is pending than the list was filled with."""
        self._forget()
        self._read()


def measure(study: Study) -> None:
    """Fill the lists that are still needed, time the commands on them, and delete them."""
    rig, sizes = study.rig(), SIZES.get(study.size.name, SIZES["short"])
    lists = {n: PendingList(rig.client, f"{rig.stream}-{n}", n) for n in sizes}
    timed = {n: one.commands(rig.server.capabilities) for n, one in lists.items()}
    points = [(n, name) for n in sizes for name in timed[n]]
    study.add_facts({"cases": [case_of(name, n) for name in timed[sizes[0]] for n in sizes]})
    study.expect(len(sizes) + study.size.repeats * len(points))
    order = [(repeat, n, name, case_of(name, n)) for repeat, (n, name) in study.shuffled(points)]
    missing = {n for repeat, n, _, case in order if not study.known(Mode.COMMAND, case, repeat)}
    memory = dict(study.facts.get("memory", {}))
    try:
        for n in sizes:
            study.tick(f"fill: {n:,} pending entries")
            if n in missing:
                memory[f"{n:,}"] = lists[n].fill()
        study.add_facts({"memory": memory})
        seconds = _SECONDS_SHARE * study.size.seconds
        for repeat, n, name, case in order:
            time_command(study, case, repeat, timed[n][name], seconds=seconds, load=_LOAD)
            if n in missing:
                lists[n].settle()
    finally:
        rig.client.delete(*(f"{rig.stream}-{n}" for n in sizes))


def case_of(name: str, size: int) -> str:
    """``XACK: 1,000``: what is called, and how many entries are pending."""
    return f"{name}: {size:,}"


EXPERIMENT = Experiment(
    name="pending_list",
    question="What does a long pending list cost?",
    measure=measure,
    charts=("commands",),
    axis="pending entries",
    caveats=(
        (
            "Each command is called alone, in a closed loop: times of one call on an idle server, "
            "not latencies of tasks. While a call lasts the server does nothing else."
        ),
        (
            "XPENDING IDLE, XAUTOCLAIM (COUNT 100) and XREADGROUP CLAIM ask for an hour and find "
            "nothing. XAUTOCLAIM looks at COUNT * 10 entries a call: a sweep of the whole list "
            "takes as many calls as it needs to come round."
        ),
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
