"""A private redis-server on a unix socket that dies with the process that started it."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self

from streamlab.errors import BadArgumentError, ServerError, ServerStartError
from streamlab.server.capabilities import capabilities_of
from streamlab.server.conf import Persistence, free_port, redis_conf, start_error
from streamlab.server.find import find_redis
from streamlab.server.url import CliCall, RedisUrl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import redis

# The shell between us and the server. It starts redis-server, prints its pid, and blocks in `read`
# on a pipe whose other end only we hold. However we die, the pipe closes, `read` fails, and the
# server and its folder go. A line on the pipe means: the server has ended, just reap it.
# File descriptor 3 of the server is the shell's own stdout: when it reads as closed, the server
# is gone, and until `wait` has run its pid cannot be given to anybody else.
_WATCHDOG = """
"$1" "$2" 3>&1 >>"$3" 2>&1 </dev/null &
server=$!
echo "$server"
exec >/dev/null
if ! read -r _; then
    kill -9 "$server"; wait "$server"; rm -rf -- "$4"; exit 0
fi
wait "$server"
"""

# A unix socket's path has room for 103 bytes on macOS and 107 on Linux.
_LONGEST_SOCKET_PATH = 103


class _Watched:
    """One run of a redis-server under its watchdog: the pid, and the two pipes."""

    def __init__(self, server: Path, conf: Path, log: Path, folder: Path) -> None:
        self.shell: subprocess.Popen[bytes] = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "streamlab-watchdog", server, conf, log, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C at the terminal is for us, not for the server
        )
        self.hold: IO[bytes] = self._pipe(self.shell.stdin)
        self.life: IO[bytes] = self._pipe(self.shell.stdout)
        self.pid = int(self.life.readline())

    @staticmethod
    def _pipe(end: IO[bytes] | None) -> IO[bytes]:
        if end is None:  # pragma: no cover - we asked for a pipe
            msg = "the operating system gave no pipe to the watchdog"
            raise ServerStartError(msg)
        return end

    def gone(self, timeout_s: float = 0.0) -> bool:
        """Whether the server has ended, waiting for that at most `timeout_s` seconds."""
        return bool(select.select([self.life], [], [], timeout_s)[0])

    def reap(self) -> None:
        """Let the watchdog collect a server that has ended."""
        with contextlib.suppress(BrokenPipeError):
            self.hold.write(b"gone\n")
        self.hold.close()
        self.life.close()
        self.shell.wait()

    def kill_and_reap(self) -> None:
        """SIGKILL; returns when the server has ended."""
        os.kill(self.pid, signal.SIGKILL)
        self.gone(timeout_s=10.0)
        self.reap()


class _Slot:
    """What must be cleaned up when a `RedisServer` is forgotten, kept apart from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run: _Watched | None = None
        self.owner_pid = os.getpid()

    def clean(self) -> None:
        if os.getpid() != self.owner_pid:
            return  # a forked child inherits the object, never the server
        if self.run is not None:
            self.run.kill_and_reap()
            self.run = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def let_go(self) -> None:
        """In a forked child: close our end of the pipe, or the server would outlive its owner."""
        if self.run is not None:
            self.run.hold.close()


_slots: weakref.WeakSet[_Slot] = weakref.WeakSet()


def _let_go_in_forked_child() -> None:
    for slot in list(_slots):
        slot.let_go()


