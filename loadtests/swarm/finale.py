"""How a test ends: drained, heard from every process, judged, printed; then the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import numpy as np
import redis
from locust import events
from locust.runners import STATE_INIT

from streamlab.errors import StreamlabError
from streamlab.measure.hdr_log import CORRECTED, UNCORRECTED, write_log
from streamlab.server.url import redact
from swarm.here import HERE, Test, wait
from swarm.lab import LAB
from swarm.messages import CLOSE, FINISH, answer, everybody
from swarm.parts import runner_of
from swarm.place import used_bytes
from swarm.printed import figures, printed
from swarm.reasons import Ending
from swarm.verdict import NOT_TRUSTED, judge

if TYPE_CHECKING:
    from locust.env import Environment

    from streamlab.server import ReaderServer, RedisServer

DRAIN_S = 5.0  # how long consumers may go on after the producer has stopped
FINISH_S = 5.0  # how long a reply to what was sent last may take


@events.test_stopping.add_listener
def drain(environment: Environment, **_: Any) -> None:
    """Stop the producer first, so that what is on the stream can be done; then hear everybody."""
    if LAB.server is None or LAB.test is None or LAB.draining or LAB.ending is not None:
        return
    LAB.draining = True
    try:
        LAB.ending = ended(environment, LAB.server, LAB.test)
    except (StreamlabError, redis.RedisError) as exc:
        nothing = (frozenset[int](),) * LAB.whole.groups
        fault = f"the server could not be asked at the end: {redact(str(exc))}"
        LAB.ending = Ending(pending=nothing, unread=nothing, complete=False, faults=(fault,))
    finally:
        LAB.draining = False


def ended(environment: Environment, server: RedisServer | ReaderServer, test: Test) -> Ending:
    """Bring the test to its end, and look at what is left."""
    runner, place = runner_of(environment), test.place
    with server.client() as client:
        everybody(runner, FINISH, FINISH_S)
        backlog = place.waiting(client)
        wait(lambda: place.drained(client), DRAIN_S)
        complete = everybody(runner, CLOSE, environment.stop_timeout)
        left = place.left(client)
        return Ending(
            pending=tuple(frozenset(pending) for pending, _ in left),
            unread=tuple(frozenset(unread) for _, unread in left),
            backlog=backlog,
            memory_bytes=(LAB.memory_bytes, used_bytes(client)),
            complete=complete,
        )


@events.test_stop.add_listener
def conclude(environment: Environment, **_: Any) -> None:
    """Print our figures and set the exit code; a worker that leaves by itself reports once more."""
    if LAB.server is None:
        if HERE.used and not HERE.closed:
            HERE.close(0.0)
            answer(environment, CLOSE)
        return
    if LAB.test is None or LAB.ending is None or LAB.verdict is not None:
        return
    settings = LAB.test.settings
    LAB.verdict = judge(LAB.whole, settings, LAB.ending)
    print(printed(figures(LAB.whole, settings, LAB.verdict), settings), flush=True)
    code = LAB.verdict.exit_code
    if LAB.hdr and not write(LAB.hdr):
        code = NOT_TRUSTED
    environment.process_exit_code = code or None


def write(path: str) -> bool:
    """Write the ``.hdr`` log; whether that was possible."""
    kept = np.array(LAB.whole.kept, np.int64).reshape(-1, 3)
    try:
        latencies = {CORRECTED: kept[:, 1], UNCORRECTED: kept[:, 2]}
        write_log(Path(path), kept[:, 0], latencies, LAB.whole.began_s)
    except OSError as exc:
        print(f"the log could not be written: {exc}", flush=True)
        return False
    print(f"latencies in {path}", flush=True)
    return True


@events.quitting.add_listener
def end(environment: Environment, **_: Any) -> None:
    """End the test if Ctrl-C has not let it, then the server."""
    if LAB.server is None:
        return
    if (runner := runner_of(environment)).state != STATE_INIT:  # else there was no test to end
        runner.stop()
    while LAB.draining:
        gevent.sleep(0.05)
    try:
        if LAB.test is not None:
            with LAB.server.client() as client:
                LAB.test.place.delete(client)
        LAB.server.stop()
    except (StreamlabError, redis.RedisError) as exc:
        print(f"the server could not be left clean: {redact(str(exc))}", flush=True)
    LAB.server = None
