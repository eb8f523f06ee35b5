"""The whole of a test, that the reports of all its processes add up to."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from statistics import median
from typing import Any

from streamlab.measure.histogram import LatencyHistogram
from swarm.clock import Reading
from swarm.tally import EDGE, SUMS, Pair, pair


class Marks:
    """How often each number was seen; a byte for each, so that an hour's tasks have room."""

    def __init__(self) -> None:
        self._times = bytearray()
        self.distinct = self.repeated = 0

    def add(self, number: int) -> None:
        """See a number once more."""
        if number >= len(self._times):
            self._times.extend(bytes(number + 1 - len(self._times) + 4096))
        times = self._times[number]
        self.distinct += times == 0
        self.repeated += times == 1
        self._times[number] = min(times + 1, 255)

    def times(self, number: int) -> int:
        """How often a number was seen, up to 255."""
        return self._times[number] if number < len(self._times) else 0

    def numbers(self) -> list[int]:
        """All that were seen."""
        return [number for number, times in enumerate(self._times) if times]


class Whole:
    """All reports of one test, of all processes, added up; the attributes are those of `Tally`."""

    def __init__(self, test: str = "", groups: int = 1) -> None:
        self.test, self.groups = test, groups
        self.sent, self.done = Marks(), [Marks() for _ in range(groups)]
        self.first: list[tuple[int, int]] = []
        self.last: deque[tuple[int, int]] = deque(maxlen=EDGE)
        self.own_lag = LatencyHistogram()
        self.stages: dict[int, Pair] = {}
        self.failed: Counter[str] = Counter()
        self.impossible = self.begun = self.ended = self.works = self.work_ns = 0
        self.began_s = 0.0
        self.kept = array("q")
        self.readings: dict[str, Reading] = {}

    def add(self, report: dict[str, Any], process: str) -> None:
        """Count everything in a report of `Tally.encode`; one of another test is left out."""
        if report["test"] != self.test:
            return
        for number in report["acknowledged"]:
            self.sent.add(number)
        for number in report["done"]:
            self.done[number % self.groups].add(number // self.groups)
        self.first = (self.first + [tuple(one) for one in report["first"]])[:EDGE]
        self.last.extend(tuple(one) for one in report["last"])
        self.own_lag.add(LatencyHistogram.decode(report["own_lag"]))
        for stage, texts in report["stages"].items():
            for histogram, text in zip(self.stages.setdefault(stage, pair()), texts, strict=True):
                histogram.add(LatencyHistogram.decode(text))
        self.failed.update(report["failed"])
        for name in SUMS:
            setattr(self, name, getattr(self, name) + report[name])
        self.began_s = self.began_s or report["began_s"]
        self.kept.extend(report["kept"])
        if report["reading"]:
            self.readings[process] = Reading(**report["reading"])

    @property
    def work_us(self) -> float | None:
        """How long a task's work took in the mean, in µs; None for no task."""
        return self.work_ns / self.works / 1000 if self.works else None

    def latencies(self) -> Pair:
        """The latencies of all stages."""
        whole = pair()
        for both in self.stages.values():
            for histogram, part in zip(whole, both, strict=True):
                histogram.add(part)
        return whole

    def rate_per_s(self, *, now: bool = False) -> float | None:
        """Sent per second; `now`: over the last sends alone. None for fewer than two."""
        sends = list(self.last) if now else [*self.first[:1], *list(self.last)[-1:]]
        span_ns = sends[-1][1] - sends[0][1] if sends else 0
        tasks = len(sends) if now else self.sent.distinct
        return (tasks - 1) * 1e9 / span_ns if span_ns > 0 else None

    def scheduled_per_s(self) -> float | None:
        """What the schedule itself was from the first to the last send, per second."""
        span_ns = self.last[-1][0] - self.first[0][0] if self.last else 0
        return (self.sent.distinct - 1) * 1e9 / span_ns if span_ns > 0 else None

    def off(self) -> float | None:
        """How much slower than its schedule the sending went, as a share; None when unknown.

        From how late the last sends were against the first ones, in the median of each: one late
        task is no slower rate.
        """
        size = max(1, min(EDGE, len(self.first) // 2))
        if len(self.first) <= 1:
            return None
        late_ns = [
            median(sent - due for due, sent in some)
            for some in (self.first[:size], list(self.last)[-size:])
        ]
        span_ns = self.last[-1][0] - self.first[0][0]
        return (late_ns[1] - late_ns[0]) / span_ns if span_ns > 0 else None
