"""The course of a test: server, fresh stream, drain, verdict; merged from all processes."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, ClassVar

import gevent
from locust import events
from locust.runners import STATE_INIT, MasterRunner, WorkerRunner
from tally import Tally

from streamlab.bench.leftover import leftover
from streamlab.server import ReaderServer, RedisServer, lab_server

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.runners import Runner

GROUP = "workers"
STOP_TIMEOUT_S = 3.0  # longer than a read waits, so that none is cut off
DRAIN_S = 5.0  # how long consumers may go on after the producer has stopped
REPORTS_S = 10.0  # Locust's workers report every 3 s


class Lab:
    """What this process knows of the test that runs in it."""

    server: RedisServer | ReaderServer | None = None  # only in the master, or without workers
    tally = Tally()
    sending = False
    heard: ClassVar[set[str]] = set()  # the workers that have reported since the queue was empty


@events.init.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Start the server, in one process only: --processes has forked before this."""
    environment.stop_timeout = environment.stop_timeout or STOP_TIMEOUT_S
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.register_message("finish", finish)
    else:
        Lab.server = lab_server()


@events.test_start.add_listener
def fresh(environment: Environment, **_: Any) -> None:
    """Give each test a stream of its own; Locust sends the options on to its workers."""
    Lab.tally, Lab.sending, Lab.heard = Tally(), True, set()
    if Lab.server is None:
        return
    delete_stream(environment)
    given = environment.parsed_options
    given.streamlab_stream = f"streamlab-locust-{secrets.token_hex(4)}"
    # A private server's URL is the path of a socket. The reader's own may hold a password: it is
    # in every worker's environment already, and goes nowhere else.
    given.streamlab_url = str(Lab.server.url) if isinstance(Lab.server, RedisServer) else ""
    with Lab.server.client() as client:
        client.xgroup_create(given.streamlab_stream, GROUP, id="0", mkstream=True)


def delete_stream(environment: Environment) -> None:
    """Delete the last test's stream: now, and not at its end, when consumers may still read."""
    stream = getattr(environment.parsed_options, "streamlab_stream", None)
    if Lab.server is not None and stream:
        with Lab.server.client() as client:
            client.delete(stream)


@events.report_to_master.add_listener
def report(data: dict[str, Any], **_: Any) -> None:
    """Send home what was counted since the last report."""
    counted, Lab.tally = Lab.tally, Tally()
    data["streamlab"] = counted.encode()


@events.worker_report.add_listener
def merge(client_id: str, data: dict[str, Any], **_: Any) -> None:
    """Add a worker's report to the whole."""
    Lab.tally.add(data["streamlab"])
    Lab.heard.add(client_id)


def finish(**_: Any) -> None:
    """In a worker: send no more, and let the consumers go on."""
    Lab.sending = False


@events.test_stopping.add_listener
def drain(environment: Environment, **_: Any) -> None:
    """Stop the producer first, so that what is on the stream can be done; then hear everybody."""
    finish()
    if Lab.server is None:
        return
    runner, stream = environment.runner, environment.parsed_options.streamlab_stream
    if isinstance(runner, MasterRunner):
        runner.send_message("finish")
        gevent.sleep(0.5)  # for the last task on its way
    deadline = time.monotonic() + DRAIN_S
    with Lab.server.client() as client:
        while any(leftover(client, stream, GROUP)) and time.monotonic() < deadline:
            gevent.sleep(0.05)
    if isinstance(runner, MasterRunner):
        gevent.sleep(0.5)  # a report that is on its way may be older than the last task
    Lab.heard.clear()
    deadline = time.monotonic() + REPORTS_S
    while not all_heard(runner) and time.monotonic() < deadline:
        gevent.sleep(0.05)


def all_heard(runner: Runner) -> bool:
    """Whether each worker has reported since the queue was empty; true without workers."""
    if not isinstance(runner, MasterRunner):
        return True
    return bool(Lab.heard) and Lab.heard >= {worker.id for worker in runner.clients.all}


@events.test_stop.add_listener
def judge(environment: Environment, **_: Any) -> None:
    """Print our figures; lost tasks make the exit code 1."""
    if Lab.server is None:
        return
    given = environment.parsed_options
    with Lab.server.client() as client:
        pending, unread = leftover(client, given.streamlab_stream, GROUP)
    text, trusted = Lab.tally.verdict(
        given.task_rate, pending, unread, complete=all_heard(environment.runner)
    )
    print(text)
    environment.process_exit_code = None if trusted else 1


@events.quitting.add_listener
def end(environment: Environment, **_: Any) -> None:
    """End the test if Ctrl-C has not let it, then the server."""
    if Lab.server is not None:
        if environment.runner.state != STATE_INIT:  # else there was no test to end
            environment.runner.stop()
        delete_stream(environment)
        Lab.server.stop()
        Lab.server = None
