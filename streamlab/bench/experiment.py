"""An experiment: a question, the runs that answer it, and the figures that show the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError
from streamlab.load.settings import check_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.bench.study import Study


_BRIEF_S = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes
    ----------
    name
        ``"tiny"``: it runs, and proves nothing. ``"short"``: a look. ``"full"``: to be quoted.
    seconds
        How long a run is measured, in s.
    repeats
        Runs of each kind; at least 5 where intervals are to be believed.
    """

    name: str
    seconds: float
    repeats: int

    @property
    def floor_rounds(self) -> int:
        """Rounds of the bare loop: three for a look, seven for an interval that decides."""
        return 7 if self.name == "full" else 3

    @property
    def brief(self) -> bool:
        """Whether runs are so short that the bare loop beside them may be, too."""
        return self.seconds < _BRIEF_S

    @property
    def tiny(self) -> bool:
        """Whether this is a test of the experiment, not of Redis."""
        return self.name == "tiny"


def custom_size(seconds: float, repeats: int) -> Size:
    """A size of one's own: `seconds` in 0.1..3,600, `repeats` in 1..100.

    Raises
    ------
    BadArgumentError
        One is out of its bounds.
    """
    check_number("seconds", seconds, float, 0.1, 3600)
    check_number("repeats", repeats, int, 1, 100)
    return Size("custom", seconds, repeats)


SIZES = {
    size.name: size for size in (Size("tiny", 0.3, 1), Size("short", 1.5, 3), Size("full", 2.0, 5))
}


def size_named(name: str) -> Size:
    """The size of that name.

    Raises
    ------
    BadArgumentError
        There is none.
    """
    if name not in SIZES:
        msg = f"size must be one of {', '.join(SIZES)}, got {name!r}"
        raise BadArgumentError(msg)
    return SIZES[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What a file in ``loadtests/scenarios/`` states.

    Attributes
    ----------
    name
        Also of its results folder.
    question
        What it answers, as a reader would ask.
    measure
        Makes the runs, in an order that it chooses: `Study.shuffled` helps.
    charts
        Names of the figures of its report, in order, from ``streamlab.report.charts.CHARTS``.
    axis
        What distinguishes its cases, for the figures: ``"COUNT"``, ``"appendfsync"``.
    caveats
        What to keep in mind, beside what every report says.
    """

    name: str
    question: str
    measure: Callable[[Study], None]
    charts: tuple[str, ...]
    axis: str
    caveats: tuple[str, ...] = ()
