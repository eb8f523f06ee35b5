"""The classes of tasks, Jepsen's for queues, each defined by what was told of a task."""

from __future__ import annotations

from enum import IntFlag, StrEnum


class Told(IntFlag):
    """What the ledgers say of one task, whoever said it and in whatever order."""

    ACKNOWLEDGED = 1
    UNKNOWN = 2
    REFUSED = 4
    EFFECT = 8
    EFFECT_AGAIN = 16
    DEAD_LETTERED = 32
    SERVER_LOST = 64
    REMAINING = 128
    #: It was attempted more often than refused: for one attempt at least, no refusal was told.
    NOT_REFUSED = 256


class TaskClass(StrEnum):
    """What a task is counted as; a task is counted once in a class, however often it was told.

    Of a producer's three words each attempted task has exactly one: acknowledged, unknown or
    refused. What became of it is told by sets that may overlap: a task with two effects whose
    second run was dead-lettered is in `EFFECTS`, `DUPLICATED` and `DEAD_LETTERED`.
    """

    #: The producer sent it, or told how sending it ended.
    ATTEMPTED = "attempted"
    #: XADD's reply came, at least once. A producer that tries again until it does has acknowledged
    #: one task, not two; if both attempts were stored, their effects are a duplicate.
    ACKNOWLEDGED = "acknowledged"
    #: Not acknowledged, and the outcome of an attempt is not known: it was told so, or nothing
    #: was told, as when the producer was killed before it could. Without an effect it may never
    #: have been stored; nothing is wrong with that.
    UNKNOWN = "unknown"
    #: Every attempt was refused: definitely not stored.
    REFUSED = "refused"
    #: The handler did its work at least once.
    EFFECTS = "effects"
    #: Unknown, and its effect was seen: it was stored after all.
    RECOVERED = "recovered"
    #: Two or more effects, whatever entries they came from. At-least-once allows it.
    DUPLICATED = "duplicated"
    #: Moved to the dead-letter stream. It may have had effects before: a handler can do its work
    #: and fail after it.
    DEAD_LETTERED = "dead_lettered"
    #: Acknowledged; the server forgot it; no effect, not remaining, not dead-lettered. Not the
    #: queue's fault, so it is not in `LOST`.
    SERVER_LOST = "server_lost"
    #: Acknowledged; no effect, not remaining, not dead-lettered, not forgotten by the server.
    LOST = "lost"
    #: An effect of a task that nobody attempted, or of one that was definitely not stored.
    UNEXPECTED = "unexpected"
    #: An entry of it was pending or unread after the quiet time. An effect does not excuse it: the
    #: entry would be run again, or never acknowledged. Nor does it matter who sent it.
    STUCK = "stuck"


def classes_of(told: Told) -> frozenset[TaskClass]:
    """The classes of a task of which this was told."""
    acknowledged = Told.ACKNOWLEDGED in told
    unknown = not acknowledged and bool(told & (Told.UNKNOWN | Told.NOT_REFUSED))
    refused = not acknowledged and not unknown and Told.REFUSED in told
    effect = Told.EFFECT in told
    became = Told.EFFECT | Told.REMAINING | Told.DEAD_LETTERED
    vanished = acknowledged and not told & became
    belongs = {
        TaskClass.ATTEMPTED: acknowledged or unknown or refused,
        TaskClass.ACKNOWLEDGED: acknowledged,
        TaskClass.UNKNOWN: unknown,
        TaskClass.REFUSED: refused,
        TaskClass.EFFECTS: effect,
        TaskClass.RECOVERED: effect and unknown,
        TaskClass.DUPLICATED: Told.EFFECT_AGAIN in told,
        TaskClass.DEAD_LETTERED: Told.DEAD_LETTERED in told,
        TaskClass.SERVER_LOST: vanished and Told.SERVER_LOST in told,
        TaskClass.LOST: vanished and Told.SERVER_LOST not in told,
        TaskClass.UNEXPECTED: effect and not acknowledged and not unknown,
        TaskClass.STUCK: Told.REMAINING in told,
    }
    return frozenset(name for name, true in belongs.items() if true)
