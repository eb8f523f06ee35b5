"""Dead letters: the tasks that were given up, on a stream of their own, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.errors import PayloadError
from streamlab.queue import replies
from streamlab.queue.names import beside
from streamlab.queue.scripts import run_script
from streamlab.queue.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis

#: How the names of the fields begin that are added to the entry's own when it is buried.
MARK = "dead_"
_ADDED = tuple(f"{MARK}{name}" for name in ("entry_id", "deliveries", "error", "reason"))


def dead_letter_key(stream: str, group: str) -> str:
    """The stream of the dead letters of `group` on `stream`."""
    return beside(stream, "dead", group)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that was given up.

    Attributes
    ----------
    dead_id
        Its id among the dead letters, for `TaskQueue.requeue`.
    entry_id
        The id it had on its stream.
    fields
        Its fields there.
    deliveries
        How often it had been delivered.
    error
        The class of the last error; ``""`` when none was seen, as the process ended instead.
    reason
        Why it was given up, in words; the text of the error in it is cut at 500 characters.
    """

    dead_id: str
    entry_id: str
    fields: dict[str, str]
    deliveries: int
    error: str
    reason: str

    @property
    def task(self) -> Task | None:
        """The task in it; None when its fields are not those of one."""
        try:
            return Task.from_entry(self.entry_id, self.fields)
        except PayloadError:
            return None

    @classmethod
    def of(cls, dead_id: str, fields: Mapping[str, str]) -> DeadLetter:
        """What an entry of the dead-letter stream says."""
        own = {name: value for name, value in fields.items() if name not in _ADDED}
        return cls(
            dead_id,
            fields.get(f"{MARK}entry_id", ""),
            own,
            int(fields.get(f"{MARK}deliveries", "0")),
            fields.get(f"{MARK}error", ""),
            fields.get(f"{MARK}reason", ""),
        )


def read_dead_letters(
    client: redis.Redis, key: str, count: int, after: str | None
) -> list[DeadLetter]:
    """The oldest `count` dead letters behind the id `after` (XRANGE)."""
    entries = replies.range_entries(client.xrange(key, f"({after}" if after else "-", "+", count))
    return [DeadLetter.of(entry.entry_id, entry.fields) for entry in entries]


def requeue(client: redis.Redis, key: str, stream: str, dead_id: str) -> str | None:
    """Put one back on `stream` (XADD and XDEL in one script); its new entry id, None if gone."""
    entry_id: str | None = run_script(client, "queue/requeue", [key, stream], [dead_id, *_ADDED])
    return entry_id
