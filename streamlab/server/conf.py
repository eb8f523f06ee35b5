"""What a private server is started with, and what its log says when it does not start."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError, ServerStartError

if TYPE_CHECKING:
    from collections.abc import Mapping

# A unix socket's path has room for 103 bytes on macOS and 107 on Linux.
_LONGEST_SOCKET_PATH = 103

# What keeps the server private, reachable by the lab and gone with its owner.
_OWN_SETTINGS = frozenset(
    {"bind", "daemonize", "dir", "include", "logfile", "port", "requirepass", "supervised"}
    | {"unixsocket", "unixsocketperm"}
)


class Persistence(StrEnum):
    """What survives the server's own death (Redis settings ``appendonly``, ``appendfsync``)."""

    NONE = "none"
    EVERYSEC = "everysec"
    ALWAYS = "always"

    @classmethod
    def parse(cls, value: str) -> Persistence:
        """The member of that name.

        Raises
        ------
        BadArgumentError
            If there is none.
        """
        try:
            return cls(value)
        except ValueError as exc:
            names = ", ".join(repr(str(member)) for member in cls)
            msg = f"persistence must be one of {names}, got {value!r}"
            raise BadArgumentError(msg) from exc


def free_port() -> int:
    """A TCP port that was free on 127.0.0.1 a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def private_folder() -> Path:
    """A new folder with mode 0700 under TMPDIR, or under /tmp when that name is too long.

    Raises
    ------
    ServerStartError
        If none can be made there.
    """
    try:
        wanted = tempfile.gettempdir()
        longest = _LONGEST_SOCKET_PATH - len("/streamlab-xxxxxxxx/redis.sock")
        base = wanted if len(os.fsencode(wanted)) <= longest else "/tmp"  # noqa: S108 - mkdtemp's
        return Path(tempfile.mkdtemp(prefix="streamlab-", dir=base))
    except OSError as exc:
        msg = f"no folder for temporary files can be written ({exc}): set TMPDIR to one that can"
        raise ServerStartError(msg) from exc


def refuse_own_settings(config: Mapping[str, str]) -> None:
    """Raise unless `config` leaves alone what the lab itself sets.

    Raises
    ------
    BadArgumentError
        If it does not; the text names the setting.
    """
    if own := sorted(_OWN_SETTINGS.intersection(name.lower() for name in config)):
        msg = (
            f"config must not set {own[0]!r}, the lab does: leave it out (tcp= and port= open TCP)"
        )
        raise BadArgumentError(msg)


def _quoted(text: object) -> str:
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def redis_conf(
    folder: Path,
    unix_socket: Path,
    persistence: Persistence,
    port: int | None,
    password: str | None,
) -> str:
    """The text of redis.conf; the password stands here and never on a command line."""
    lines = [
        f"dir {_quoted(folder)}",
        f"unixsocket {_quoted(unix_socket)}",
        "unixsocketperm 700",
        "bind 127.0.0.1",
        f"port {port or 0}",
        "daemonize no",
        'logfile ""',
        'save ""',
        f"appendonly {'no' if persistence is Persistence.NONE else 'yes'}",
    ]
    if persistence is not Persistence.NONE:
        lines.append(f"appendfsync {persistence}")
    if password:
        lines.append(f"requirepass {_quoted(password)}")
    return "\n".join(lines) + "\n"


def log_tail(log: Path) -> str:
    """The last lines of redis.log, without the passwords of the reader's own settings."""
    tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-6:])
    # The server quotes the line of redis.conf that it refuses.
    return re.sub(r"(?im)(>>> '(?:\S*(?:pass|auth)\S*|user)\s).*$", r"\1***'", tail)


def start_error(version: str, log: Path, port: int | None) -> ServerStartError:
    """The error for a server that ended before it answered, made from the end of its log."""
    text = log.read_text(errors="replace")
    if "Address already in use" in text:
        reason = f"port {port} is taken: leave out port= for a free one, or try again"
    elif "FATAL CONFIG FILE ERROR" in text or "Unresolved Configuration" in text:  # before, since 8
        reason = "it refused a setting: correct config= or take the version that has it"
    elif "Can't chdir" in text or "Permission denied" in text or "Read-only file" in text:
        reason = f"its folder {str(log.parent)!r} cannot be used: set TMPDIR to one that can"
    else:
        reason = "it ended before it answered: its last words may say why"
    return ServerStartError(f"Redis {version} did not start, {reason}\n{log_tail(log)}")
