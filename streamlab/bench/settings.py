"""What a benchmark is asked to do, within bounds, and the command line that asks for it again."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlab.bench.payload import DIGITS
from streamlab.errors import BadArgumentError

# A bound on the load: so many tasks in one run fit into memory on any machine.
MOST_TASKS = 1_000_000
_MOST_CONSUMERS = 64


def _check(what: str, value: Any, kind: type, least: float, most: float) -> None:
    number = isinstance(value, kind if kind is int else (int, float)) and not isinstance(
        value, bool
    )
    if not number or not math.isfinite(value) or not least <= value <= most:
        noun = "a whole number" if kind is int else "a number"
        msg = f"{what} must be {noun} in {least}..{most}, got {value!r}"
        raise BadArgumentError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """The settings of one benchmark.

    Attributes
    ----------
    out
        The folder for the results; it is made if missing, results in it are replaced.
    consumers
        Numbers of consumer processes to measure, each 1 to 64, none twice.
    seconds
        How long each run is measured, in s, 0.1 to 600; the warm-up comes on top.
    rate_per_s
        λ of the latency runs, tasks per second, 1 to 100,000; None for 60% of the smallest
        capacity that was measured, so that one λ serves every number of consumers.
    repeats
        Runs per mode and number of consumers, 1 to 100.
    work_ms
        What the handler does, as a sleep, in ms, 0 to 10,000.
    payload_bytes
        Length of a task's data, 12 to 1,000,000.
    batch
        COUNT of a read, 1 to 10,000.
    seed
        Of the order in which the numbers of consumers are measured.
    redis
        Version of the private server, or its beginning; None for the newest at hand.

    Raises
    ------
    BadArgumentError
        A value is out of its bounds.
    """

    out: Path
    consumers: tuple[int, ...] = (1, 2, 4)
    seconds: float = 2.0
    rate_per_s: float | None = None
    repeats: int = 3
    work_ms: float = 1.0
    payload_bytes: int = 100
    batch: int = 10
    seed: int = 1
    redis: str | None = None

    def __post_init__(self) -> None:
        if not self.consumers or len(set(self.consumers)) < len(self.consumers):
            msg = f"consumers must be numbers, none of them twice, got {self.consumers!r}"
            raise BadArgumentError(msg)
        for count in self.consumers:
            _check("consumers", count, int, 1, _MOST_CONSUMERS)
        _check("seconds", self.seconds, float, 0.1, 600)
        if self.rate_per_s is not None:
            _check("rate_per_s", self.rate_per_s, float, 1, 100_000)
            if self.rate_per_s * self.seconds > MOST_TASKS:
                tasks = self.rate_per_s * self.seconds
                msg = f"rate_per_s * seconds must be <= {MOST_TASKS}, got {tasks:.0f}: lower one"
                raise BadArgumentError(msg)
        _check("repeats", self.repeats, int, 1, 100)
        _check("work_ms", self.work_ms, float, 0, 10_000)
        _check("payload_bytes", self.payload_bytes, int, DIGITS, 1_000_000)
        _check("batch", self.batch, int, 1, 10_000)
        _check("seed", self.seed, int, 0, 2**63)
        if not isinstance(self.out, Path):
            msg = f"out must be a pathlib.Path, got {self.out!r}: wrap it in Path()"
            raise BadArgumentError(msg)

    @property
    def command(self) -> str:
        """The command line that asks for the same benchmark."""
        rate = "auto" if self.rate_per_s is None else f"{self.rate_per_s:g}"
        words = ["streamlab", "bench", "--consumers", ",".join(map(str, self.consumers))]
        words += ["--seconds", f"{self.seconds:g}", "--rate", rate, "--repeats", str(self.repeats)]
        words += ["--work-ms", f"{self.work_ms:g}", "--payload-bytes", str(self.payload_bytes)]
        words += ["--batch", str(self.batch), "--seed", str(self.seed)]
        words += ["--redis", self.redis] if self.redis else []
        return shlex.join(
            [*words, "--out", self.out.name if self.out.is_absolute() else str(self.out)]
        )
