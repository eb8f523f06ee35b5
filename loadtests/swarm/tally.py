"""What a process has counted since its last report: tasks by number, latencies, what went wrong."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from streamlab.measure.histogram import LONGEST_US, LatencyHistogram

if TYPE_CHECKING:
    from swarm.clock import Reading

#: How many sends at the beginning and at the end the rate is judged by.
EDGE = 50

#: The latencies of one stage: from when tasks were due, and from when they were sent.
Pair: TypeAlias = tuple[LatencyHistogram, LatencyHistogram]


def pair() -> Pair:
    """Two empty histograms."""
    return LatencyHistogram(), LatencyHistogram()


class Tally:
    """What one process has counted: tasks by number, latencies in µs, and what went wrong.

    A task done by one group of several is known by its number: task * groups + group.

    Parameters
    ----------
    test
        Which test this belongs to; a report that comes late is not counted in the next one.
    keep
        Whether to keep each single latency, for a log.
    """

    def __init__(self, test: str = "", *, keep: bool = False) -> None:
        self.test, self._keep = test, keep
        self.acknowledged, self.done, self.kept = array("q"), array("q"), array("q")
        self.first: list[tuple[int, int]] = []  # due and sent, in ns
        self.last: deque[tuple[int, int]] = deque(maxlen=EDGE)
        self.own_lag = LatencyHistogram()
        self.stages: dict[int, Pair] = {}
        self.failed: Counter[str] = Counter()
        self.impossible = self.begun = self.ended = self.works = self.work_ns = 0
        self.began_s = 0.0
        self.reading: Reading | None = None

    def send(self, due_ns: int, sent_ns: int, free_ns: int) -> None:
        """A task was sent, which the producer was free to do from `free_ns` on."""
        if len(self.first) < EDGE:
            self.first.append((due_ns, sent_ns))
        self.last.append((due_ns, sent_ns))
        self.own_lag.record(max(0, sent_ns - max(due_ns, free_ns)) // 1000)

    def do(
        self, number: int, moments_ns: tuple[int, int, int], stage: int = 0, error_ns: int = 0
    ) -> int:
        """A task was due, sent and done at `moments_ns`; returns its latency from due, in µs.

        A latency below 0, by no more than the clocks' error, is 0.
        """
        due_ns, sent_ns, done_ns = moments_ns
        self.done.append(number)
        latencies_us = [(done_ns - since + 500) // 1000 for since in (due_ns, sent_ns)]
        if min(latencies_us) < -error_ns / 1000 or max(latencies_us) > LONGEST_US:
            self.impossible += 1
            return 0
        both = self.stages.setdefault(stage, pair())
        for histogram, latency_us in zip(both, latencies_us, strict=True):
            histogram.record(max(0, latency_us))
        if self._keep:
            self.kept.extend([due_ns, *(max(0, done_ns - since) for since in (due_ns, sent_ns))])
        return max(0, latencies_us[0])

    def work(self, took_ns: int) -> None:
        """A handler's work took so long."""
        self.works, self.work_ns = self.works + 1, self.work_ns + took_ns

    def encode(self) -> dict[str, Any]:
        """Everything counted, as Locust's messages can carry it."""
        plain = {name: getattr(self, name) for name in ("test", *SUMS, "began_s")}
        lists = {name: list(getattr(self, name)) for name in ("first", "last", *_LISTS)}
        return {
            **plain,
            **lists,
            "own_lag": self.own_lag.encode(),
            "stages": {n: [one.encode() for one in both] for n, both in self.stages.items()},
            "failed": dict(self.failed),
            "reading": asdict(self.reading) if self.reading else None,
        }


#: The counts that add up.
SUMS = ("impossible", "begun", "ended", "works", "work_ns")
_LISTS = ("acknowledged", "done", "kept")
