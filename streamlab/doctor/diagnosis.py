"""What the doctor found, as values: findings, lessons, and whether the lab can run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How bad a finding is: only a problem keeps the lab from running."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, and the command that mends it, if it needs one."""

    name: str
    status: Status
    fact: str
    fix: str | None = None


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
