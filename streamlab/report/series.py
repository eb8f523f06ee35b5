"""Cases that end in a number are points of a line: ``XPENDING 1,000`` is one of XPENDING's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlab.measure.runs import Run

    Series = dict[str, dict[float, list[Run]]]

_NUMBER = re.compile(
    r"^(?P<text>.*?)[\s=:]*(?P<number>\d[\d,_]*(?:\.\d+)?(?:e\d+)?)(?P<times>[kM]?)$"
)
_TIMES = {"": 1, "k": 1_000, "M": 1_000_000}


def parts_of(case: str) -> tuple[str, float] | None:
    """The text before a case's last number, and the number; None where it ends in none."""
    found = _NUMBER.match(case)
    if found is None:
        return None
    number = float(re.sub("[,_]", "", found["number"])) * _TIMES[found["times"]]
    return found["text"].strip() or "all", number


def series_of(runs: Sequence[Run]) -> Series | None:
    """By the text of the cases and by their number; None unless all end in a number above 0."""
    found: Series = {}
    for run in runs:
        parts = parts_of(run.case)
        if parts is None or parts[1] <= 0:
            return None
        found.setdefault(parts[0], {}).setdefault(parts[1], []).append(run)
    return {text: dict(sorted(points.items())) for text, points in found.items()}
