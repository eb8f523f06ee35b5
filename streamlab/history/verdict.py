"""The verdict on a history: counts, whether it is valid, and why not, for a person or a program."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from streamlab.history.classes import TaskClass
from streamlab.history.timeline import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamlab.history.ledger import TornLine
    from streamlab.history.timeline import Timeline

#: The classes of which tasks are named, worst first. The last is bad only if it is said to be.
BAD = (TaskClass.LOST, TaskClass.UNEXPECTED, TaskClass.STUCK, TaskClass.DUPLICATED)

_MEANING = {
    TaskClass.ATTEMPTED: "the producer sent it",
    TaskClass.ACKNOWLEDGED: "XADD's reply came",
    TaskClass.UNKNOWN: "XADD's reply did not come; it may be stored",
    TaskClass.REFUSED: "definitely not stored",
    TaskClass.EFFECTS: "the handler did its work",
    TaskClass.RECOVERED: "unknown, and its effect was seen",
    TaskClass.DUPLICATED: "its effect was seen more than once",
    TaskClass.DEAD_LETTERED: "moved to the dead-letter stream",
    TaskClass.SERVER_LOST: "acknowledged, then forgotten by the server",
    TaskClass.LOST: "acknowledged, and nothing became of it",
    TaskClass.UNEXPECTED: "an effect of what was never stored",
    TaskClass.STUCK: "pending or unread after the quiet time",
}

_TORN = "the writer was killed within its write; counted as not written"
_LABEL = max(map(len, TaskClass))
_MOST_TORN, _SHOWN_PATH = 5, 150


def broken_classes(*, exactly_once: bool) -> tuple[TaskClass, ...]:
    """The classes that must be empty, worst first."""
    return BAD if exactly_once else BAD[:-1]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many tasks are in each `TaskClass`, which defines them, and what that means.

    Attributes
    ----------
    torn
        Lines that were not written to their end. Their writers were killed within a write, and
        had not been told that it happened: they are no events.
    examples
        For each class that can be bad, up to five tasks with the fewest events.
    timeline
        The shortest story of a broken task; None if the history is valid.
    exactly_once_expected
        Whether duplicates make it not valid.
    seed
        What the run was drawn from.
    replay
        The line that runs it again.
    """

    attempted: int
    acknowledged: int
    unknown: int
    refused: int
    effects: int
    recovered: int
    duplicated: int
    dead_lettered: int
    server_lost: int
    lost: int
    unexpected: int
    stuck: int
    torn: tuple[TornLine, ...]
    examples: Mapping[TaskClass, tuple[str, ...]]
    timeline: Timeline | None
    exactly_once_expected: bool
    seed: int | None
    replay: str | None

    @property
    def counts(self) -> dict[TaskClass, int]:
        """How many tasks are in each class."""
        return {name: getattr(self, name) for name in TaskClass}

    @property
    def _must_be_empty(self) -> tuple[TaskClass, ...]:
        return broken_classes(exactly_once=self.exactly_once_expected)

    @property
    def valid(self) -> bool:
        """Whether nothing is lost, unexpected or stuck, nor duplicated if that is forbidden."""
        return not any(self.counts[name] for name in self._must_be_empty)

    def table(self) -> list[str]:
        """A line for each class: its name, how many tasks, what it means."""
        width = max(len(f"{count:,}") for count in self.counts.values())
        lines = []
        for name, count in self.counts.items():
            must = "; must be 0" if name in self._must_be_empty else ""
            label = name.replace("_", "-")
            lines.append(f"{label:<{_LABEL}}  {count:>{width},}  {_MEANING[name]}{must}")
        if self.torn:
            lines.append(f"{'torn lines':<{_LABEL}}  {len(self.torn):>{width},}  {_TORN}")
        return lines

    def lines(self) -> list[str]:
        """Everything a person needs: the answer, the table, and if not valid why, and how again."""
        lines = [self._answer(), "", *self.table()]
        lines += [f"torn: {shown(str(line), _SHOWN_PATH)}" for line in self.torn[:_MOST_TORN]]
        if self.seed is not None:
            lines += ["", f"seed {self.seed}"]
        for name, tasks in self.examples.items():
            if tasks and name in self._must_be_empty:
                more = ", …" if self.counts[name] > len(tasks) else ""
                lines.append(f"{name}: {', '.join(map(shown, tasks))}{more}")
        if self.timeline:
            lines += ["", *self.timeline.lines()]
        if self.replay is not None and not self.valid:
            lines += ["", f"replay: {self.replay}"]
        return lines

    def __str__(self) -> str:
        """`lines` as one text."""
        return "\n".join(self.lines())

    def _answer(self) -> str:
        broken = self._must_be_empty
        if not self.valid:
            return "not valid: " + ", ".join(
                f"{self.counts[name]:,} {name}" for name in broken if self.counts[name]
            )
        if not self.acknowledged:
            return "valid, and it shows little: no task was acknowledged"
        return "valid: no task is " + ", ".join(broken[:-1]) + f" or {broken[-1]}"

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON can say it, with ids and details as they were."""
        return {
            "valid": self.valid,
            **{str(name): count for name, count in self.counts.items()},
            "torn": [asdict(line) | {"path": str(line.path)} for line in self.torn],
            "examples": {str(name): list(tasks) for name, tasks in self.examples.items()},
            "timeline": asdict(self.timeline) if self.timeline else None,
            "exactly_once_expected": self.exactly_once_expected,
            "seed": self.seed,
            "replay": self.replay,
        }
