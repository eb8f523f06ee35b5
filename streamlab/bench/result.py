"""What a benchmark found, as an object and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from streamlab.bench.runs import Mode, Run, median_of_valid

if TYPE_CHECKING:
    from pathlib import Path

    from streamlab.bench.floor import Floor
    from streamlab.bench.settings import BenchSettings

#: The files of a results folder.
FILES = ("manifest.json", "runs.csv", "report.html", "throughput.png", "latency.png")
_MEDIANS = ("throughput_per_s", "p50_us", "p90_us", "p99_us", "uncorrected_p99_us")


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What a benchmark found.

    Attributes
    ----------
    settings
        What was asked for.
    runs
        Every run, in the order in which they were made.
    rate_per_s
        λ of the latency runs.
    floor
        The harness's own share of every latency.
    manifest
        The content of ``manifest.json``.
    """

    settings: BenchSettings
    runs: tuple[Run, ...]
    rate_per_s: float
    floor: Floor
    manifest: dict[str, Any]

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.settings.out / "report.html"

    def median(self, mode: Mode, consumers: int, column: str) -> float | None:
        """The median of a column over the valid runs; None without any."""
        return median_of_valid(self.runs, mode, consumers, column)

    def to_dict(self) -> dict[str, Any]:
        """Everything in types that JSON has."""
        return {
            "runs": [asdict(run) for run in self.runs],
            "medians": [
                {"mode": mode, "consumers": count}
                | {column: self.median(mode, count, column) for column in _MEDIANS}
                for mode in Mode
                for count in self.settings.consumers
            ],
            "manifest": self.manifest,
            "files": {name: str(self.settings.out / name) for name in FILES},
        }
