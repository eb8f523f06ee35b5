"""What the doctor found, as values: findings, lessons, and what they mean together."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from streamlab.doctor.words import printable


class Status(StrEnum):
    """How bad a finding is: only a problem keeps the lab from running, or a queue from its tasks.

    INFO is worth knowing and needs no mending; UNKNOWN could not be looked at.
    """

    OK = "ok"
    INFO = "info"
    UNKNOWN = "unknown"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, and the command that mends it, if it needs one.

    `failures` has the ids of what goes wrong with streams (``"F37"``), as the lessons number it.
    """

    name: str
    status: Status
    fact: str
    fix: str | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """A notebook, the capabilities that it asks for, and those that are missing.

    With something missing it still runs, with notes where the server cannot follow.
    """

    path: str
    needs: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, and what they mean for the lessons.

    Attributes
    ----------
    findings
        In the order in which they were looked at.
    lessons
        One for each notebook of a checkout, in the order of the file names; empty elsewhere.
    """

    findings: tuple[Finding, ...]
    lessons: tuple[Lesson, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is a problem; warnings do not count."""
        return all(finding.status is not Status.PROBLEM for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {"ok": self.ok, **asdict(self)}

    def lines(self) -> list[str]:
        """The same as text: a line for each finding and each lesson, a further one for each fix."""
        text = []
        for finding in self.findings:
            text.append(f"{finding.status:8} {finding.name}: {finding.fact}")
            text += [f"{'':8} -> {finding.fix}"] if finding.fix else []
        for lesson in self.lessons:
            how = f"with notes: no {', '.join(lesson.missing)}" if lesson.missing else "runs"
            text.append(f"{'lesson':8} {lesson.path}: {how}")
        return text


_WORST_FIRST = tuple(reversed(Status))


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found on a Redis that serves as a task queue.

    Attributes
    ----------
    server
        Its URL, without the password.
    findings
        The worst first, else in the order in which they were looked at.
    unexamined
        The streams that this user may not look at; ``"*"`` when it may not even list them.
    """

    server: str
    findings: tuple[Finding, ...]
    unexamined: tuple[str, ...]

    @classmethod
    def of(cls, server: str, findings: list[Finding], unexamined: list[str]) -> Examination:
        """The findings, sorted."""
        ranked = sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.status))
        return cls(server, tuple(ranked), tuple(unexamined))

    @property
    def exit_code(self) -> int:
        """1 for a problem; else 2 when a stream could not be examined; else 0."""
        if any(finding.status is Status.PROBLEM for finding in self.findings):
            return 1
        return 2 if self.unexamined else 0

    def counts(self) -> dict[str, int]:
        """How many findings there are of each status, the worst first."""
        found = Counter(finding.status for finding in self.findings)
        return {str(status): found[status] for status in _WORST_FIRST}

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {"ok": self.exit_code == 0, "counts": self.counts(), **asdict(self)}

    def lines(self) -> list[str]:
        """The same as text: a line for each finding, a further one for each fix, and a summary."""
        text = []
        for finding in self.findings:
            ids = f" [{', '.join(finding.failures)}]" if finding.failures else ""
            text.append(f"{finding.status:8} {finding.name}{ids}: {finding.fact}")
            text += [f"{'':8} -> {finding.fix}"] if finding.fix else []
        return [printable(line) for line in [*text, self._summary()]]

    def _summary(self) -> str:
        count = self.counts()
        plural = {"problem": "problems", "warning": "warnings"}
        told = [f"{n} {plural.get(s, s) if n != 1 else s}" for s, n in count.items() if n]
        return ", ".join(told)
