"""F29: each sweep begins at 0-0 and looks at one page: what lies behind it is never reached."""

from __future__ import annotations

import contextlib

from streamlab.chaos.arena import HandlerError


def consume(arena):
    r = arena.client
    while True:
        swept = r.xautoclaim(arena.stream, arena.group, arena.name, 20, "0-0", count=1)[1]
        new = r.xreadgroup(arena.group, arena.name, {arena.stream: ">"}, count=1, block=1)
        for entry_id, fields in [*swept, *(new[0][1] if new else [])]:
            with contextlib.suppress(HandlerError):
                arena.handle(fields["task_id"], entry_id)
                r.xack(arena.stream, arena.group, entry_id)
