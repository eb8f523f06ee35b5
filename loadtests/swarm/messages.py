"""What Locust's master and its workers tell each other: reports, and how a test comes to an end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gevent
from locust import events
from locust.runners import STATE_MISSING, MasterRunner

from swarm.here import HERE
from swarm.lab import LAB
from swarm.parts import runner_of, send

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.runners import Runner

DO, DID, OVER = "streamlab-do", "streamlab-did", "streamlab-over"
FINISH, CLOSE = "finish", "close"  # send no more; read no more
_ANSWER_S = 5.0


@events.report_to_master.add_listener
def report(data: dict[str, Any], **_: Any) -> None:
    """Send home what was counted since the last report."""
    data["streamlab"] = HERE.report()


@events.worker_report.add_listener
def merge(client_id: str, data: dict[str, Any], **_: Any) -> None:
    """Add a worker's report to the whole; a late one, of another test, is none of it."""
    if data["streamlab"]["test"] == LAB.whole.test:
        LAB.known.add(client_id)
        LAB.whole.add(data["streamlab"], client_id)


def obey(environment: Environment, msg: Any) -> None:
    """In a worker: do what the master asks for, and answer with what was counted."""
    if msg.data == FINISH:
        HERE.finish()
    else:
        HERE.close(environment.stop_timeout)
    answer(environment, msg.data)


def answer(environment: Environment, phase: str) -> None:
    """In a worker: say that it is done, with a report that nothing of it is missing from."""
    send(runner_of(environment), DID, {"phase": phase, "streamlab": HERE.report()})


def hear(msg: Any, **_: Any) -> None:
    """In the master: a worker has done what was asked for."""
    merge(msg.node_id, msg.data)
    LAB.answered.add(msg.node_id)
    if msg.data["phase"] == CLOSE:
        LAB.closed.add(msg.node_id)


def everybody(runner: Runner, phase: str, within_s: float) -> bool:
    """Have every process do a phase; whether all did, so that the whole has all they counted."""
    if not isinstance(runner, MasterRunner):
        if phase == FINISH:
            HERE.finish(within_s)
        else:
            HERE.close(within_s)
        LAB.collect(runner)
        return True
    LAB.answered = set(LAB.closed)
    LAB.known |= {worker.id for worker in runner.clients.all}
    send(runner, DO, phase)
    deadline_s = time.monotonic() + within_s + _ANSWER_S
    while time.monotonic() < deadline_s:
        gone = {worker.id for worker in runner.clients.all if worker.state == STATE_MISSING}
        if LAB.known - gone <= LAB.answered:
            break
        gevent.sleep(0.01)
    return bool(LAB.known) and LAB.known <= (LAB.closed if phase == CLOSE else LAB.answered)
