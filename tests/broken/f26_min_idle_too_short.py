"""F26: what is taken over has not been touched for 20 ms, and the work takes longer."""

from __future__ import annotations

from broken.sweeping import deliveries


def consume(arena):
    for entry_id, fields in deliveries(arena, min_idle_ms=20):
        arena.handle(fields["task_id"], entry_id)
        arena.client.xack(arena.stream, arena.group, entry_id)
