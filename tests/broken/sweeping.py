"""What several of these consumers share: take over what is idle, then read on."""

from __future__ import annotations

import os

BATCH = 5


def deliveries(arena, *, min_idle_ms=None):
    """(entry id, fields) for ever: abandoned ones and new ones."""
    r, me = arena.client, f"{arena.name}-{os.getpid()}"
    while True:
        cursor = "0-0"
        while True:
            cursor, swept, *_ = r.xautoclaim(
                arena.stream, arena.group, me, min_idle_ms or arena.min_idle_ms, cursor, count=BATCH
            )
            yield from ((entry_id, fields) for entry_id, fields in swept if fields)
            if cursor == "0-0":
                break
        for _, entries in r.xreadgroup(arena.group, me, {arena.stream: ">"}, count=BATCH, block=50):
            yield from entries


def times_delivered(arena, entry_id):
    """The delivery count of a pending entry."""
    lines = arena.client.xpending_range(arena.stream, arena.group, entry_id, entry_id, 1)
    return lines[0]["times_delivered"] if lines else 0
