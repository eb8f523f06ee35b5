"""A rule at work in a proxy: what it has counted, and when and at what it fired."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.errors import StreamlabError

if TYPE_CHECKING:
    from streamlab.faults.resp import Command
    from streamlab.faults.rules import Rule

_ARGS_KEPT = 8
_ARG_BYTES_KEPT = 200


@dataclass(frozen=True, slots=True)
class Firing:
    """When and at what a rule fired.

    Attributes
    ----------
    at_ns
        `time.monotonic_ns`, before `on_fire`.
    connection
        The number of the client's connection at its proxy, from 1.
    command
        The command's name.
    args
        Its first 8 words after the name, 200 bytes of each: key, group, ids.
    """

    at_ns: int
    connection: int
    command: str
    args: tuple[bytes, ...]


class ArmedRule:
    """A rule at work in a proxy.

    Attributes
    ----------
    rule
        The rule.
    seen
        How many commands it has counted so far.
    fired
        Set when `on_fire` has returned; the action follows at once.
    firing
        When and at what, or None.
    error
        What `on_fire` raised, or None; the connection was then cut.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.seen = 0
        self.fired = threading.Event()
        self.firing: Firing | None = None
        self.error: Exception | None = None

    def __repr__(self) -> str:
        state = "fired" if self.fired.is_set() else f"seen {self.seen}"
        return f"<ArmedRule {self.rule.action} at {self.rule.command} {self.rule.nth}, {state}>"

    def wait(self, timeout_s: float) -> Firing:
        """Return when it has fired.

        Raises
        ------
        StreamlabError
            If it has not within `timeout_s` seconds, or if its `on_fire` failed.
        """
        if not self.fired.wait(timeout_s) or self.firing is None:
            rule = self.rule
            msg = (
                f"{rule.action} at {rule.command} number {rule.nth} did not fire within "
                f"{timeout_s:g} s, {self.seen} seen: does the client use this proxy's url?"
            )
            raise StreamlabError(msg)
        if self.error is not None:
            msg = f"on_fire of {self!r} failed: {self.error!r}: let it handle its own errors"
            raise StreamlabError(msg) from self.error
        return self.firing

    def reached(self, command: Command) -> bool:
        """Count `command`; whether it is the one. Only the proxy calls this, and `fire`."""
        if self.seen >= self.rule.nth or not self.rule.names(command):
            return False
        self.seen += 1
        return self.seen == self.rule.nth

    async def fire(self, connection: int, command: Command) -> None:
        """Note what it fired at, and call `on_fire`."""
        args = tuple(word[:_ARG_BYTES_KEPT] for word in command.args(_ARGS_KEPT))
        self.firing = Firing(time.monotonic_ns(), connection, command.name or "", args)
        try:
            if self.rule.on_fire is not None:
                await asyncio.to_thread(self.rule.on_fire)
        except Exception as exc:
            self.error = exc
            raise
        finally:
            self.fired.set()


class Conditions:
    """What holds on all connections of one proxy; read and changed in its thread only."""

    def __init__(self) -> None:
        self.rules: list[ArmedRule] = []
        self.delay_s = 0.0
