"""Locust users on a Redis stream: one producer that keeps a schedule, consumers that work it off.

The figures to quote are printed at the end, and shown at ``/streamlab`` of Locust's web page while
the test runs; Locust's own are a live display (see README.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust import events
from swarm import (
    course,  # noqa: F401 - it listens to Locust's events
    finale,  # noqa: F401 - so does it
)
from swarm.consumer import Consumer
from swarm.options import OPTIONS
from swarm.producer import Producer

if TYPE_CHECKING:
    from argparse import ArgumentParser

__all__ = ["Consumer", "Producer"]


@events.init_command_line_parser.add_listener
def options(parser: ArgumentParser) -> None:
    """Our options. Locust's web page and master listen on all interfaces unless told."""
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    for option in OPTIONS:
        option.add_to(parser)
