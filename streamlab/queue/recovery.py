"""Work that was delivered and not finished: one's own (drain), and that of the dead (sweep)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.queue import replies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from streamlab.queue.replies import Entry
    from streamlab.queue.task_queue import TaskQueue


def drain(
    client: redis.Redis, tasks: TaskQueue, name: str, count: Callable[[], int]
) -> Iterator[list[Entry]]:
    """Walk once through the entries that `name` holds (XREADGROUP with an id, from ``0`` on).

    Each page resets the idle time of its entries and adds one to their delivery counts.
    `count` is asked before each page: how many entries it may have, >= 1.
    """
    after = "0"
    while page := replies.read_entries(
        client.xreadgroup(tasks.group, name, {tasks.stream: after}, count=count())
    ):
        yield page
        after = page[-1].entry_id


def sweep(
    client: redis.Redis,
    tasks: TaskQueue,
    name: str,
    *,
    min_idle_ms: int,
    count: Callable[[], int],
    on_gone: Callable[[int], None],
) -> Iterator[list[Entry]]:
    """Take over every entry of the group that nobody has touched for `min_idle_ms` (XAUTOCLAIM).

    The cursor is followed until it comes back to ``0-0``: one call looks at no more than ten
    times COUNT entries. Ids whose entries no longer exist are taken off the pending list by the
    server (7.0+) and told to `on_gone`; 6.2 hands over a nil without an id, and then the own
    pending list is drained, where the id can be seen.
    """
    cursor = "0-0"
    while True:
        reply = client.xautoclaim(tasks.stream, tasks.group, name, min_idle_ms, cursor, count())
        found = replies.claimed(reply)
        if found.gone:
            on_gone(found.gone)
        if found.entries:
            yield found.entries
        if found.nil:
            # Of the own list only what is gone: the rest may have failed a moment ago.
            for page in drain(client, tasks, name, count):
                yield [entry for entry in page if entry.fields is None]
        cursor = found.cursor
        if cursor == "0-0":
            return