os.register_at_fork(after_in_child=_let_go_in_forked_child)
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
        More lines for redis.conf, for example ``{"maxmemory": "10mb"}``.
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
        start_timeout_s: float = 10.0,
    ) -> None:
        if port is not None and (not tcp or isinstance(port, bool) or not 0 < port < 65536):
            msg = f"port must be in 1..65535 and needs tcp=True, got port={port!r}, tcp={tcp!r}"
            raise BadArgumentError(msg)
        if not start_timeout_s > 0:
            msg = f"start_timeout_s must be > 0, got {start_timeout_s!r}"
            raise BadArgumentError(msg)
        self._persistence = Persistence.parse(persistence)
        self._config = dict(config or {})
        self._start_timeout_s = start_timeout_s
        self._binary = find_redis(version)
        self._port = (port or free_port()) if tcp else None
        self._password = secrets.token_urlsafe(24) if tcp else None
        self._slot = _Slot(self._new_folder())
        self._clean = weakref.finalize(self, self._slot.clean)
        _slots.add(self._slot)
        try:
            self._start()
        except BaseException:
            self._clean()
            raise
        _started.append(weakref.ref(self, _started.remove))

    @staticmethod
    def _new_folder() -> Path:
        # mkdtemp makes it 0700. A long TMPDIR (macOS, CI) would not leave room for the socket.
        for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp's name is its own
            if (
                len(os.fsencode(base)) + len("/streamlab-xxxxxxxx/redis.sock")
                <= _LONGEST_SOCKET_PATH
            ):
                try:
                    return Path(tempfile.mkdtemp(prefix="streamlab-", dir=base))
                except OSError as exc:
                    msg = (
                        f"the folder {base!r} cannot be written ({exc.strerror}): "
                        f"set TMPDIR to one that can"
                    )
                    raise ServerStartError(msg) from exc
        msg = f"TMPDIR {tempfile.gettempdir()!r} is too long for a unix socket: set a shorter one"
        raise ServerStartError(msg)

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
            msg = f"no redis-cli beside {self._binary.server} or on PATH: run `streamlab redis install`"
            raise ServerError(msg)
        env = {"REDISCLI_AUTH": self._password} if self._password else {}
        return CliCall((str(self._binary.cli), "-s", str(self.socket)), env)

    # -- life and death ------------------------------------------------------------------------

    def _running(self) -> _Watched:
        if self._slot.run is None or self._slot.run.gone():
            msg = f"this Redis {self.version} is not running: call restart() or start a new one"
            raise ServerError(msg)
        return self._slot.run

    def _start(self) -> None:
        conf, log = self.folder / "redis.conf", self.folder / "redis.log"
        conf.touch(mode=0o600)
        conf.write_text(
            redis_conf(self.folder, self.socket, self._persistence, self._port, self._password)
            + "".join(f"{name} {value}\n" for name, value in self._config.items())
        )
        log.write_bytes(b"")
        self.socket.unlink(missing_ok=True)
        run = self._slot.run = _Watched(self._binary.server, conf, log, self.folder)
        deadline = time.monotonic() + self._start_timeout_s
        while not self._answers():
            if run.gone(timeout_s=0.0005):
                run.reap()
                self._slot.run = None
                raise start_error(self.version, log, self._port)
            if time.monotonic() > deadline:
                msg = (
                    f"Redis {self.version} did not answer PING within {self._start_timeout_s} s: "
                    f"see {log} or raise start_timeout_s"
                )
                raise ServerStartError(msg)

    def _answers(self) -> bool:
        """Whether PING is answered; by hand, since importing redis-py takes longer than Redis."""
        auth = f"AUTH {self._password}\r\n" if self._password else ""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(0.5)
            try:
                probe.connect(str(self.socket))
                probe.sendall(f"{auth}PING\r\n".encode())
                reply = b""
                while not reply.endswith(b"\r\n") or reply == b"+OK\r\n":
                    part = probe.recv(4096)
                    if not part:
                        return False
                    reply += part
            except OSError:
                return False
        return reply.endswith(b"+PONG\r\n")  # while the file loads: -LOADING

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
        os.kill(self._running().pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        os.kill(self._running().pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop it if it runs, then start it on the same folder, socket and port.

        What was in memory returns only from the append-only file: with ``persistence="none"``
        the new server is empty.
        """
        self._end_process()
        self._start()

    def _end_process(self) -> None:
        run = self._slot.run
        if run is None:
            return
        if not run.gone() and self._persistence is not Persistence.NONE:
            os.kill(run.pid, signal.SIGCONT)
            os.kill(run.pid, signal.SIGTERM)  # syncs the append-only file, then exits
            run.gone(timeout_s=10.0)
        run.kill_and_reap()  # without persistence there is nothing to wait for
        self._slot.run = None

    def stop(self) -> None:
        """End the server and remove its folder. Calling it twice does no harm."""
        if os.getpid() == self._slot.owner_pid:
            self._end_process()
        self._clean()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
