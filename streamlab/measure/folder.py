"""A results folder: rows, histograms, manifest; all that a report or a notebook needs."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from streamlab.errors import BenchError
from streamlab.measure.details import Details
from streamlab.measure.hdr_log import read_log
from streamlab.measure.runs import COLUMNS, Run, median_of_valid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from streamlab.measure.histogram import LatencyHistogram
    from streamlab.measure.runs import Mode

#: The files that a folder is known by.
RUNS, MANIFEST, HDR, DETAILS = "runs.csv", "manifest.json", "hdr", "details"


@dataclass(frozen=True, slots=True)
class Results:
    """What a folder holds.

    Attributes
    ----------
    path
        The folder.
    runs
        Its rows, in the order in which they were measured.
    manifest
        The content of ``manifest.json``.
    """

    path: Path
    runs: tuple[Run, ...]
    manifest: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The results in a folder.

        Raises
        ------
        BenchError
            It is no results folder, or was written by another version with other columns.
        """
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            return cls(path, tuple(read_runs(path / RUNS)), manifest)
        except (OSError, ValueError) as exc:
            msg = f"{path} holds no results ({exc}): give a folder that `streamlab bench` wrote"
            raise BenchError(msg) from exc

    def frame(self) -> pd.DataFrame:
        """``runs.csv`` as pandas reads it: a row a run, invalid ones too, with the `COLUMNS`."""
        import pandas as pd  # noqa: PLC0415 - half a second, and no run needs it

        return pd.read_csv(self.path / RUNS, keep_default_na=False, na_values=[""])

    def median(self, mode: Mode, column: str, **wanted: object) -> float | None:
        """The median of a column over the valid runs that have what is `wanted`."""
        return median_of_valid(self.runs, mode, column, **wanted)

    def of(self, mode: Mode) -> list[Run]:
        """The runs of one mode, valid or not."""
        return [run for run in self.runs if run.mode is mode]

    def cases(self, mode: Mode) -> list[str]:
        """The cases of one mode, in the order of their first runs' appearance in the plan."""
        order = self.manifest.get("cases", [])
        found = dict.fromkeys(run.case for run in self.of(mode))
        return sorted(found, key=lambda case: order.index(case) if case in order else len(order))

    def histograms(self, run: Run) -> dict[str, LatencyHistogram]:
        """The latencies of a run by tag: ``from-due`` and ``from-sent``; nothing without a log."""
        path = self.path / HDR / f"{run.name}.hdr"
        return read_log(path) if run.name and path.exists() else {}

    def details(self, run: Run) -> Details | None:
        """A run's timeline and the server's share of it; None where they were not kept."""
        path = self.path / DETAILS / f"{run.name}.json"
        return Details.read(path) if run.name and path.exists() else None


def read_runs(path: Path) -> list[Run]:
    """The rows of a ``runs.csv``; a last line that was cut short is left out.

    Raises
    ------
    BenchError
        The columns are not ours.
    """
    with path.open(newline="", encoding="utf-8") as file:
        text = file.read()
    whole = text[: text.rfind("\n") + 1]  # a process may have died within its last line
    reader = csv.DictReader(whole.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS:
        told = ", ".join(reader.fieldnames or ()) or "nothing"
        msg = f"{path.name} has other columns ({told:.80}): measure again into another folder"
        raise BenchError(msg)
    return [Run.from_row(row) for row in reader]


class RunsCsv:
    """``runs.csv``, complete up to the last run at any time; what is in it already is kept."""

    def __init__(self, path: Path) -> None:
        self.runs: list[Run] = read_runs(path) if path.exists() else []
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._rows([COLUMNS, *(run.row().values() for run in self.runs)])

    def write(self, run: Run) -> None:
        """Append a run, and see to it that it outlives this process."""
        self.runs.append(run)
        self._rows([run.row().values()])

    def _rows(self, rows: Iterable[Iterable[object]]) -> None:
        self._writer.writerows(rows)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
