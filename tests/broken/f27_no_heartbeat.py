"""F27: min-idle is as agreed, a task takes longer, and nobody renews it."""

from __future__ import annotations

from broken.sweeping import deliveries


def consume(arena):
    for entry_id, fields in deliveries(arena):
        arena.handle(fields["task_id"], entry_id)
        arena.client.xack(arena.stream, arena.group, entry_id)
