"""A private redis-server on a unix socket that dies with the process that started it.

One class, longer than a page because half of it is what its methods promise.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
import weakref
from typing import TYPE_CHECKING, Any, Literal, Self

from streamlab.errors import BadArgumentError, NotOurServerError, ServerError, ServerStartError
from streamlab.server.capabilities import capabilities_of
from streamlab.server.conf import (
    Persistence,
    free_port,
    log_tail,
    private_folder,
    redis_conf,
    refuse_own_settings,
    start_error,
)
from streamlab.server.find import find_redis
from streamlab.server.url import CliCall, RedisUrl
from streamlab.server.watchdog import Watched, answers_ping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import redis


class _Slot:
    """What must be cleaned up when a `RedisServer` is forgotten, kept apart from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run: Watched | None = None
        self.owner_pid = os.getpid()

    def clean(self) -> None:
        run, self.run = self.run, None
        if os.getpid() != self.owner_pid:  # a forked child inherits the object, never the server
            if run is not None:
                run.life.close()
            return
        if run is not None:
            run.kill_and_reap()
        shutil.rmtree(self.folder, ignore_errors=True)


_started: list[weakref.ref[RedisServer]] = []


def latest_server() -> RedisServer | None:
    """The server started last in this process that is still running."""
    for reference in reversed(_started):
        server = reference()
        if server is not None and server.running:
            return server
    return None


