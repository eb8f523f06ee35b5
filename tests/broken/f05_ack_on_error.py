"""F05: "always acknowledge, even if an error occurs", without a dead-letter stream."""

from __future__ import annotations

import contextlib

from streamlab.chaos.arena import HandlerError


def consume(arena):
    r = arena.client
    while True:
        for _, entries in r.xreadgroup(
            arena.group, arena.name, {arena.stream: ">"}, count=5, block=200
        ):
            for entry_id, fields in entries:
                with contextlib.suppress(HandlerError):
                    arena.handle(fields["task_id"], entry_id)
                r.xack(arena.stream, arena.group, entry_id)
