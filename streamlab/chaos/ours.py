"""The streamlab worker as a contestant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.history import Kind
from streamlab.queue import Task, TaskQueue
from streamlab.worker import Moment, Worker

if TYPE_CHECKING:
    from redis.client import Pipeline

    from streamlab.chaos.arena import Arena

_KINDS = {
    Moment.ACKED: Kind.ACKED,
    Moment.RELEASED: Kind.RELEASED,
    Moment.DEAD_LETTERED: Kind.DEAD_LETTERED,
}


def consume(arena: Arena) -> None:
    """Run `Worker` with everything on until SIGTERM."""
    task_ids: dict[str, str] = {}

    def observe(moment: Moment, entry_id: str, task: Task | None) -> None:
        if task is not None:
            task_ids[entry_id] = task.task_id
        if moment in _KINDS and entry_id in task_ids:
            arena.tell(_KINDS[moment], task_ids.pop(entry_id), entry_id)

    def handler(task: Task) -> None:
        arena.handle(task.task_id, task.entry_id or "")

    def committing(task: Task, pipe: Pipeline) -> None:
        arena.commit(task.task_id, task.entry_id or "", pipe)

    Worker(
        TaskQueue(arena.client, arena.stream, group=arena.group),
        committing if arena.idempotent else handler,
        min_idle_ms=arena.min_idle_ms,
        max_deliveries=arena.max_deliveries,
        retry_ms=50,
        idempotent=arena.idempotent,
        regroup_at="0",
        lease_ms=2_000,
        observer=observe,
    ).run()
