"""The servers of a study: one for each persistence, private unless the reader named another."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from streamlab.errors import BenchError
from streamlab.load.rig import Rig
from streamlab.server import RedisServer, lab_server
from streamlab.server.reader import reader_url

if TYPE_CHECKING:
    from contextlib import ExitStack

    from streamlab.server import ReaderServer


class Rigs:
    """Opens a server when it is asked for first; `exits` closes them all.

    Parameters
    ----------
    version
        Of the private servers, or its beginning; None for the newest at hand.
    exits
        What ends with the study.
    """

    def __init__(self, version: str | None, exits: ExitStack) -> None:
        self._version, self._exits = version, exits
        self._open: dict[str, Rig] = {}

    def with_persistence(self, persistence: str) -> Rig:
        """The rig whose server has that persistence: ``"none"``, ``"everysec"``, ``"always"``.

        Raises
        ------
        BenchError
            A persistence was asked of the reader's own server.
        """
        if persistence not in self._open:
            stream = f"streamlab-bench-{secrets.token_hex(4)}"
            server = self._server(persistence, stream)
            self._exits.enter_context(server)
            client = self._exits.enter_context(server.client())
            self._open[persistence] = Rig(server, client, stream)
        return self._open[persistence]

    def _server(self, persistence: str, stream: str) -> RedisServer | ReaderServer:
        if persistence == "none":
            return lab_server(self._version, keys=[stream])
        if reader_url() is not None:
            msg = f"{persistence!r} needs a private server: unset STREAMLAB_REDIS_URL"
            raise BenchError(msg)
        return RedisServer(self._version, persistence=persistence)  # type: ignore[arg-type]
