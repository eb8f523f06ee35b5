"""Locust users on a Redis stream: one producer that keeps a schedule, consumers that work it off.

The figures to quote are printed at the end; Locust's own are a live display (see README.md).
"""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING

import gevent
import redis
from lab import GROUP, Lab
from locust import User, constant, events, task
from locust.exception import StopUser

from streamlab.bench.schedule import due_ns, wait_until
from streamlab.queue import Task, replies
from streamlab.server.reader import URL_VARIABLE

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

BLOCK_MS = 1000


@events.init_command_line_parser.add_listener
def options(parser: ArgumentParser) -> None:
    """Our options. Locust's web page and master listen on all interfaces unless told."""
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    parser.add_argument("--task-rate", type=float, default=200, help="tasks per second")
    parser.add_argument("--work-ms", type=float, default=1, help="work per task, a sleep, in ms")
    parser.add_argument("--payload-bytes", type=int, default=100, help="length of a task's data")
    parser.add_argument("--stream-batch", type=int, default=10, help="COUNT of a consumer's read")


def connect(given: Namespace) -> redis.Redis:
    """A client for one greenlet: one connection, and no command is sent twice."""
    return redis.Redis.from_url(
        given.streamlab_url or os.environ[URL_VARIABLE],
        decode_responses=True,
        single_connection_client=True,
        socket_timeout=BLOCK_MS / 1000 + 4,
        retry=None,
    )


class StreamUser(User):
    """A greenlet with a client of its own. Consumers that share a process share its one core."""

    abstract = True
    wait_time = constant(0)

    def on_start(self) -> None:
        """Connect: here, and never at import, since --processes forks after that."""
        self.given = self.environment.parsed_options
        self.client = connect(self.given)

    def on_stop(self) -> None:
        """Close the connection."""
        self.client.close()

    def show(
        self, name: str, latency_us: float, length: int, error: Exception | None = None
    ) -> None:
        """Tell Locust, for its live display."""
        self.environment.events.request.fire(
            request_type="stream",
            name=name,
            response_time=latency_us / 1000,
            response_length=length,
            exception=error,
            context={},
        )
        if error is not None:
            raise StopUser from error


class Producer(StreamUser):
    """An open loop: task i is due at t0 + i/λ; a late one is sent at once and none is skipped."""

    fixed_count = 1  # one λ has one schedule

    def on_start(self) -> None:
        """Begin the schedule."""
        super().on_start()
        self.number, self.t0_ns = 0, time.monotonic_ns()

    @task
    def send(self) -> None:
        """Send the next task when it is due."""
        due = due_ns(self.number, self.t0_ns, self.given.task_rate)
        wait_until(due, sleep=gevent.sleep)
        if not Lab.sending:
            gevent.sleep(0.1)
            return
        sent = time.monotonic_ns()
        text = f"{self.number:012d} {due} {sent} ".ljust(self.given.payload_bytes, "x")
        try:
            self.client.xadd(self.given.streamlab_stream, Task.of(text).fields())
        except redis.RedisError as exc:
            self.show("XADD", (time.monotonic_ns() - sent) / 1000, len(text), exc)
        Lab.tally.acknowledge(self.number, sent)
        self.show("XADD", (time.monotonic_ns() - sent) / 1000, len(text))
        self.number += 1


class Consumer(StreamUser):
    """A loop of XREADGROUP, the work, XACK."""

    def on_start(self) -> None:
        """Take a name nobody has."""
        super().on_start()
        self.name = f"consumer-{secrets.token_hex(4)}"

    @task
    def read(self) -> None:
        """Read a batch, do each task, acknowledge it."""
        stream = self.given.streamlab_stream
        try:
            reply = self.client.xreadgroup(
                GROUP, self.name, {stream: ">"}, count=self.given.stream_batch, block=BLOCK_MS
            )
            for entry in replies.read_entries(reply):
                self.work(entry.fields["data"])
                self.client.xack(stream, GROUP, entry.entry_id)
        except redis.RedisError as exc:
            self.show("due to done", 0, 0, exc)

    def work(self, data: str) -> None:
        """Do a task and count it."""
        if self.given.work_ms:
            gevent.sleep(self.given.work_ms / 1000)
        number, due, sent, *_ = data.split()
        latency_us = Lab.tally.done_task(int(number), int(due), int(sent), time.monotonic_ns())
        self.show("due to done", latency_us, len(data))
