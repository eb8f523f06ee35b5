"""Histogram logs (``.hdr``), as HdrHistogram's own tools read and write them."""

from __future__ import annotations

import datetime as dt
import zlib
from typing import TYPE_CHECKING

import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from streamlab.errors import BenchError
from streamlab.measure.histogram import LONGEST_US, LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

#: The tags of the two clocks' histograms.
CORRECTED, UNCORRECTED = "from-due", "from-sent"
_SECOND_NS = 1_000_000_000
_UNREADABLE = (
    *(HdrCookieException, HdrLengthException, HdrHistogramSettingsException, zlib.error),
    *(ValueError, TypeError),
)
_US_PER_S = 1e6  # the log's maxima are in s, its counts in µs


def write_log(
    path: Path,
    due_ns: npt.NDArray[np.int64],
    latencies_ns: Mapping[str, npt.NDArray[np.int64]],
    began_s: float,
) -> None:
    """Write an interval histogram for each second and tag, in µs.

    Parameters
    ----------
    due_ns
        When each task was due, in ns, from any zero: which second it belongs to.
    latencies_ns
        The latencies of the same tasks, by tag.
    began_s
        When the first was due, in s since 1970.
    """
    lines = [
        "#[Histogram log format version 1.3]",
        "#[latencies in microseconds, maxima in seconds; written by streamlab]",
        f"#[BaseTime: {began_s:.3f} (seconds since epoch)]",
        f"#[StartTime: {began_s:.3f} (seconds since epoch), {_date(began_s)}]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    # hdrhistogram's own writer knows no tags and rounds maxima down to whole units.
    seconds = (due_ns - due_ns.min()) // _SECOND_NS if len(due_ns) else due_ns
    for second in np.unique(seconds):
        mine = seconds == second
        for tag, values in latencies_ns.items():
            part = LatencyHistogram.of_ns(values[mine])
            max_s = (part.max_us or 0) / _US_PER_S
            lines.append(f"Tag={tag},{second:.3f},1.000,{max_s:.6f},{part.encode()}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _date(at_s: float) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).isoformat(timespec="milliseconds")


def read_log(path: Path) -> dict[str, LatencyHistogram]:
    """The whole of each tag's histograms in a log.

    Raises
    ------
    BenchError
        The file is no log.
    """
    return {tag: _sum(parts) for tag, parts in read_intervals(path).items()}


def read_intervals(path: Path) -> dict[str, list[tuple[float, LatencyHistogram]]]:
    """(start in s after the first, histogram) of each interval, by tag.

    Raises
    ------
    BenchError
        The file is no log.
    """
    found: dict[str, list[tuple[float, LatencyHistogram]]] = {}
    reader = HistogramLogReader(str(path), HdrHistogram(1, LONGEST_US, 3))
    try:
        while (histogram := reader.get_next_interval_histogram()) is not None:
            tag = histogram.get_tag() or ""
            start_s = histogram.get_start_time_stamp() / 1000
            found.setdefault(tag, []).append((start_s, LatencyHistogram.wrap(histogram)))
    except _UNREADABLE as exc:
        msg = f"{path.name} is no histogram log ({type(exc).__name__}): was it cut short?"
        raise BenchError(msg) from exc
    finally:
        reader.close()
    first = min((start for parts in found.values() for start, _ in parts), default=0.0)
    return {tag: [(start - first, one) for start, one in parts] for tag, parts in found.items()}


def _sum(parts: list[tuple[float, LatencyHistogram]]) -> LatencyHistogram:
    whole = LatencyHistogram()
    for _, part in parts:
        whole.add(part)
    return whole
