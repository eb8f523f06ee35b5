"""F30: swept with JUSTID, so that the delivery count of a poisonous task never grows."""

from __future__ import annotations

from broken.sweeping import times_delivered
from streamlab.chaos.arena import HandlerError


def consume(arena):
    r = arena.client
    while True:
        ids = r.xautoclaim(
            arena.stream, arena.group, arena.name, arena.min_idle_ms, "0-0", justid=True
        )
        entries = [entry for one in ids for entry in r.xrange(arena.stream, one, one)]
        new = r.xreadgroup(arena.group, arena.name, {arena.stream: ">"}, count=5, block=50)
        for entry_id, fields in [*entries, *(new[0][1] if new else [])]:
            try:
                arena.handle(fields["task_id"], entry_id)
            except HandlerError:
                if times_delivered(arena, entry_id) < arena.max_deliveries:
                    continue
                arena.bury(fields)
            r.xack(arena.stream, arena.group, entry_id)
