"""F03: acknowledged before the work; drained and swept, to no avail."""

from __future__ import annotations


def consume(arena):
    r = arena.client
    while True:
        swept = r.xautoclaim(arena.stream, arena.group, arena.name, arena.min_idle_ms)[1]
        new = r.xreadgroup(arena.group, arena.name, {arena.stream: ">"}, count=5, block=100)
        for entry_id, fields in [*swept, *(new[0][1] if new else [])]:
            r.xack(arena.stream, arena.group, entry_id)
            arena.handle(fields["task_id"], entry_id)
