"""One run on real processes, a backlog to drain or an open loop at λ: what was seen, unjudged."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from streamlab.bench.child import Job
from streamlab.bench.children import Child, Children
from streamlab.bench.ledger import EFFECT, SEND, Ledger
from streamlab.bench.leftover import leftover
from streamlab.bench.observed import Observed, first_measured
from streamlab.bench.payload import payload_of
from streamlab.queue import TaskQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from streamlab.bench.ledger import Records
    from streamlab.bench.settings import BenchSettings
    from streamlab.server import ReaderServer, RedisServer

#: The consumer group of every run.
GROUP = "workers"
# The first task is due so long after "go", when the consumers' reads are waiting: a worker sweeps
# before it reads, after a random pause of at most 0.1 s.
_LEAD_NS = 200_000_000
# When nothing gets done for so long, in s, the rest of a run is given up, and reported.
_QUIET_S = 2.0
_POLL_S = 0.02


class Work(StrEnum):
    """What the two sides of an open loop are made of."""

    SLEEP = "the package's queue and worker, whose handler sleeps"
    NOTHING = "the package's queue and worker, whose handler does nothing"
    BARE = "redis-py alone"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where runs take place: a server, one key that each run makes anew, and the settings."""

    server: RedisServer | ReaderServer
    client: redis.Redis
    stream: str
    settings: BenchSettings

    def drain(self, consumers: int, backlog: int) -> Observed:
        """Let `consumers` processes work off `backlog` tasks that are all there when they begin."""
        payload_bytes = self.settings.payload_bytes
        with self._fresh() as (queue, folder), Children(str(self.server.url)) as children:
            job = self._job(Work.SLEEP)
            workers = _consumers(children, consumers, job, folder)
            queue.enqueue_many(payload_of(n, payload_bytes) for n in range(backlog))
            children.wait_ready()
            for worker in workers:
                worker.go(0)
            self._until_done(workers, backlog, 30 + 5 * self.settings.seconds)
            endings = children.stop()
            return self._observed(backlog, Ledger.backlog(backlog), workers, endings)

    def open_loop(
        self, consumers: int, rate_per_s: float, seconds: float, work: Work = Work.SLEEP
    ) -> Observed:
        """Send tasks at `rate_per_s` for the warm-up and `seconds`; wait until they are done."""
        tasks = first_measured(rate_per_s, seconds) + math.ceil(rate_per_s * seconds)
        with self._fresh() as (_, folder), Children(str(self.server.url)) as children:
            job = self._job(work)
            workers = _consumers(children, consumers, job, folder)
            ledger = str(folder / "producer")
            sending = replace(job, ledger=ledger, tasks=tasks, rate_per_s=rate_per_s)
            producer = children.start("producer", "the producer", sending)
            children.wait_ready()
            t0_ns = time.monotonic_ns() + _LEAD_NS
            for child in (*workers, producer):
                child.go(t0_ns)
            _until_ended(producer, 30 + tasks / rate_per_s)
            sends, cpu = Ledger.split_trailer(Ledger.read([producer.ledger], SEND))
            self._until_done(workers, len(sends), 5 + seconds)
            endings = children.stop()
            seen = self._observed(tasks, sends, workers, endings)
            return replace(seen, t0_ns=t0_ns, producer_cpu=cpu)

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[tuple[TaskQueue, Path]]:
        """A stream and a group that nobody has used, and a folder for the ledgers."""
        queue = TaskQueue(self.client, self.stream, group=GROUP)
        with tempfile.TemporaryDirectory(prefix="streamlab-bench-") as folder:
            queue.ensure_group()
            try:
                yield queue, Path(folder)
            finally:
                self.client.delete(self.stream)

    def _job(self, work: Work) -> Job:
        given = self.settings
        return Job(
            stream=self.stream,
            bare=work is Work.BARE,
            payload_bytes=given.payload_bytes,
            work_ms=given.work_ms if work is Work.SLEEP else 0.0,
            batch=given.batch,
        )

    def _until_done(self, workers: list[Child], tasks: int, timeout_s: float) -> None:
        """Wait until `tasks` effects are in the ledgers: the server is not asked while it works."""
        ledgers = [worker.ledger for worker in workers]
        quiet_s = _QUIET_S + 2 * self.settings.work_ms / 1000
        now = time.monotonic()
        done, progress, deadline = 0, now, now + timeout_s
        while now < min(deadline, progress + quiet_s) and any(worker.alive for worker in workers):
            before, done = done, Ledger.count(ledgers)
            if done >= tasks:
                return
            progress = now if done > before else progress
            time.sleep(_POLL_S)
            now = time.monotonic()

    def _observed(
        self, attempted: int, sends: Records, workers: list[Child], endings: tuple[str, ...]
    ) -> Observed:
        effects = Ledger.read([worker.ledger for worker in workers], EFFECT)
        pending, unread = leftover(self.client, self.stream, GROUP)
        return Observed(attempted, sends, effects, pending, unread, endings)


def _consumers(children: Children, count: int, job: Job, folder: Path) -> list[Child]:
    jobs = [replace(job, ledger=str(folder / f"consumer-{i + 1}")) for i in range(count)]
    return [children.start("consumer", f"consumer {i + 1}", job) for i, job in enumerate(jobs)]


def _until_ended(child: Child, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while child.alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