class RedisServer:
    """A redis-server of your own, started at once, gone when this process is.

    It listens on a unix socket in a new folder with mode 0700, and on TCP only when asked.
    Whatever ends this process, SIGKILL included, ends the server and removes its folder.

    Parameters
    ----------
    version
        A version or its beginning (``"7.0"``); None takes what `find_redis` finds first.
    persistence
        ``"none"``: nothing is written to disk. ``"everysec"``, ``"always"``: an append-only
        file, synced each second or before each reply (Redis setting ``appendfsync``).
    tcp
        Listen on 127.0.0.1 too, with a random password; `url` and `client` then use TCP.
    port
        With `tcp`: the port, 1 to 65535; None takes a free one.
    config
        More lines for redis.conf, for example ``{"maxmemory": "10mb"}``; not those that the other
        parameters set.
    env
        Environment variables for the server, on top of this process's own; a restart keeps them.
    start_timeout_s
        Seconds until a server that does not answer PING is given up, > 0.

    Raises
    ------
    ServerNotFoundError
        No redis-server of that version is at hand.
    ServerStartError
        It did not start: the port is taken, the folder cannot be written, a setting is unknown.
    BadArgumentError
        A parameter is out of its bounds.

    Examples
    --------
    >>> with RedisServer() as server:
    ...     server.client().ping()
    True
    """

    def __init__(
        self,
        version: str | None = None,
        *,
        persistence: Persistence | Literal["none", "everysec", "always"] = Persistence.NONE,
        tcp: bool = False,
        port: int | None = None,
        config: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        start_timeout_s: float = 10.0,
    ) -> None:
        if port is not None and (not tcp or isinstance(port, bool) or not 0 < port < 65536):  # noqa: PLR2004 - TCP's own bound
            msg = f"port must be in 1..65535 and needs tcp=True, got port={port!r}, tcp={tcp!r}"
            raise BadArgumentError(msg)
        if not start_timeout_s > 0:
            msg = f"start_timeout_s must be > 0, got {start_timeout_s!r}"
            raise BadArgumentError(msg)
        self._persistence = Persistence.parse(persistence)
        refuse_own_settings(config or {})
        self._config = dict(config or {})
        self._env = dict(env or {})
        self._start_timeout_s = start_timeout_s
        self._binary = find_redis(version)
        self._port = (port or free_port()) if tcp else None
        self._password = secrets.token_urlsafe(24) if tcp else None
        self._slot = _Slot(private_folder())
        self._clean = weakref.finalize(self, self._slot.clean)
        try:
            self._start()
        except BaseException:
            self._clean()
            raise
        _started.append(weakref.ref(self, _started.remove))

    # -- what it is ----------------------------------------------------------------------------

    @property
    def version(self) -> str:
        """The version of the redis-server, for example ``"8.10.2"``."""
        return self._binary.version

    @property
    def capabilities(self) -> frozenset[str]:
        """The names of the `CAPABILITIES` that this version has."""
        return capabilities_of(self.version)

    @property
    def pid(self) -> int:
        """The process id of redis-server.

        Raises
        ------
        ServerError
            If it is not running.
        """
        return self._running().pid

    @property
    def running(self) -> bool:
        """Whether the process exists (a paused one does)."""
        return self._slot.run is not None and not self._slot.run.gone()

    @property
    def folder(self) -> Path:
        """The private folder: socket, redis.conf, redis.log, and the append-only file if any."""
        return self._slot.folder

    @property
    def socket(self) -> Path:
        """The path of the unix socket."""
        return self.folder / "redis.sock"

    @property
    def url(self) -> RedisUrl:
        """What ``redis.Redis.from_url`` takes. Its repr hides the password that TCP needs."""
        if self._port is None:
            return RedisUrl(f"unix://{self.socket}")
        return RedisUrl(f"redis://:{self._password}@127.0.0.1:{self._port}/0")

    def __repr__(self) -> str:
        where = f"127.0.0.1:{self._port}" if self._port else "unix socket"
        state = "running" if self.running else "stopped"
        return f"<RedisServer {self.version} on {where}, {state}>"

    # -- talk to it ----------------------------------------------------------------------------

    def client(self, **options: Any) -> redis.Redis:
        """A new `redis.Redis` with ``decode_responses=True``; `options` go to redis-py as given."""
        import redis  # noqa: PLC0415 - costs 200 ms, and starting a server needs none of it

        options = {"decode_responses": True} | options
        return redis.Redis.from_url(str(self.url), **options)

    def cli(self) -> CliCall:
        """How to call the redis-cli that came with this server; the password travels in the env.

        Raises
        ------
        ServerError
            If there is no redis-cli.
        """
        if self._binary.cli is None:
            place = f"beside {self._binary.server} or on PATH"
            msg = f"no redis-cli {place}: run `streamlab redis install`"
            raise ServerError(msg)
        env = {"REDISCLI_AUTH": self._password} if self._password else {}
        return CliCall((str(self._binary.cli), "-s", str(self.socket)), env)

    # -- life and death ------------------------------------------------------------------------

    def _refuse_in_forked_child(self) -> None:
        if os.getpid() != self._slot.owner_pid:
            msg = (
                f"process {self._slot.owner_pid} started this server, this is {os.getpid()}: "
                "start one here, or leave its life to its owner"
            )
            raise NotOurServerError(msg)

    def _running(self) -> Watched:
        self._refuse_in_forked_child()
        if self._slot.run is None or self._slot.run.gone():
            step = "call restart()" if self._clean.alive else "start a new RedisServer()"
            msg = f"this Redis {self.version} is not running: {step}"
            raise ServerError(msg)
        return self._slot.run

    def _write_conf(self) -> Path:
        conf = self.folder / "redis.conf"
        try:
            conf.touch(mode=0o600)
            conf.write_text(
                redis_conf(self.folder, self.socket, self._persistence, self._port, self._password)
                + "".join(f"{name} {value}\n" for name, value in self._config.items())
            )
            self._log.write_bytes(b"")
            self.socket.unlink(missing_ok=True)
        except OSError as exc:  # a cleaner of old files in /tmp has been here, or the disk is full
            msg = f"{self.folder} cannot be written ({exc.strerror}): start a new RedisServer()"
            raise ServerStartError(msg) from exc
        return conf

    @property
    def _log(self) -> Path:
        return self.folder / "redis.log"

    def _start(self) -> None:
        conf = self._write_conf()
        run = self._slot.run = Watched(self._binary.server, conf, self._log, self.folder, self._env)
        deadline = time.monotonic() + self._start_timeout_s
        while not answers_ping(self.socket, self._password):
            if run.gone(timeout_s=0.0005):
                run.reap()
                self._slot.run = None
                raise start_error(self.version, self._log, self._port)
            if time.monotonic() > deadline:
                msg = (
                    f"Redis {self.version} did not answer PING within {self._start_timeout_s} s: "
                    f"raise start_timeout_s\n{log_tail(self._log)}"
                )
                raise ServerStartError(msg)

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would; the folder stays for `restart`.

        Raises
        ------
        ServerError
            If it is not running.
        """
        self._running().kill_and_reap()
        self._slot.run = None

    def pause(self) -> None:
        """SIGSTOP: the server stops answering and keeps every connection. See `resume`."""
        self._running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._running().signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it if it runs, then start it on the same folder, socket and port.

        What was in memory returns only from the append-only file: with ``persistence="none"``
        the new server is empty.

        Raises
        ------
        ServerError
            After `stop`: the folder is gone.
        NotOurServerError
            In a forked child.
        """
        self._refuse_in_forked_child()
        if not self._clean.alive:
            msg = f"this Redis {self.version} was stopped for good: start a new RedisServer()"
            raise ServerError(msg)
        self._end_process()
        self._start()

    def _end_process(self) -> None:
        run = self._slot.run
        if run is None:
            return
        if not run.gone() and self._persistence is not Persistence.NONE:
            run.signal(signal.SIGCONT)
            run.signal(signal.SIGTERM)  # syncs the append-only file, then exits
            run.gone(timeout_s=10.0)
        run.kill_and_reap()  # without persistence there is nothing to wait for
        self._slot.run = None

    def stop(self) -> None:
        """End the server and remove its folder; twice, or in a forked child, it does nothing."""
        if os.getpid() == self._slot.owner_pid:
            self._end_process()
        self._clean()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
