"""What a group's pending list means: who holds what, what nobody claims, what never ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.doctor.diagnosis import Finding, Status
from streamlab.doctor.ids import id_text
from streamlab.doctor.pending import MAX_DELIVERIES, MOST_IDS
from streamlab.doctor.words import shown, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab.doctor.commands import Shell
    from streamlab.doctor.pending import Some
    from streamlab.doctor.state import Group, Stream

#: The consumer that the commands move entries to: no worker has this name by accident.
RESCUER = "streamlab-doctor"

# XAUTOCLAIM looks at ten entries for each one that it may claim.
_SCANNED_PER_COUNT = 10
_LARGEST_COUNT = 10_000

# As our worker buries a task, so that `TaskQueue.requeue` can dig it up again; in one script, so
# that an entry is never on both streams or on neither.
_BURY = (
    "local n = 0 for i = 4, #ARGV do "
    "local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1] "
    "local e = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1] "
    "if p and e then local add = {'XADD', KEYS[2], '*', unpack(e[2])} "
    "for k, v in pairs({entry_id = e[1], deliveries = p[4], error = '', reason = ARGV[3]}) do "
    "add[#add + 1] = ARGV[2] .. k add[#add + 1] = v end redis.call(unpack(add)) end "
    "n = n + redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) end return n"
)


def check_pending(
    stream: Stream, group: Group, shell: Shell, *, min_idle_ms: int
) -> Iterator[Finding]:
    """All findings about the pending list of a group."""
    if not group.pending.looked:
        return
    where = f"{shown(stream.key)}, group {shown(group.name)}"
    look = _Look(stream, group, shell, where, min_idle_ms)
    yield look.summary()
    for finding in (
        look.abandoned(),
        look.gone(),
        look.poison(),
        look.polled(),
        look.unowned(),
    ):
        if finding:
            yield finding


class _Look:
    """One group's pending list, and what its findings need."""

    def __init__(
        self, stream: Stream, group: Group, shell: Shell, where: str, min_idle_ms: int
    ) -> None:
        self._stream, self._group, self._shell = stream, group, shell
        self._where, self._min_idle_ms = where, min_idle_ms
        self._pending = group.pending

    def _redis(self, command: str, *words: str) -> str:
        return self._shell.redis(command, self._stream.key, self._group.name, *words)

    def _first(self, some: Some) -> str:
        """The ids, for the fact, and what to do when a line does not hold them all."""
        told = ", ".join(map(id_text, some.ids[:3]))
        told += ", ..." if some.count > len(some.ids[:3]) else ""
        again = f"; the command takes {MOST_IDS}, repeat it" if some.count > MOST_IDS else ""
        return f"({told}){self._pending.stopped}{again}"

    def _claim(self, min_idle_ms: int, first: Some) -> str:
        wanted = max(first.count, self._pending.total // _SCANNED_PER_COUNT + 1)
        count = str(min(wanted, _LARGEST_COUNT))
        return self._redis(
            "XAUTOCLAIM", RESCUER, str(min_idle_ms), id_text(first.ids[0]), "COUNT", count
        )

    def summary(self) -> Finding:
        owners = self._pending.owners.most_common(5)
        told = ", ".join(f"{n:,} with {shown(name)}" for name, n in owners)
        more = len(self._pending.owners) - len(owners)
        told += f" and {more} more" if more > 0 else ""
        fact = f"{self._where}: {self._pending.total:,} pending{self._pending.stopped}, "
        fact += f"{self._pending.ages()}" + (f": {told}" if told else "")
        unknown = self._pending.not_looked_up
        status = Status.UNKNOWN if unknown else Status.OK
        return Finding("pending", status, fact + unknown, None, ("F08",) if unknown else ())

    def abandoned(self) -> Finding | None:
        """Entries that nobody works on, or so it seems, and nobody claims."""
        some = self._pending.abandoned
        if not some.count:
            return None
        seen = {c.name: c.idle_ms for c in self._group.consumers or ()}
        told = [
            f"{n:,} with {shown(name)}"
            + (f" (itself idle {span(seen[name])})" if name in seen else "")
            for name, n in self._pending.untouched.most_common(3)
        ]
        more = len(self._pending.untouched) - len(told)
        fact = f"{self._where}: {some.count:,} pending entries were touched by nobody for "
        fact += f"{span(self._min_idle_ms)} {self._first(some)}: {', '.join(told)}"
        fact += f" and {more} more consumers" if more > 0 else ""
        stuck = some.count == self._pending.looked and self._stream.waiting(self._group) == 0
        fact += "; nothing waits and nothing is done, the workers are stuck" if stuck else ""
        fact += (
            f"; the command gives them to {RESCUER!r} and shows them: run and XACK each, or let "
        )
        fact += "`streamlab worker`, which claims by itself, do both"
        failures = ("F01", "F44") if stuck else ("F01",)
        fix = self._claim(self._min_idle_ms, some)
        return Finding("abandoned entries", Status.PROBLEM, fact, fix, failures)

    def gone(self) -> Finding | None:
        """Pending entries whose fields are lost."""
        pending = self._pending
        if not pending.gone:
            return None
        ids = (pending.trimmed.ids + pending.deleted.ids)[:MOST_IDS]
        fact = (
            f"{self._where}: {pending.trimmed.count:,} pending entries are from before the first "
        )
        fact += f"entry (trimmed), {pending.deleted.count:,} more were deleted, as far as a sample "
        fact += (
            f"shows{pending.stopped}: their fields are lost, add these tasks again; the command "
        )
        fact += f"takes {len(ids)} of them off the list"
        found = (("F39", pending.trimmed), ("F08", pending.deleted))
        failures = tuple(failure for failure, some in found if some.count)
        fix = self._redis("XACK", *map(id_text, ids))
        return Finding("pending and gone", Status.PROBLEM, fact, fix, failures)

    def poison(self) -> Finding | None:
        """Entries that come back for ever."""
        # It brings redis-py, without which the rest of this room must be importable.
        from streamlab.queue.dead_letter import MARK, dead_letter_key  # noqa: PLC0415

        some = self._pending.poison
        if not some.count:
            return None
        fact = f"{self._where}: {some.count:,} pending entries were delivered more than "
        fact += (
            f"{MAX_DELIVERIES} times, up to {self._pending.most_deliveries} {self._first(some)}; "
        )
        fact += "the command moves them to a dead-letter stream"
        key, group = self._stream.key, self._group.name
        about = (group, MARK, f"delivered more than {MAX_DELIVERIES} times")
        words = ("2", key, dead_letter_key(key, group), *about, *map(id_text, some.ids))
        fix = self._shell.redis("EVAL", _BURY, *words)
        return Finding("poison", Status.WARNING, fact, fix, ("F31",))

    def polled(self) -> Finding | None:
        """Entries that a consumer reads over and over with an id instead of ``>``."""
        some = self._pending.polled
        if not some.count:
            return None
        fact = f"{self._where}: {some.count:,} pending entries are delivered every few seconds, up "
        fact += (
            f"to {self._pending.most_deliveries} times {self._first(some)}: a consumer polls its "
        )
        fact += (
            "own pending list (0 instead of >), so that they never look idle; the command takes "
        )
        fact += f"them from it, for {RESCUER!r}, and counts anew"
        words = (RESCUER, "0", *map(id_text, some.ids), "RETRYCOUNT", "1", "JUSTID")
        fix = self._redis("XCLAIM", *words)
        return Finding("polled entries", Status.WARNING, fact, fix, ("F15",))

    def unowned(self) -> Finding | None:
        """Entries that were handed back with XNACK, which a plain ``>`` never returns."""
        some = self._pending.unowned
        if not some.count:
            return None
        seen = self._group.consumers or ()
        alive = any(c.idle_ms < self._min_idle_ms for c in seen)
        fact = (
            f"{self._where}: {some.count:,} pending entries were handed back (XNACK) and wait for "
        )
        fact += f"XREADGROUP with CLAIM, or XAUTOCLAIM {self._first(some)}"
        status = Status.INFO if alive else Status.WARNING
        return Finding("handed back", status, fact, self._claim(self._min_idle_ms, some), ("F35",))
