# /// script
# dependencies = ["rq==3.0.0", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 2_000
# promise = "at most once"
# settings = "SimpleWorker, burst, result_ttl=0, JSON"
# ///
"""RQ without its fork for each job, as its documentation allows for short jobs."""

from __future__ import annotations

import os

import redis
from meter import done
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

connection = redis.Redis.from_url(os.environ["PEER_URL"])
queue = Queue(connection=connection, serializer=JSONSerializer)


def noop() -> None:
    """The job."""
    done()


def enqueue(n: int, job: str = "peer_rq.noop") -> None:
    """Send `n` jobs in pipelines of 500."""
    for start in range(0, n, 500):
        datas = (Queue.prepare_data(job, result_ttl=0) for _ in range(min(500, n - start)))
        queue.enqueue_many(list(datas))


def work(_: int, kind: type[SimpleWorker] = SimpleWorker) -> None:
    """Run the worker in this process."""
    worker = kind([queue], connection=connection, serializer=JSONSerializer)
    worker.log_job_description = False
    worker.work(burst=True, logging_level="ERROR")
