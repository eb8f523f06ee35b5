"""What happened, told by those who did it, and a checker that shares no code with the queue."""

from __future__ import annotations

from streamlab.history.checker import check
from streamlab.history.classes import TaskClass
from streamlab.history.events import Event, Kind
from streamlab.history.ledger import Ledger, TornLine, read_ledgers
from streamlab.history.timeline import Timeline
from streamlab.history.verdict import Verdict

__all__ = [
    "Event",
    "Kind",
    "Ledger",
    "TaskClass",
    "Timeline",
    "TornLine",
    "Verdict",
    "check",
    "read_ledgers",
]
