"""What Locust's types say may be missing, and never is where a test runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from argparse import Namespace

    from locust.env import Environment
    from locust.runners import Runner


def runner_of(environment: Environment) -> Runner:
    """That which runs the users: Locust makes it before it calls any listener but the parser's."""
    return cast("Runner", environment.runner)


def options_of(environment: Environment) -> Namespace:
    """The command line: missing only where Locust is used as a library."""
    return cast("Namespace", environment.parsed_options)


def send(runner: Runner, kind: str, data: Any) -> None:
    """Send a message to the master, or to all workers: JSON of any shape, not only dicts."""
    runner.send_message(kind, data)
