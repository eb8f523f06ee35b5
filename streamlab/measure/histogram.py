"""Latencies in HDR histograms, in µs and three digits, and how many samples a quantile needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdrh.histogram import HdrHistogram

from streamlab.errors import BenchError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: The longest latency that is counted: one hour, in µs.
LONGEST_US = 3_600_000_000
_DIGITS = 3
_BEYOND = 10


def samples_needed(quantile: float) -> int:
    """How many samples there must be for `quantile`, in [0, 1), to be published.

    Ten must lie beyond it: 20 for the median, 100 for p90, 1,000 for p99, 10,000 for p99.9.
    With fewer, one hiccup of the machine moves the figure.
    """
    return round(_BEYOND / (1 - quantile))


class LatencyHistogram:
    """Counts latencies from 0 µs to one hour; every value within 0.1 % of what was recorded."""

    def __init__(self) -> None:
        self._hdr = HdrHistogram(1, LONGEST_US, _DIGITS)

    @classmethod
    def wrap(cls, hdr: HdrHistogram) -> LatencyHistogram:
        """What hdrhistogram read, in µs."""
        histogram = cls()
        histogram._hdr.add(hdr)
        return histogram

    @classmethod
    def of_ns(cls, latencies_ns: npt.NDArray[np.int64]) -> LatencyHistogram:
        """A histogram of latencies in ns, rounded to µs."""
        import numpy as np  # noqa: PLC0415 - Locust's workers record one by one

        histogram = cls()
        for value, count in zip(
            *np.unique((latencies_ns + 500) // 1000, return_counts=True), strict=True
        ):
            histogram.record(int(value), int(count))
        return histogram

    def record(self, latency_us: int, count: int = 1) -> None:
        """Count a latency of `latency_us`, `count` times.

        Raises
        ------
        BenchError
            If it is negative or longer than one hour: a sample is never dropped in silence.
        """
        if latency_us > LONGEST_US or not self._hdr.record_value(latency_us, count):
            msg = f"a latency must be in 0..{LONGEST_US} µs, got {latency_us}: are the clocks one?"
            raise BenchError(msg)

    def add(self, other: LatencyHistogram) -> None:
        """Count everything in `other` here too: how percentiles of several processes are had."""
        self._hdr.add(other._hdr)

    def encode(self) -> str:
        """The histogram as text, in HdrHistogram's own compressed format (base 64)."""
        return str(self._hdr.encode(), "ascii")

    @classmethod
    def decode(cls, text: str) -> LatencyHistogram:
        """The histogram that `encode` wrote."""
        histogram = cls()
        histogram._hdr.decode_and_add(text.encode())
        return histogram

    def curve(self) -> list[tuple[float, int]]:
        """(share of the tasks, latency in µs that they stayed within), finer towards 1.

        Each half of what is left is cut into eight steps, as HdrHistogram's percentile plots are;
        no share is told that has fewer than ten samples beyond it.
        """
        steps = [1 - step / 16 for step in range(8)]
        shares = [1 - left * 2.0**-half for half in range(30) for left in steps]
        known = ((share, self.quantile_us(share)) for share in shares if share < 1)
        return [(share, value) for share, value in known if value is not None]

    @property
    def mean_us(self) -> float | None:
        """The mean latency, in µs; None when there is none."""
        return float(self._hdr.get_mean_value()) if self.count else None

    @property
    def count(self) -> int:
        """How many latencies were recorded."""
        return int(self._hdr.total_count)

    @property
    def max_us(self) -> int | None:
        """The longest latency, in µs; None when there is none."""
        return int(self._hdr.get_max_value()) if self.count else None

    def quantile_us(self, quantile: float) -> int | None:
        """The latency in µs that a share `quantile` of the tasks stayed within.

        None when there are fewer samples than `samples_needed`: unknown, which is not zero.
        """
        if self.count < samples_needed(quantile):
            return None
        return int(self._hdr.get_value_at_percentile(100 * quantile))
