"""F04: read with NOACK, so that nothing is ever pending."""

from __future__ import annotations


def consume(arena):
    r = arena.client
    while True:
        for _, entries in r.xreadgroup(
            arena.group, arena.name, {arena.stream: ">"}, count=5, block=200, noack=True
        ):
            for entry_id, fields in entries:
                arena.handle(fields["task_id"], entry_id)
