"""What the state of a stream means for its tasks: what is there, what is gone, what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.doctor.diagnosis import Finding, Status
from streamlab.doctor.ids import id_text
from streamlab.doctor.state import MOST_GROUPS
from streamlab.doctor.words import counted, shown, size_text, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab.doctor.commands import Shell
    from streamlab.doctor.state import Stream

# Entries that are done with and kept: below this, a habit; above it, memory that is missed.
_MANY_DONE = 10_000

# A node (listpack) holds 100 entries unless they are large: so few on average, and most are holes.
_FEW_A_NODE = 25
_WASTED_BYTES = 2**20

# What an entry, a pending entry and a node cost beside the entry's own text, generously.
_ENTRY_BYTES, _PENDING_BYTES, _NODE_BYTES = 64, 250, 250


def check_stream(stream: Stream, shell: Shell, *, named: bool) -> Iterator[Finding]:
    """All findings about the stream itself; `named` when the reader asked for it by its name."""
    yield _size(stream)
    yield from _expiry(stream, shell)
    yield from _groups(stream, shell, named=named)
    if stream.groups:
        yield from _done(stream, shell)
        yield from _holes(stream, shell)
        yield from _retried_adds(stream)


def missing_stream(key: str, shell: Shell) -> Finding:
    """The key that was named does not exist."""
    fact = f"{shown(key)} does not exist: never made, deleted, evicted or expired; "
    fact += "XREADGROUP answers NOGROUP"
    fix = shell.redis("XGROUP", "CREATE", key, "workers", "0", "MKSTREAM")
    return Finding("stream", Status.PROBLEM, fact, fix, ("F13", "F48"))


def not_a_stream(key: str, kind: str, shell: Shell) -> Finding:
    """The key that was named holds something else."""
    fact = f"{shown(key)} is a {kind}: every stream command answers WRONGTYPE; give another key, "
    fact += "or move this one out of the way"
    fix = shell.redis("RENAMENX", key, f"{key}:{kind}")
    return Finding("type", Status.PROBLEM, fact, fix, ("F49",))


def _size(stream: Stream) -> Finding:
    memory = "memory unknown: MEMORY USAGE is not permitted"
    if stream.memory_bytes is not None:
        memory = size_text(stream.memory_bytes)
    fact = f"{shown(stream.key)}: {counted(stream.length, 'entry')}, "
    fact += f"{counted(stream.group_count, 'group')}, {memory}"
    status = Status.UNKNOWN if stream.memory_bytes is None else Status.OK
    return Finding("stream", status, fact)


def _expiry(stream: Stream, shell: Shell) -> Iterator[Finding]:
    if stream.ttl_ms is not None:
        fact = f"{shown(stream.key)} will be deleted in {span(stream.ttl_ms)}, tasks, groups and "
        fact += "all; under a volatile-* policy it may be evicted before"
        fix = shell.redis("PERSIST", stream.key)
        yield Finding("expiry", Status.PROBLEM, fact, fix, ("F37", "F48"))


def _groups(stream: Stream, shell: Shell, *, named: bool) -> Iterator[Finding]:
    if not stream.group_count:
        # One that was found by SCAN may be a log, or hold dead letters.
        status = Status.WARNING if named else Status.INFO
        fact = f"{shown(stream.key)} has no group: XREADGROUP answers NOGROUP, no task is tracked"
        fix = shell.redis("XGROUP", "CREATE", stream.key, "workers", "0")
        yield Finding("groups", status, fact, fix, ("F13",))
    if stream.group_count > MOST_GROUPS:
        fact = f"{shown(stream.key)}: {MOST_GROUPS} of {stream.group_count:,} groups looked at, "
        fact += "the look stopped there"
        yield Finding("groups", Status.UNKNOWN, fact)


def _done(stream: Stream, shell: Shell) -> Iterator[Finding]:
    name, failures = "done entries", ("F07",)
    below, done = stream.done_below(), stream.done()
    if below is None or stream.first is None or stream.first >= below:
        return
    if done is None:
        fact = f"{shown(stream.key)}: entries below {id_text(below)} are done with and still there"
        fact += ", how many is unknown, as the lag is"
        status = Status.UNKNOWN
    else:
        memory = size_text(stream.memory_bytes) if stream.memory_bytes is not None else "unknown"
        fact = f"{shown(stream.key)}: {done:,} of {stream.length:,} entries are acknowledged and "
        fact += f"still there (memory of the stream: {memory}); XACK deletes nothing"
        status = Status.WARNING if done >= _MANY_DONE else Status.INFO
    fix = shell.redis("XTRIM", stream.key, "MINID", id_text(below))
    yield Finding(name, status, fact, fix, failures)


def _holes(stream: Stream, shell: Shell) -> Iterator[Finding]:
    """Nodes that are kept for a few entries each, since the others in them were deleted."""
    if not stream.nodes or not stream.memory_bytes or stream.max_deleted == (0, 0):
        return
    pending = sum(group.pending.total for group in stream.groups)
    used = stream.length * (stream.entry_bytes + _ENTRY_BYTES) + stream.nodes * _NODE_BYTES
    wasted = stream.memory_bytes - used - pending * _PENDING_BYTES
    if stream.length / stream.nodes >= _FEW_A_NODE or wasted < _WASTED_BYTES:
        return
    each = size_text(stream.memory_bytes / max(1, stream.length))
    fact = f"{shown(stream.key)}: {stream.length:,} entries keep {stream.nodes:,} nodes, {each} an "
    fact += (
        f"entry, about {size_text(wasted)} of it deleted: a node is freed when all of it is gone"
    )
    below = stream.done_below()
    useful = below and stream.first and stream.first < below
    fix = shell.redis("XTRIM", stream.key, "MINID", id_text(below)) if below and useful else None
    fact += "" if fix else ", so finish and trim the oldest"
    yield Finding("memory holes", Status.WARNING, fact, fix, ("F43",))


def _retried_adds(stream: Stream) -> Iterator[Finding]:
    if stream.idmp_ids is None:  # before 8.6
        return
    fact = f"{shown(stream.key)}: {stream.idmp_ids:,} entries were added with an id of their own "
    fact += "(IDMP); any other XADD whose reply is lost and that is sent again is stored twice"
    yield Finding("retried adds", Status.INFO, fact, None, ("F11", "F55"))
