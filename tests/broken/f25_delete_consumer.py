"""F25: consumers that are not heard of are deleted, with all that they hold."""

from __future__ import annotations

from broken.sweeping import deliveries


def consume(arena):
    r = arena.client
    for entry_id, fields in deliveries(arena):
        arena.handle(fields["task_id"], entry_id)
        r.xack(arena.stream, arena.group, entry_id)
        for consumer in r.xinfo_consumers(arena.stream, arena.group):
            if consumer["idle"] > 200:
                r.xgroup_delconsumer(arena.stream, arena.group, consumer["name"])
