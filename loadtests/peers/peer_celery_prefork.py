# /// script
# dependencies = ["celery[redis]==5.7.0", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 5_000
# promise = "at most once"
# settings = "-P prefork -c 1 (its default pool), else as celery"
# ///
"""Celery with its default pool: a consumer, and one child process that runs the tasks."""

from __future__ import annotations

import peer_celery

enqueue = peer_celery.enqueue
app = peer_celery.app


def work(n: int) -> None:
    """Run ``celery worker -c 1``; the meter counts in the child."""
    peer_celery.work(n, "-P", "prefork", "-c", "1")
