"""Where a group stands on its stream: what waits for it, what it will never get, who reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.doctor.diagnosis import Finding, Status
from streamlab.doctor.ids import id_text
from streamlab.doctor.state import MOST_CONSUMERS
from streamlab.doctor.words import counted, listed, shown, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab.doctor.commands import Shell
    from streamlab.doctor.state import Group, Stream

# Entries that wait: more than workers that keep up leave behind at any one time.
_LARGE_LAG = 10_000

# Idle consumers with nothing pending: so many are names that never come back.
_PILE = 10

# A consumer that holds so many and so large a share keeps work from the others.
_HOARD, _HOARD_SHARE = 100, 0.8

# The server runs it as one command: nobody can be given an entry between the look and the removal.
_REMOVE_IDLE = (
    "local n = 0 for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do "
    "if c[4] == 0 and c[6] >= tonumber(ARGV[2]) then "
    "redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c[2]) n = n + 1 end end return n"
)


def check_group(
    stream: Stream, group: Group, shell: Shell, *, min_idle_ms: int
) -> Iterator[Finding]:
    """All findings about where a group stands, and about its consumers as such."""
    where = f"{shown(stream.key)}, group {shown(group.name)}"
    yield _backlog(stream, group, shell, where)
    yield from _skipped(stream, group, shell, where)
    yield from _lost_unread(stream, group, shell, where)
    yield from _pile(stream, group, shell, where, min_idle_ms)
    yield from _hoard(stream, group, shell, where, min_idle_ms)


def _backlog(stream: Stream, group: Group, shell: Shell, where: str) -> Finding:
    name, failures, waiting = "backlog", ("F44",), stream.waiting(group)
    at_hand = f"{group.pending.total:,} pending, {counted(group.consumer_count, 'consumer')}"
    worker = shell.worker(stream.key, group.name)
    if waiting is None:
        fact = (
            f"{where}: lag unknown, at least 1 entry waits; {at_hand}. The server does not count "
        )
        fact += "after deletions or a start in the middle, nor before 7.0"
        return Finding(name, Status.UNKNOWN, fact, None, failures)
    fact = f"{where}: {waiting:,} entries wait, {at_hand}"
    if waiting and not group.consumer_count:
        return Finding(name, Status.WARNING, f"{fact}: nobody reads", worker, failures)
    if waiting >= _LARGE_LAG:
        return Finding(name, Status.WARNING, f"{fact}: more workers are needed", worker, failures)
    return Finding(name, Status.OK, fact, None, failures)


def _skipped(stream: Stream, group: Group, shell: Shell, where: str) -> Iterator[Finding]:
    """A group that was created behind entries, at ``$`` say, and never read: 7.0+ tells."""
    started_behind = stream.first is not None and stream.first <= group.last_delivered
    never_read = stream.added is not None and group.entries_read is None
    if not (started_behind and never_read) or group.consumer_count or group.pending.total:
        return
    fact = (
        f"{where}: created at {id_text(group.last_delivered)}, behind entries that it will never "
    )
    fact += "be given, and never read; the command starts it at the first entry"
    fix = shell.redis("XGROUP", "SETID", stream.key, group.name, "0")
    yield Finding("skipped backlog", Status.WARNING, fact, fix, ("F12",))


def _lost_unread(stream: Stream, group: Group, shell: Shell, where: str) -> Iterator[Finding]:
    name, failures, lost = "trimmed unread", ("F38",), stream.lost_unread(group)
    if lost == 0:
        return
    if lost is None:
        fact = f"{where}: whether entries were trimmed before it was given them is unknown: the "
        fact += "server did not count what the group has read"
        yield Finding(name, Status.UNKNOWN, fact, None, failures)
        return
    fact = f"{where}: at least {lost:,} entries were trimmed or deleted before it was given them, "
    fact += (
        "and cannot be brought back: add them again, leave MAXLEN out of XADD; the command sets "
    )
    fact += "the count of read entries right"
    read = str((stream.added or 0) - stream.length)
    words = ("XGROUP", "SETID", stream.key, group.name, id_text(group.last_delivered))
    fix = shell.redis(*words, "ENTRIESREAD", read)
    yield Finding(name, Status.PROBLEM, fact, fix, failures)


def _pile(
    stream: Stream, group: Group, shell: Shell, where: str, min_idle_ms: int
) -> Iterator[Finding]:
    """Consumers that seem to be dead and hold nothing."""
    name, failures = "dead consumers", ("F24",)
    fix = shell.redis(*("EVAL", _REMOVE_IDLE, "1", stream.key, group.name, str(min_idle_ms)))
    if group.consumers is None:
        fact = (
            f"{where}: {group.consumer_count:,} consumers, more than the {MOST_CONSUMERS:,} that "
        )
        fact += "are asked for: names that never come back pile up"
        yield Finding(name, Status.WARNING, fact, fix, failures)
        return
    dead = [c.name for c in group.consumers if not c.pending and c.idle_ms >= min_idle_ms]
    if len(dead) < _PILE:
        return
    fact = f"{where}: {len(dead):,} of {group.consumer_count:,} consumers hold nothing and did "
    fact += f"nothing for {span(min_idle_ms)}: {listed(dead)}"
    yield Finding(name, Status.WARNING, fact, fix, failures)


def _hoard(
    stream: Stream, group: Group, shell: Shell, where: str, min_idle_ms: int
) -> Iterator[Finding]:
    """One consumer has nearly all that is pending, while others could work."""
    pending = group.pending
    for name, n in pending.owners.most_common(1):
        alive = [c.name for c in group.consumers or () if c.idle_ms < min_idle_ms]
        others = len(alive) - (name in alive)
        if n < _HOARD or n < _HOARD_SHARE * pending.looked or not others:
            return
        fact = f"{where}: {shown(name)} holds {n:,} of {pending.looked:,} pending entries"
        fact += f"{pending.stopped}, {counted(others, 'other live consumer')} the rest: a smaller "
        fact += "COUNT shares the work out"
        fix = shell.worker(stream.key, group.name, "--batch", "10")
        yield Finding("hoarding", Status.WARNING, fact, fix, ("F21",))
