"""F01: a new name at each start, and nobody looks for what the dead left behind."""

from __future__ import annotations

import os


def consume(arena):
    r, me = arena.client, f"{arena.name}-{os.getpid()}"
    while True:
        for _, entries in r.xreadgroup(arena.group, me, {arena.stream: ">"}, count=5, block=200):
            for entry_id, fields in entries:
                arena.handle(fields["task_id"], entry_id)
                r.xack(arena.stream, arena.group, entry_id)
