"""The two ends of a connection through a proxy: read, pass on, swallow, close."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]

#: How many bytes are read at once.
READ_BYTES = 256 * 1024
_FLUSH_WITHIN_S = 1.0


class OverError(Exception):
    """Both ends are to be closed."""


class Ends:
    """A client's streams, and a socket connected to the server.

    The server's is a bare socket, since a stream that cannot be written to any more cannot be read
    to its end either, and the last words of a server that closes a connection would be lost.

    Attributes
    ----------
    silent
        Whether all bytes are swallowed, and the closing of either end too.
    """

    def __init__(self, client: Client, server: socket.socket) -> None:
        self.silent = False
        self._reader, self._writer = client
        self._server = server
        self._loop = asyncio.get_running_loop()

    async def from_client(self) -> bytes:
        """The client's next bytes, none when it has closed."""
        return await self._next(partial(self._reader.read, READ_BYTES))

    async def from_server(self) -> bytes:
        """The server's next bytes, none when it has closed."""
        return await self._next(partial(self._loop.sock_recv, self._server, READ_BYTES))

    async def _next(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            while (chunk := await read()) and self.silent:
                pass
        except OSError:
            chunk = b""  # a reset is an end like any other
        if self.silent:
            await self._loop.create_future()  # the other end never hears of it
        return chunk

    async def to_server(self, data: bytes) -> None:
        """Pass on; the client waits, as it would for the server itself."""
        if not self.silent:
            with contextlib.suppress(OSError):  # that the server has gone is found by reading
                await self._loop.sock_sendall(self._server, data)

    async def to_client(self, data: bytes) -> None:
        """Pass on without waiting: a client that sends a long pipeline reads nothing meanwhile.

        Raises
        ------
        OverError
            If it has gone.
        """
        if self._writer.transport.is_closing():
            raise OverError
        if not self.silent:
            self._writer.write(data)

    def end_of_client(self) -> None:
        """Let the server know that the client sends no more; its replies may still come."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_WR)

    async def flush(self) -> None:
        """Close the client's end when what has been passed on has arrived, or after a second."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_FLUSH_WITHIN_S):
                await self._writer.wait_closed()

    def cut(self) -> None:
        """Close both ends now."""
        self._server.close()
        self._writer.transport.abort()
