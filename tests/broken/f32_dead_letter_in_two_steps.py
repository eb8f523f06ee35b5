"""F32: XACK, then XADD to the dead letters: killed between the two, the task is in neither."""

from __future__ import annotations

import time

from broken.sweeping import deliveries
from streamlab.chaos.arena import HandlerError


def consume(arena):
    for entry_id, fields in deliveries(arena):
        failed = False
        try:
            arena.handle(fields["task_id"], entry_id)
        except HandlerError:
            failed = True
        arena.client.xack(arena.stream, arena.group, entry_id)
        if failed:
            time.sleep(0.02)  # tells somebody of it, say
            arena.bury(fields)
