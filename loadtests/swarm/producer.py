"""The user that sends: it keeps a schedule, whatever becomes of what it has sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gevent
import redis
from locust import task

from streamlab.load.pace import paced
from streamlab.load.payload import payload_of
from swarm.here import HERE
from swarm.messages import OVER
from swarm.parts import runner_of
from swarm.shapes import arrivals
from swarm.users import StreamUser

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAD_NS = 50_000_000  # from the start of the last user until the first task is due


@dataclass(frozen=True, slots=True)
class Due:
    """A task, when it is due in ns of the process's clock, and its stage of the shape."""

    number: int
    due_ns: int
    stage: int


class Producer(StreamUser):
    """An open loop: each task is sent when it is due, a late one at once, and none is skipped."""

    fixed_count = 1  # one λ has one schedule

    def on_start(self) -> None:
        """Have no schedule yet: it begins when all users are there."""
        super().on_start()
        self.batches: Iterator[list[Due]] | None = None
        self.free_ns = 0

    @task
    def send(self) -> None:
        """Send what is due next, when it is."""
        if not HERE.sending:
            gevent.sleep(0.02)
        elif self.batches is None:
            if HERE.ready.wait(0.1):
                HERE.tally.begun += 1
                HERE.tally.began_s = time.time() + _LEAD_NS / 1e9
                self.batches = self.due()
        elif (batch := next(self.batches, None)) is None:
            HERE.sending = False
            HERE.tally.ended += 1
            runner_of(self.environment).send_message(OVER)
        elif HERE.sending:
            self.deliver(batch)

    def due(self) -> Iterator[list[Due]]:
        """Yield what is due together, when it is due."""
        settings, t0_ns, first = self.test.settings, HERE.clock.now_ns() + _LEAD_NS, 0
        rate_per_s, stages = settings.task_rate, settings.stages
        for offsets, at in arrivals(self.load.schedule, rate_per_s, stages, self.load.seed):
            due_ns = [t0_ns + offset for offset in offsets]
            for some in paced(due_ns, clock=HERE.clock.now_ns, sleep=self.alarm.sleep):
                yield [Due(first + i, due_ns[i], at[i]) for i in some]
            first += len(due_ns)

    def deliver(self, batch: list[Due]) -> None:
        """XADD in one round trip; a reply that does not come leaves the outcome unknown."""
        HERE.in_flight, sent_ns = True, HERE.clock.now_ns()
        for one in batch:
            HERE.tally.send(one.due_ns, sent_ns, self.free_ns)
        outcomes = self.add(batch, sent_ns)
        self.free_ns = HERE.clock.now_ns()
        took_us = (self.free_ns - sent_ns) / 1000
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        good = [
            one.number
            for one, outcome in zip(batch, outcomes, strict=False)
            if not isinstance(outcome, Exception)
        ]
        HERE.tally.acknowledged.extend(good)
        HERE.in_flight = False
        for _ in good:
            self.show("XADD", took_us, self.load.payload_bytes)
        for error in errors:
            self.show("XADD", took_us, 0, error)

    def add(self, batch: list[Due], sent_ns: int) -> list[Any]:
        """The ids that XADD gave, or the errors it raised: one for all when no reply came."""
        pipe = self.client.pipeline(transaction=False)
        for one in batch:
            data = payload_of(one.number, self.load.payload_bytes)
            fields: dict[Any, Any] = {"data": data, "at": f"{one.due_ns} {sent_ns} {one.stage}"}
            pipe.xadd(self.place.stream, fields, maxlen=self.load.maxlen)
        try:
            return pipe.execute(raise_on_error=False)
        except redis.RedisError as exc:
            return [exc]
