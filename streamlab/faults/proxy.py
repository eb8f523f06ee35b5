"""A proxy between clients and a server that reads RESP, and breaks what it is told to break.

Each proxy is a thread of its own with an event loop, so give each worker its own proxy to break
one of them. Every method may be called from any thread and has taken effect when it returns.
"""

from __future__ import annotations

import os
import shutil
import weakref
from typing import TYPE_CHECKING, Self

from streamlab.errors import BadArgumentError
from streamlab.faults.armed import ArmedRule
from streamlab.faults.loop import LoopThread
from streamlab.faults.switchboard import Switchboard
from streamlab.server.conf import private_folder
from streamlab.server.url import RedisUrl

if TYPE_CHECKING:
    from pathlib import Path

    from streamlab.faults.rules import Rule
    from streamlab.faults.switchboard import Upstream

_LARGEST_PORT = 65535


def _remove(folder: Path | None, owner_pid: int) -> None:
    if folder is not None and os.getpid() == owner_pid:  # not in a forked child
        shutil.rmtree(folder, ignore_errors=True)


class Proxy:
    """A place to connect to that passes all on to a server, byte for byte, until told not to.

    Without rules a client notices nothing but the time. Connections are made to the server as
    clients connect; when it is down, they are closed at once.

    Parameters
    ----------
    upstream
        The server: the path of its unix socket, or ``(host, port)``.
    listen
        None for a unix socket in a new folder with mode 0700; a port, 0 to 65535, for 127.0.0.1,
        where 0 takes a free one.

    Attributes
    ----------
    url
        Where it listens, for ``redis.Redis.from_url``. It has no password: give the server's.

    Raises
    ------
    BadArgumentError
        `listen` is no port.
    ServerStartError
        No folder for temporary files can be written.
    OSError
        The port is taken.

    Examples
    --------
    >>> with RedisServer() as server, Proxy(server.socket) as proxy:
    ...     armed = proxy.add(Rule(command="XACK", nth=3, action=Action.DROP_REPLY))
    ...     client = redis.Redis.from_url(proxy.url)
    """

    def __init__(self, upstream: Upstream, *, listen: int | None = None) -> None:
        if listen is not None and (isinstance(listen, bool) or not 0 <= listen <= _LARGEST_PORT):
            msg = f"listen must be None or a port in 0..{_LARGEST_PORT}, got {listen!r}"
            raise BadArgumentError(msg)
        self._owner_pid = os.getpid()
        folder = private_folder() if listen is None else None
        self._clean = weakref.finalize(self, _remove, folder, self._owner_pid)
        self._board = Switchboard(upstream)
        self._thread = LoopThread("streamlab-proxy")
        place = listen if folder is None else folder / "proxy.sock"
        try:
            self.url = RedisUrl(self._thread.run(self._board.listen(place or 0)))
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Proxy {self.url!r}>"

    # -- faults at a command -------------------------------------------------------------------

    def add(self, rule: Rule) -> ArmedRule:
        """Let `rule` count commands from now on; the handle tells when it has fired."""
        armed = ArmedRule(rule)
        self._thread.call(lambda: self._board.conditions.rules.append(armed))
        return armed

    def clear(self) -> None:
        """Pass everything on again: no rules, no delay, nothing refused, nothing half-open.

        Half-open connections have lost bytes, so these are cut.
        """
        self._thread.call(self._board.conditions.rules.clear)
        self.delay(0.0)
        self.refuse(refusing=False)
        self.half_open(half_open=False)

    # -- faults now ----------------------------------------------------------------------------

    def cut(self) -> None:
        """Cut all connections, both sides; new ones are welcome."""
        self._thread.run(self._board.cut())

    def refuse(self, refusing: bool = True) -> None:  # noqa: FBT001, FBT002 - a switch
        """Close new connections at once, or no longer; those that are open stay."""
        self._thread.call(lambda: setattr(self._board, "refusing", refusing))

    def half_open(self, half_open: bool = True) -> None:  # noqa: FBT001, FBT002 - a switch
        """Swallow all bytes of all connections, new ones too, and keep both sides open.

        When it is switched off, connections that were half-open are cut: they have lost bytes.
        """
        self._thread.call(lambda: setattr(self._board, "half_open", half_open))
        if half_open:
            self._thread.call(self._board.go_silent)
        else:
            self._thread.run(self._board.cut(lambda link: link is not None and link.silent))

    def delay(self, delay_s: float) -> None:
        """Hold what clients send for `delay_s` seconds before passing it on; 0 ends that.

        What a connection sends meanwhile waits its turn, 256 KiB at a time.

        Raises
        ------
        BadArgumentError
            If it is below 0.
        """
        if not delay_s >= 0:
            msg = f"delay_s must be >= 0, got {delay_s!r}"
            raise BadArgumentError(msg)
        self._thread.call(lambda: setattr(self._board.conditions, "delay_s", delay_s))

    def close(self) -> None:
        """Cut all connections and end the thread; twice, or in a forked child, it does nothing."""
        if os.getpid() == self._owner_pid and not self._thread.closed:
            self._thread.run(self._board.shut())
            self._thread.close()
        self._clean()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
