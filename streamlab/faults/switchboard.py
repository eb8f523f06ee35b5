"""All connections of one proxy, and what holds for them; lives in the proxy's thread."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial
from typing import TYPE_CHECKING

from streamlab.faults.armed import Conditions
from streamlab.faults.ends import READ_BYTES, Ends
from streamlab.faults.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamlab.faults.ends import Client

    Upstream = str | os.PathLike[str] | tuple[str, int]


class Switchboard:
    """Listens, and makes a `Link` to `upstream` for each client that connects.

    Attributes
    ----------
    conditions
        Rules and delay.
    refusing
        Whether new connections are closed at once.
    half_open
        Whether new connections are silent from the start.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.conditions = Conditions()
        self.refusing = False
        self.half_open = False
        self._family = socket.AF_INET if isinstance(upstream, tuple) else socket.AF_UNIX
        self._upstream = upstream if isinstance(upstream, tuple) else os.fspath(upstream)
        self._number = 0
        self._links: dict[asyncio.Task[None], Link | None] = {}
        self._listener: asyncio.Server | None = None

    async def listen(self, place: Path | int) -> str:
        """Accept clients from now on, on a unix socket or a port of 127.0.0.1; returns the URL."""
        if isinstance(place, int):
            self._listener = await asyncio.start_server(
                self._accept, "127.0.0.1", place, limit=READ_BYTES
            )
            port: int = self._listener.sockets[0].getsockname()[1]
            return f"redis://127.0.0.1:{port}/0"
        self._listener = await asyncio.start_unix_server(self._accept, place, limit=READ_BYTES)
        return f"unix://{place}"

    def go_silent(self) -> None:
        """Swallow all that the connections send and get from now on."""
        for link in self._links.values():
            if link is not None:
                link.go_silent()

    async def cut(self, which: Callable[[Link | None], bool] = lambda _: True) -> None:
        """Cut connections; one whose server has not answered yet is None to `which`."""
        tasks = [task for task, link in self._links.items() if which(link)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def shut(self) -> None:
        """Cut all, and let no new one in."""
        if self._listener is not None:
            self._listener.close()
        self.refusing = True
        await asyncio.sleep(0)  # for one that has been accepted just now
        await self.cut()
        await asyncio.get_running_loop().shutdown_default_executor()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        task = asyncio.get_running_loop().create_task(self._serve(self._number, (reader, writer)))
        self._links[task] = None
        task.add_done_callback(partial(self._forget, writer.transport))

    def _forget(self, client: asyncio.WriteTransport, task: asyncio.Task[None]) -> None:
        del self._links[task]
        client.abort()
        if not task.cancelled() and (error := task.exception()):
            context = {"message": "a connection through a proxy failed", "exception": error}
            task.get_loop().call_exception_handler(context)

    async def _serve(self, number: int, client: Client) -> None:
        server = None if self.refusing else await self._connect()
        task = asyncio.current_task()
        if server is None or task is None:
            return
        link = self._links[task] = Link(number, Ends(client, server), self.conditions)
        if self.half_open:
            link.go_silent()
        await link.run()

    async def _connect(self) -> socket.socket | None:
        server = socket.socket(self._family)
        server.setblocking(False)  # noqa: FBT003 - socket's own
        try:
            await asyncio.get_running_loop().sock_connect(server, self._upstream)
        except BaseException as exc:
            server.close()
            if isinstance(exc, OSError):
                return None  # the client's connection is closed, as the server's was refused
            raise
        return server
