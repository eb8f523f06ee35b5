"""One thing that happened to one task, or one thing that was broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What happened, in the order in which it happens to a task.

    No value is the end of another: two lines of a ledger that ran into each other can never be
    read as one.
    """

    #: The producer is about to send it; noted before the XADD.
    ATTEMPTED = "attempted"
    #: XADD's reply came.
    ACKNOWLEDGED = "acknowledged"
    #: XADD was sent and its reply did not come.
    UNKNOWN = "unknown"
    #: It is definitely not stored: never sent, or answered with an error.
    REFUSED = "refused"
    #: It was given to a handler.
    DELIVERED = "delivered"
    #: The handler did what it is for; one event for each time.
    EFFECT = "effect"
    #: XACK was answered.
    ACKED = "acked"
    #: It was handed back undone.
    RELEASED = "released"
    #: It was moved to the dead-letter stream.
    DEAD_LETTERED = "dead-lettered"
    #: The server forgot an entry it had acknowledged: a restart, a flush, an eviction.
    SERVER_LOST = "server-lost"
    #: An entry of it was pending or unread after the quiet time.
    REMAINING = "remaining"
    #: What the nemesis did, in words; it belongs to no task.
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a ledger.

    Attributes
    ----------
    kind
        What happened.
    task_id
        To which task, any text; empty for a fault.
    at_ns
        When, in nanoseconds of ``time.monotonic_ns``: comparable over the processes of a machine.
    actor
        Who says so: the producer, a consumer's name, ``"nemesis"``, ``"server"``.
    entry_id
        The entry it is about, or empty.
    detail
        More about it, any text, or empty.
    """

    kind: Kind
    task_id: str
    at_ns: int
    actor: str
    entry_id: str = ""
    detail: str = ""
