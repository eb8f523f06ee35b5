"""What a load test counts, in each process and merged: every task, and its latency in µs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from streamlab.bench.gates import RATE_TOLERANCE
from streamlab.bench.latency import LatencyHistogram


class Tally:
    """Tasks acknowledged, tasks done, and two histograms of latency.

    `corrected` counts from when a task was due, `uncorrected` from when it was sent.
    """

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.done: Counter[int] = Counter()
        self.sent_ns: list[int] = []  # of the first and the last task
        self.corrected, self.uncorrected = LatencyHistogram(), LatencyHistogram()

    def acknowledge(self, number: int, sent_ns: int) -> None:
        """XADD's reply to task `number` came."""
        self.acknowledged.append(number)
        self.sent_ns = [*self.sent_ns[:1], sent_ns]

    def done_task(self, number: int, due_ns: int, sent_ns: int, now_ns: int) -> int:
        """A handler has ended; returns the latency from the due time, in µs."""
        latency_us = (now_ns - due_ns + 500) // 1000
        self.done[number] += 1
        self.corrected.record(latency_us)
        self.uncorrected.record((now_ns - sent_ns + 500) // 1000)
        return latency_us

    def encode(self) -> dict[str, Any]:
        """Everything counted, as Locust's messages can carry it."""
        return {
            "acknowledged": self.acknowledged,
            "done": list(self.done.elements()),
            "sent_ns": self.sent_ns,
            "corrected": self.corrected.encode(),
            "uncorrected": self.uncorrected.encode(),
        }

    def add(self, report: dict[str, Any]) -> None:
        """Count everything in a report of `encode` here too."""
        self.acknowledged += report["acknowledged"]
        self.done.update(report["done"])
        both = sorted(self.sent_ns + report["sent_ns"])
        self.sent_ns = [both[0], both[-1]] if both else []
        self.corrected.add(LatencyHistogram.decode(report["corrected"]))
        self.uncorrected.add(LatencyHistogram.decode(report["uncorrected"]))

    def verdict(
        self, rate_per_s: float, pending: list[int], unread: list[int], *, complete: bool
    ) -> tuple[str, bool]:
        """The figures as text, and whether every task is accounted for.

        Parameters
        ----------
        rate_per_s
            λ as it was asked for.
        pending, unread
            Numbers of the tasks left on the stream.
        complete
            Whether every process has sent its last report.
        """
        lost = set(self.acknowledged) - set(self.done) - set(pending) - set(unread)
        twice = sum(times > 1 for times in self.done.values())
        loss = len(lost) if complete else "unknown"
        counts = f"sent {len(self.acknowledged)}, done {len(self.done)}, twice {twice}, lost {loss}"
        counts += f", pending {len(pending)}, unread {len(unread)}"
        lines = [
            "",
            f"{'latency, µs':<16}{'tasks':>8}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}",
            _line("from due", self.corrected),
            _line("from sent", self.uncorrected),
            counts,
            self._rate(rate_per_s),
        ]
        if not complete:
            lines.append("not every process sent its last report: what is lost is not known")
        return "\n".join(lines), complete and not lost

    def _rate(self, rate_per_s: float) -> str:
        span_ns = self.sent_ns[-1] - self.sent_ns[0] if self.sent_ns else 0
        if not span_ns:
            return "no rate: fewer than two tasks were sent"
        sent_per_s = (len(self.acknowledged) - 1) * 1e9 / span_ns
        text = f"rate {sent_per_s:.1f}/s, asked for {rate_per_s:g}/s"
        if abs(sent_per_s / rate_per_s - 1) <= RATE_TOLERANCE:
            return text
        return f"{text}: not steady, the latencies above are not those of this rate"


def _line(name: str, histogram: LatencyHistogram) -> str:
    values = [histogram.quantile_us(quantile) for quantile in (0.5, 0.9, 0.99)]
    cells = "".join(f"{'-' if v is None else v:>10}" for v in (*values, histogram.max_us))
    return f"{name:<16}{histogram.count:>8}{cells}"
