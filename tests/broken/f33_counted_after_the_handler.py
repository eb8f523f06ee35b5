"""F33: the limit is looked at where the handler raises: one that kills its process never does."""

from __future__ import annotations

from broken.sweeping import deliveries, times_delivered
from streamlab.chaos.arena import HandlerError


def consume(arena):
    for entry_id, fields in deliveries(arena):
        try:
            arena.handle(fields["task_id"], entry_id)
        except HandlerError:
            if times_delivered(arena, entry_id) < arena.max_deliveries:
                continue
            arena.bury(fields)
        arena.client.xack(arena.stream, arena.group, entry_id)
