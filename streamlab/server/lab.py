"""The server of a lesson or a load test: a private one, unless the reader named another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from streamlab.server.process import RedisServer, latest_server
from streamlab.server.reader import ReaderServer, reader_url

if TYPE_CHECKING:
    from collections.abc import Iterable

_reader_server: ReaderServer | None = None


def lab_server(
    version: str | None = None, *, keys: Iterable[str] = ()
) -> RedisServer | ReaderServer:
    """A new private `RedisServer`, or the `ReaderServer` that ``STREAMLAB_REDIS_URL`` names.

    Parameters
    ----------
    version
        For the private server, as `RedisServer` takes it; the reader's own is taken as it is.
    keys
        The keys that will be used: on the reader's own server they must not exist yet.

    Raises
    ------
    ServerError
        If there is no server to be had, or the reader's own cannot be used.
    """
    global _reader_server  # noqa: PLW0603 - what %redis talks to
    url = reader_url()
    if url is None:
        return RedisServer(version)
    _reader_server = ReaderServer(url, keys=tuple(keys))
    return _reader_server


def current_server() -> RedisServer | ReaderServer:
    """What `%redis` talks to: the server opened last in this process.

    If none runs, `lab_server` opens one, empty if it is private, and a line on stderr says so.
    """
    return latest_server() or (_reader_server if reader_url() else None) or _opened()


_kept: list[RedisServer | ReaderServer] = []


def _opened() -> RedisServer | ReaderServer:
    _kept.append(lab_server())
    sys.stderr.write(f"no server was open in this notebook; opened {_kept[-1]!r}\n")
    return _kept[-1]
