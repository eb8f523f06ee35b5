"""One client's connection through a proxy: two pumps that pass on whole commands and replies.

A command that a rule acts on is alone on its connection: those before it have been answered, and
those behind it wait until it is over. What a rule does is therefore exact, even in a pipeline.

A connection that subscribes, monitors or switches its replies off is passed on unread from that
command on, since its replies cannot be told apart by counting: no rule sees its commands. The same
goes for bytes that are no RESP: the server, or the client, says what it thinks of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from streamlab.faults.ends import OverError
from streamlab.faults.framing import ProtocolError
from streamlab.faults.resp import CommandFramer, ReplyFramer
from streamlab.faults.rules import Action

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamlab.faults.armed import ArmedRule, Conditions
    from streamlab.faults.ends import Ends
    from streamlab.faults.resp import Command

    Send = Callable[[bytes], Awaitable[None]]


class Link:
    """What passes between the two ends of one connection, the `number`-th of its proxy."""

    def __init__(self, number: int, ends: Ends, conditions: Conditions) -> None:
        self._number = number
        self._ends = ends
        self._conditions = conditions
        self._unanswered = 0
        self._settled = asyncio.Event()  # none is unanswered, or none ever will be answered
        self._settled.set()
        self._awaited: tuple[Command, list[ArmedRule]] | None = None
        self._unread = False

    @property
    def silent(self) -> bool:
        """Whether it is half-open."""
        return self._ends.silent

    def go_silent(self) -> None:
        """Swallow everything from now on, the closing of either side included."""
        self._ends.silent = True
        self._settled.set()

    async def run(self) -> None:
        """Return when the connection is over and both ends are closed; cancel it to cut it."""
        try:
            await self._pump()
            await self._ends.flush()
        finally:
            self._ends.cut()

    async def _pump(self) -> None:
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump_commands())
                pumps.create_task(self._pump_replies())
        except* OverError:
            pass

    async def _act(self, armed: ArmedRule, command: Command, frame: bytes, send: Send) -> None:
        """Do what the rule says to `frame`, the command or its reply, that `send` would pass on."""
        await armed.fire(self._number, command)
        match armed.rule.action:
            case Action.DELAY:
                await asyncio.sleep(armed.rule.delay_s)
            case Action.HALF_OPEN:
                self.go_silent()
            case Action.CUT_AFTER_BYTES:
                await send(frame[: armed.rule.after_bytes])
                raise OverError
            case _:
                raise OverError

    async def _pump_commands(self) -> None:
        framer = CommandFramer()
        while chunk := await self._ends.from_client():
            if self._conditions.delay_s:
                await asyncio.sleep(self._conditions.delay_s)
            if self._unread:
                await self._ends.to_server(framer.drain() + chunk)
            else:
                await self._read_commands(framer, chunk)
        await self._ends.to_server(framer.drain())
        self._ends.end_of_client()

    async def _read_commands(self, framer: CommandFramer, chunk: bytes) -> None:
        ready: list[bytes] = []  # passed on together: a write for each would cost the most
        try:
            with contextlib.closing(framer.feed(chunk)) as commands:
                for command in commands:
                    if armed := self._reached(command):
                        await self._ends.to_server(b"".join(ready))
                        ready.clear()
                        await self._alone(command, armed)
                        continue
                    ready.append(command.raw)
                    if self._unread:
                        break
                    self._expect(command)
        except ProtocolError:
            self._unread = True
        if self._unread:
            ready.append(framer.drain())
        await self._ends.to_server(b"".join(ready))

    def _reached(self, command: Command) -> list[ArmedRule]:
        self._unread = self._unread or not command.countable
        if self._unread:
            return []
        return [armed for armed in self._conditions.rules if armed.reached(command)]

    def _expect(self, command: Command) -> None:
        if command.name is not None:
            self._unanswered += 1
            self._settled.clear()

    async def _alone(self, command: Command, armed: list[ArmedRule]) -> None:
        await self._settled.wait()
        for before in armed:
            if not before.rule.on_reply and not self.silent:
                await self._act(before, command, command.raw, self._ends.to_server)
        if self.silent:
            return
        self._awaited = (command, [after for after in armed if after.rule.on_reply])
        self._expect(command)
        await self._ends.to_server(command.raw)
        await self._settled.wait()

    async def _pump_replies(self) -> None:
        framer = ReplyFramer()
        while chunk := await self._ends.from_server():
            if self._unread:
                await self._ends.to_client(framer.drain() + chunk)
            else:
                await self._read_replies(framer, chunk)
        await self._ends.to_client(framer.drain())
        raise OverError

    async def _read_replies(self, framer: ReplyFramer, chunk: bytes) -> None:
        ready: list[bytes] = []
        try:
            for reply in framer.feed(chunk):
                if self._awaited is not None and not reply.push:
                    (command, armed), self._awaited = self._awaited, None
                    await self._ends.to_client(b"".join(ready))
                    ready.clear()
                    for after in armed:
                        await self._act(after, command, reply.raw, self._ends.to_client)
                ready.append(reply.raw)
                if not reply.push:
                    self._answered()
        except ProtocolError:
            self._unread = True
            self._settled.set()
            ready.append(framer.drain())
        await self._ends.to_client(b"".join(ready))

    def _answered(self) -> None:
        self._unanswered = max(0, self._unanswered - 1)  # a server that is full speaks unasked
        if not self._unanswered:
            self._settled.set()
