"""How a test begins: the server at Locust's start, a stream of its own for each test."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import gevent
import psutil
import redis
from locust import events
from locust.runners import MasterRunner, WorkerRunner

from streamlab.errors import StreamlabError
from streamlab.server import RedisServer
from streamlab.server.url import redact
from swarm import live
from swarm.here import HERE, Test
from swarm.lab import LAB
from swarm.messages import DID, DO, OVER, hear, obey
from swarm.parts import options_of, runner_of
from swarm.place import Place, open_server, used_bytes
from swarm.settings import Settings, too_few
from swarm.verdict import NOT_STARTED

if TYPE_CHECKING:
    from locust.env import Environment

    from streamlab.server import ReaderServer


@events.init.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Start the server, in one process only: --processes has forked before this."""
    runner, options = runner_of(environment), options_of(environment)
    gevent.signal_handler(signal.SIGINT, interrupt)
    if isinstance(runner, WorkerRunner):
        runner.register_message(DO, obey, concurrent=True)
        environment.events.quitting.add_listener(leave)  # the last to listen is the first to hear
        return
    if options.num_users is None:
        options.num_users = options.groups + 1
    if fault := too_few(options.num_users, options.groups):
        refuse(options, fault)
    try:
        LAB.hdr, LAB.server = options.hdr, open_server()
    except StreamlabError as exc:
        refuse(options, str(exc))
    environment.host = LAB.server.url.shown  # else Locust's form asks for one
    runner.register_message(DID, hear)
    runner.register_message(OVER, over)
    if environment.web_ui:
        live.serve(environment, environment.web_ui, LAB)


def leave(environment: Environment, **_: Any) -> None:
    """In a worker: end its users and report, before Locust tells the master that it is gone."""
    if HERE.used and not HERE.closed:
        runner_of(environment).stop()


def interrupt() -> None:
    """Have Ctrl-C raise in Locust's main greenlet: else it ends whichever user runs just then."""
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())


def refuse(options: Any, text: str) -> NoReturn:
    """End before anything has begun, and leave none of --processes waiting for us."""
    sys.stderr.write(f"locust: error: {text}\n")
    for child in psutil.Process().children() if options.processes else ():
        child.terminate()
    raise SystemExit(NOT_STARTED)


@events.test_start.add_listener
def fresh(environment: Environment, **_: Any) -> None:
    """Give each test a stream of its own; Locust sends the options on to its workers."""
    options = options_of(environment)
    try:
        if LAB.server is not None:
            prepare(environment, LAB.server)
    except (StreamlabError, redis.RedisError) as exc:
        LAB.begin(None, f"the test could not begin: {redact(str(exc))}")
        sys.stderr.write(f"locust: error: {LAB.fault}\n")
        environment.process_exit_code, options.streamlab_stream = NOT_STARTED, ""
        gevent.spawn(stop_or_quit, environment)
    if not options.streamlab_stream:
        HERE.begin(None)
        return
    settings = Settings.of(vars(options))
    place = Place(options.streamlab_stream, settings.groups)
    HERE.begin(Test(settings, place, options.streamlab_url))
    if not isinstance(environment.runner, MasterRunner):
        HERE.start_clock()


def prepare(environment: Environment, server: RedisServer | ReaderServer) -> None:
    """Create the stream, and forget the last test."""
    options, old = options_of(environment), LAB.test
    settings = Settings.of(vars(options))
    # A private server's URL is the path of a socket. The reader's own may hold a password: it is
    # in every worker's environment already, and goes nowhere else.
    url = str(server.url) if isinstance(server, RedisServer) else ""
    test = Test(settings, Place.new(settings.groups), url)
    with server.client() as client:
        if old is not None:
            old.place.delete(client)
        test.place.create(client)
        LAB.memory_bytes = used_bytes(client)
    LAB.begin(test)
    environment.host = server.url.shown
    options.streamlab_stream, options.streamlab_url = test.place.stream, url
    environment.stop_timeout = max(environment.stop_timeout or 0.0, settings.longest_hold_s)


@events.spawning_complete.add_listener
def all_there(**_: Any) -> None:
    """Let the schedule begin: what is due before its consumers exist would measure Locust."""
    HERE.ready.set()


def over(environment: Environment, **_: Any) -> None:
    """The shape has come to its end: end the test, and not in the greenlet that says so."""
    gevent.spawn(stop_or_quit, environment)


def stop_or_quit(environment: Environment) -> None:
    """End the test as Locust does after --run-time: without a web page, there is nothing more."""
    options, runner = options_of(environment), runner_of(environment)
    if options.headless:
        runner.quit()
        return
    runner.stop()
    if options.autostart and options.autoquit != -1:
        gevent.sleep(options.autoquit)
        runner.quit()
        if environment.web_ui:
            environment.web_ui.stop()
