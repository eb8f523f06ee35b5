"""F10: a name that comes back, and never reads what it holds already."""

from __future__ import annotations


def consume(arena):
    r = arena.client
    while True:
        for _, entries in r.xreadgroup(
            arena.group, arena.name, {arena.stream: ">"}, count=5, block=200
        ):
            for entry_id, fields in entries:
                arena.handle(fields["task_id"], entry_id)
                r.xack(arena.stream, arena.group, entry_id)
