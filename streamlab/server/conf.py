"""redis.conf for a private server, and what its log says when it does not start."""

from __future__ import annotations

import socket
from enum import StrEnum
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError, ServerStartError

if TYPE_CHECKING:
    from pathlib import Path


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


def start_error(version: str, log: Path, port: int | None) -> ServerStartError:
    """The error for a server that ended before it answered, made from the end of its log."""
    text = log.read_text(errors="replace")
    tail = "\n".join(text.strip().splitlines()[-6:])
    if "Address already in use" in text:
        reason = f"port {port} is taken: leave out port= for a free one"
    elif "Can't chdir" in text or "Permission denied" in text or "Read-only file" in text:
        reason = f"its folder {str(log.parent)!r} cannot be used: set TMPDIR to one that can"
    elif "FATAL CONFIG FILE ERROR" in text:
        reason = "it refused a setting: correct config= or take the version that has it"
    else:
        reason = "it ended before it answered: its last words may say why"
    return ServerStartError(f"Redis {version} did not start, {reason}\n{tail}")
