"""The least that one could write with redis-py: XREADGROUP, the effect, XACK; and variations."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from streamlab.load.ledger import ACK, EFFECT, Ledger
from streamlab.load.payload import number_of
from streamlab.load.settings import Ack, Recover
from streamlab.load.work import work_of
from streamlab.queue import replies

if TYPE_CHECKING:
    from types import FrameType

    import redis

    from streamlab.load.child import Job
    from streamlab.queue.replies import Delivery


class Loop:
    """A consumer without the package's worker: a comparison varies one setting of its `Load`."""

    def __init__(self, job: Job, client: redis.Redis) -> None:
        self._job, self._load, self._client = job, job.load, client
        self._work = work_of(job.load, job.name)
        self._effects = Ledger(job.path("effects"), EFFECT)
        self._acks = Ledger(job.path("acks"), ACK)
        self._finished: list[tuple[str, int]] = []
        self._going = True
        self._sweep_due_s = 0.0
        self._cursor = "0-0"

    def run(self) -> None:
        """Consume until SIGTERM."""
        signal.signal(signal.SIGTERM, self._stop)
        while self._going:
            entries = self._read()
            received_ns = time.monotonic_ns()
            for entry in entries:
                self._handle(entry, received_ns)
            if not entries:
                self._acknowledge()
                if self._load.poll_ms:
                    time.sleep(self._load.poll_ms / 1000)
        self._acknowledge()

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._going = False

    def _read(self) -> list[Delivery]:
        load, job = self._load, self._job
        if load.recover is Recover.XAUTOCLAIM and time.monotonic() >= self._sweep_due_s:
            taken = self._sweep()
            if taken:
                return taken
        reply = self._client.xreadgroup(
            job.group,
            job.consumer,
            {job.stream: ">"},
            count=load.count,
            block=load.block_ms if load.poll_ms is None else None,
            noack=load.ack is Ack.NOACK,
            claim_min_idle_time=load.min_idle_ms if load.recover is Recover.CLAIM else None,
        )
        return replies.read_entries(reply)

    def _sweep(self) -> list[Delivery]:
        """One page of XAUTOCLAIM; the next page follows at once, the next round later."""
        job, load = self._job, self._load
        reply = self._client.xautoclaim(
            job.stream, job.group, job.consumer, load.min_idle_ms, self._cursor, count=load.count
        )
        self._cursor, entries = replies.autoclaimed(reply)
        if self._cursor == "0-0":
            self._sweep_due_s = time.monotonic() + load.min_idle_ms / 4000
        return entries

    def _handle(self, entry: Delivery, received_ns: int) -> None:
        number, started_ns = number_of(entry.fields["data"]), time.monotonic_ns()
        self._work()
        self._effects.write(number, received_ns, started_ns, time.monotonic_ns())
        if self._load.ack is Ack.NOACK:
            return
        self._finished.append((entry.entry_id, number))
        if len(self._finished) >= self._load.ack_batch:
            self._acknowledge()

    def _acknowledge(self) -> None:
        if not self._finished:
            return
        stream, group, ids = self._job.stream, self._job.group, [one for one, _ in self._finished]
        if self._load.ack is Ack.XACKDEL:
            self._client.xackdel(stream, group, *ids, ref_policy="ACKED")
        elif self._load.ack is Ack.XACK_XDEL:
            with self._client.pipeline() as pipe:
                pipe.xack(stream, group, *ids)
                pipe.xdel(stream, *ids)
                pipe.execute()
        else:
            self._client.xack(stream, group, *ids)
        acked_ns = time.monotonic_ns()
        self._acks.write_all((number, acked_ns) for _, number in self._finished)
        self._finished.clear()
