# /// script
# dependencies = ["rq==3.0.0", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 300
# promise = "at most once"
# settings = "Worker (forks for each job: what it recommends), burst, result_ttl=0, JSON"
# ///
"""RQ as its command ``rq worker`` runs it: a process for each job."""

from __future__ import annotations

import mmap
import os
import struct
import time

import peer_rq
from meter import write
from rq import Worker

_shared = mmap.mmap(-1, 16)  # calls, first: each job's process ends, and takes its memory along
_TOTAL = int(os.environ["PEER_TASKS"])


def noop() -> None:
    """The job; one runs at a time."""
    calls, began_ns = struct.unpack("=qq", _shared[:])
    calls, began_ns = calls + 1, began_ns or time.monotonic_ns()
    _shared[:] = struct.pack("=qq", calls, began_ns)
    if calls == _TOTAL:
        write(began_ns, time.monotonic_ns())


def enqueue(n: int) -> None:
    """Send `n` jobs."""
    peer_rq.enqueue(n, job="peer_rq_fork.noop")


def work(n: int) -> None:
    """Run the worker in this process, and each job in one of its own."""
    peer_rq.work(n, Worker)
