"""What the two sides of a run are made of: who sends, who consumes, and how."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streamlab.errors import BadArgumentError
from streamlab.load.payload import DIGITS

#: The largest number of processes that a run starts: past this a machine only swaps.
MOST_CONSUMERS = 64
#: The forms of a schedule; `streamlab.load.schedule` makes them.
SCHEDULES = "'fixed', 'exponential', 'bursts:SIZE' or 'trace:FILE'"
_SCHEDULE = re.compile("fixed|exponential|bursts:[1-9][0-9]{0,5}|trace:.+")


class Reader(StrEnum):
    """What a consumer is."""

    WORKER = "worker"  # the package's own, with its heartbeat and sweeps
    LOOP = "loop"  # XREADGROUP, the work, XACK, and nothing else: redis-py alone


class Sender(StrEnum):
    """What a producer is."""

    QUEUE = "queue"  # TaskQueue.enqueue
    XADD = "xadd"  # redis-py alone


class Ack(StrEnum):
    """How a loop acknowledges."""

    XACK = "xack"
    NOACK = "noack"  # XREADGROUP NOACK: delivered is done, a crash loses what was in hand
    XACKDEL = "xackdel"  # Redis 8.2+: acknowledged and deleted in one command
    XACK_XDEL = "xack+xdel"  # the same in two, in one transaction, before 8.2


class Recover(StrEnum):
    """How a loop takes over what a dead consumer held."""

    NONE = "none"
    XAUTOCLAIM = "xautoclaim"  # a sweep each quarter of min_idle_ms
    CLAIM = "claim"  # XREADGROUP ... CLAIM, Redis 8.4+: with each read


class WorkShape(StrEnum):
    """How the handler's times are distributed about their mean."""

    FIXED = "fixed"
    EXPONENTIAL = "exponential"


def consumers_text(count: int) -> str:
    """``1 consumer``, ``2 consumers``."""
    return f"{count} consumer" + "s" * (count != 1)


def check_number(what: str, value: Any, kind: type, least: float, most: float) -> None:
    """Refuse `value` unless it is a number of that kind within the bounds.

    Raises
    ------
    BadArgumentError
        With the value and the rule.
    """
    number = isinstance(value, kind if kind is int else (int, float)) and not isinstance(
        value, bool
    )
    if not number or not math.isfinite(value) or not least <= value <= most:
        noun = "a whole number" if kind is int else "a number"
        msg = f"{what} must be {noun} in {least}..{most}, got {value!r}"
        raise BadArgumentError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What produces and what consumes in one run; the same words are columns of ``runs.csv``.

    Attributes
    ----------
    consumers
        Consumer processes in each group, 1 to 64.
    groups
        Consumer groups, each of which gets every task (fan-out), 1 to 64.
    work_ms
        What the handler does, as a sleep, in ms, 0 to 10,000; its mean if `work_shape` spreads it.
    work_shape
        ``"fixed"`` or ``"exponential"`` (seeded by each consumer's name).
    payload_bytes
        Length of a task's data, 12 to 1,000,000.
    sender
        ``"queue"`` (the package's) or ``"xadd"`` (redis-py alone).
    reader
        ``"worker"`` (the package's) or ``"loop"`` (redis-py alone). What follows, `count` apart,
        is the loop's affair: the worker does each in its own way.
    count
        COUNT of a read, 1 to 10,000.
    block_ms
        BLOCK of a read, in ms, 1 to 60,000.
    poll_ms
        None blocks. A number reads without BLOCK, and pauses so many ms, 0 to 60,000, after an
        empty reply.
    ack
        ``"xack"``, ``"noack"``, ``"xackdel"`` (8.2+) or ``"xack+xdel"``.
    ack_batch
        How many tasks one acknowledgement is for, 1 to 10,000; an empty reply sends what is left.
    recover
        ``"none"``, ``"xautoclaim"`` or ``"claim"`` (8.4+).
    min_idle_ms
        From when on a pending task may be taken over, by the loop and by the worker, in ms, 10 to
        600,000.
    maxlen
        MAXLEN of each XADD (`sender` ``"xadd"``); None trims nothing.
    schedule
        When tasks are due: ``"fixed"``, ``"exponential"``, ``"bursts:SIZE"`` or ``"trace:FILE"``;
        see `streamlab.load.schedule`.
    seed
        Of the schedule, and of the spread of the work.

    Raises
    ------
    BadArgumentError
        A value is out of its bounds.
    """

    consumers: int = 1
    groups: int = 1
    work_ms: float = 1.0
    work_shape: WorkShape = WorkShape.FIXED
    payload_bytes: int = 100
    sender: Sender = Sender.QUEUE
    reader: Reader = Reader.WORKER
    count: int = 10
    block_ms: int = 100
    poll_ms: float | None = None
    ack: Ack = Ack.XACK
    ack_batch: int = 1
    recover: Recover = Recover.NONE
    min_idle_ms: int = 60_000
    maxlen: int | None = None
    schedule: str = "fixed"
    seed: int = 1

    def __post_init__(self) -> None:
        for what, kind in _KINDS.items():
            object.__setattr__(self, what, _member(what, kind, getattr(self, what)))
        for what, least, most in _WHOLE:
            check_number(what, getattr(self, what), int, least, most)
        check_number("work_ms", self.work_ms, float, 0, 10_000)
        if self.poll_ms is not None:
            check_number("poll_ms", self.poll_ms, float, 0, 60_000)
        if self.maxlen is not None:
            check_number("maxlen", self.maxlen, int, 1, 10**9)
        if not _SCHEDULE.fullmatch(self.schedule):
            msg = f"schedule must be {SCHEDULES}, got {self.schedule!r}"
            raise BadArgumentError(msg)
        if self.reader is Reader.WORKER and self.sender is Sender.XADD:
            msg = (
                "sender must be 'queue' when the reader is 'worker', got 'xadd': a worker buries "
                "entries that are no tasks; take reader='loop'"
            )
            raise BadArgumentError(msg)
        if self.groups * self.consumers > MOST_CONSUMERS:
            msg = (
                f"groups * consumers must be <= {MOST_CONSUMERS} processes, got {self.groups} * "
                f"{self.consumers}: lower one"
            )
            raise BadArgumentError(msg)


_KINDS: dict[str, type[StrEnum]] = {
    "work_shape": WorkShape,
    "sender": Sender,
    "reader": Reader,
    "ack": Ack,
    "recover": Recover,
}
_WHOLE = (
    ("consumers", 1, MOST_CONSUMERS),
    ("groups", 1, MOST_CONSUMERS),
    ("payload_bytes", DIGITS, 1_000_000),
    ("count", 1, 10_000),
    ("block_ms", 1, 60_000),
    ("ack_batch", 1, 10_000),
    ("min_idle_ms", 10, 600_000),
    ("seed", 0, 2**63),
)


def _member(what: str, kind: type[StrEnum], value: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(str(one)) for one in kind)
        msg = f"{what} must be one of {known}, got {value!r}"
        raise BadArgumentError(msg) from None
