"""F31: what fails is tried again, for ever."""

from __future__ import annotations

import contextlib

from broken.sweeping import deliveries
from streamlab.chaos.arena import HandlerError


def consume(arena):
    for entry_id, fields in deliveries(arena):
        with contextlib.suppress(HandlerError):
            arena.handle(fields["task_id"], entry_id)
            arena.client.xack(arena.stream, arena.group, entry_id)
