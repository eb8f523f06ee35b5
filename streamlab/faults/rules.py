"""Which command a fault waits for, and what it then does to that command or its reply."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from streamlab.errors import BadArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.faults.resp import Command


class Action(StrEnum):
    """What a rule does; *cut* closes the client's connection and its connection to the server.

    ``KILL_BEFORE``: `on_fire`, then cut: the command never reaches the server.
    ``KILL_AFTER``: the reply has arrived, so the server has executed it; `on_fire`, then cut.
    ``DROP_REPLY``: the reply has arrived; it is not passed on; cut.
    ``DELAY``: the command, or its reply, waits for `delay_s`.
    ``CUT``: cut instead of forwarding the command.
    ``HALF_OPEN``: the command and all that follows on this connection, both ways, is swallowed
    and both ends stay open, until `Proxy.clear` cuts them.
    ``CUT_AFTER_BYTES``: `after_bytes` of the command or the reply are passed on, then cut.
    """

    KILL_BEFORE = "kill-before"
    KILL_AFTER = "kill-after"
    DROP_REPLY = "drop-reply"
    DELAY = "delay"
    CUT = "cut"
    HALF_OPEN = "half-open"
    CUT_AFTER_BYTES = "cut-after-bytes"


_ON_COMMAND = {Action.KILL_BEFORE, Action.CUT, Action.HALF_OPEN}
_ON_REPLY = {Action.KILL_AFTER, Action.DROP_REPLY}
_KILLS = {Action.KILL_BEFORE, Action.KILL_AFTER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fault at the `nth` command of a name, over all connections of a proxy.

    It fires once, or never: when that command's connection breaks before.

    Inside MULTI, a command's reply is its ``QUEUED``; that of the transaction is EXEC's. The words
    of an inline command are compared as they stand, quotes included.

    Parameters
    ----------
    command
        The command's name, in any case, with its sub-command if wanted (``"XGROUP CREATE"``);
        ``"*"`` for any.
    action
        What then happens.
    nth
        Which one, from when the rule is added, >= 1.
    on_fire
        Called once, in a thread of its own, before the action; the proxy goes on when it has
        returned. For the two kills, which must have one, it ends the client's process and returns
        when that is dead, as `ConsumerProcess.kill` does. It may call the proxy, but not `close`.
    delay_s
        DELAY: seconds, > 0.
    after_bytes
        CUT_AFTER_BYTES: how many bytes are passed on, >= 0.
    of
        DELAY, CUT_AFTER_BYTES: whether ``"command"`` or ``"reply"`` is meant.

    Raises
    ------
    BadArgumentError
        A parameter is out of its bounds.
    """

    command: str
    action: Action
    nth: int = 1
    on_fire: Callable[[], object] | None = None
    delay_s: float = 0.0
    after_bytes: int = 0
    of: Literal["command", "reply"] = "reply"

    def __post_init__(self) -> None:
        if not self.command.strip():
            raise BadArgumentError('command must be a name or "*", got an empty one')
        if self.nth < 1:
            raise BadArgumentError(f"nth must be >= 1, got {self.nth!r}")
        if self.action in _KILLS and self.on_fire is None:
            msg = f"{self.action} must be told how to kill: pass on_fire=consumer.kill"
            raise BadArgumentError(msg)
        if self.action == Action.DELAY and not self.delay_s > 0:
            raise BadArgumentError(f"delay_s must be > 0, got {self.delay_s!r}")
        if self.after_bytes < 0:
            raise BadArgumentError(f"after_bytes must be >= 0, got {self.after_bytes!r}")
        if self.of not in {"command", "reply"}:
            raise BadArgumentError(f"of must be 'command' or 'reply', got {self.of!r}")

    @property
    def on_reply(self) -> bool:
        """Whether it acts when the reply has arrived, and not before the command is forwarded."""
        return self.action in _ON_REPLY or (self.action not in _ON_COMMAND and self.of == "reply")

    def names(self, command: Command) -> bool:
        """Whether `command` is one that it counts."""
        if self.command == "*":
            return command.name is not None
        first, *more = self.command.upper().split()
        if command.name != first:
            return False
        wanted = [word.encode() for word in more]
        return [word.upper() for word in command.args(len(wanted))] == wanted
