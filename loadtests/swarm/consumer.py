"""The user that works: XREADGROUP, the work, XACK, in one group of those that get every task."""

from __future__ import annotations

import random
import secrets
import time
from typing import TYPE_CHECKING

import gevent
import redis
from locust import task

from streamlab.load.payload import number_of
from streamlab.load.settings import Ack, WorkShape
from streamlab.queue import replies
from swarm.here import HERE
from swarm.users import StreamUser

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.load.settings import Load


class Consumer(StreamUser):
    """A loop of XREADGROUP, the work, XACK; it belongs to one group, round robin."""

    def on_start(self) -> None:
        """Take a name nobody has, and a place in a group."""
        super().on_start()
        self.name, self.finished = f"consumer-{secrets.token_hex(4)}", list[str]()
        self.work = work_of(self.load, self.name, self.alarm.sleep)
        self.seat = self.place.seat(self.client)
        HERE.consumers.add(self)

    def on_stop(self) -> None:
        """Acknowledge what is done, also when Locust takes this user away in the middle."""
        if self in HERE.consumers:
            self.acknowledge()
            HERE.consumers.discard(self)
        super().on_stop()

    @task
    def read(self) -> None:
        """Read a batch, do each task, acknowledge; an empty reply acknowledges what is left."""
        if HERE.closing:
            self.acknowledge()
            HERE.consumers.discard(self)
            gevent.sleep(0.05)
            return
        try:
            reply = self.client.xreadgroup(
                self.place.groups[self.seat],
                self.name,
                {self.place.stream: ">"},
                count=self.load.count,
                block=self.load.block_ms,
                noack=self.load.ack is Ack.NOACK,
            )
        except redis.RedisError as exc:
            self.show("XREADGROUP", 0, 0, exc)
            gevent.sleep(0.1)  # a server that is away is not asked as fast as can be
            return
        entries = replies.read_entries(reply)
        for entry in entries:
            self.handle(entry)
        if not entries:
            self.acknowledge()

    def handle(self, entry: replies.Delivery) -> None:
        """Do a task and count it."""
        began_ns = time.monotonic_ns()
        self.work()
        HERE.tally.work(time.monotonic_ns() - began_ns)
        due_ns, sent_ns, stage = map(int, entry.fields["at"].split())
        data = entry.fields["data"]
        number = number_of(data) * len(self.place.groups) + self.seat
        moments_ns, error_ns = (due_ns, sent_ns, HERE.clock.now_ns()), 2 * HERE.clock.error_ns
        latency_us = HERE.tally.do(number, moments_ns, stage, error_ns)
        self.show("due to done", latency_us, len(data))
        if self.load.ack is not Ack.NOACK:
            self.finished.append(entry.entry_id)
            if len(self.finished) >= self.load.ack_batch:
                self.acknowledge()

    def acknowledge(self) -> None:
        """XACK all that is done; what is not acknowledged by that stays pending, and is counted."""
        ids, self.finished = self.finished, []
        if not ids:
            return
        try:
            self.client.xack(self.place.stream, self.place.groups[self.seat], *ids)
        except redis.RedisError as exc:
            self.show("XACK", 0, 0, exc)


def work_of(load: Load, name: str, sleep: Callable[[float], None]) -> Callable[[], None]:
    """A function that does one task's work, a sleep; the seed and the name give its spread."""
    mean_s, source = load.work_ms / 1000, random.Random(f"{load.seed} {name}")
    if not mean_s:
        return lambda: None
    if load.work_shape is WorkShape.FIXED:
        return lambda: sleep(mean_s)
    return lambda: sleep(source.expovariate(1 / mean_s))
