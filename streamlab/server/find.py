"""Which redis-server to start: the one named by the reader, else the newest at hand."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from streamlab.errors import ServerNotFoundError
from streamlab.server.capabilities import MINIMUM_VERSION, parse_version
from streamlab.server.install import DEFAULT_VERSION, INSTALLABLE, installed_folder

#: Names a redis-server of the reader's own; it is used whatever else is installed.
SERVER_VARIABLE = "STREAMLAB_REDIS_SERVER"


@dataclass(frozen=True, slots=True)
class RedisBinary:
    """A redis-server on disk.

    Attributes
    ----------
    server
        The path of ``redis-server``.
    cli
        The path of the ``redis-cli`` beside it, or one on PATH, or None.
    version
        What ``redis-server --version`` prints, for example ``"8.10.2"``.
    source
        ``"installed"`` (by the lab), ``"PATH"``, or the name of the environment variable.
    """

    server: Path
    cli: Path | None
    version: str
    source: str


@functools.lru_cache(maxsize=32)
def _version_printed_by(server: Path, _modified_ns: int) -> str:
    try:
        answer = subprocess.run(  # one argument, no shell
            [server, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        msg = f"{server} could not be run ({exc}): point {SERVER_VARIABLE} at a redis-server"
        raise ServerNotFoundError(msg) from exc
    match = re.match(r"Redis server v=(\d+(?:\.\d+)+)", answer.stdout)
    if match is None:
        said = (answer.stdout or answer.stderr).strip()[:80]
        msg = (
            f"{server} is not a redis-server: --version printed {said!r}; "
            f"unset {SERVER_VARIABLE} or point it at Redis >= {MINIMUM_VERSION}"
        )
        raise ServerNotFoundError(msg)
    return match.group(1)


def binary_at(server: Path, source: str) -> RedisBinary:
    """The redis-server at the path `server`, after asking it for its version.

    Raises
    ------
    ServerNotFoundError
        If there is none; `source` says who named it.
    """
    if not server.is_file():
        msg = f"no redis-server at {str(server)!r} ({source}): correct the path or unset it"
        raise ServerNotFoundError(msg)
    beside = server.with_name("redis-cli")
    on_path = shutil.which("redis-cli")
    cli = beside if beside.is_file() else Path(on_path) if on_path else None
    return RedisBinary(server, cli, _version_printed_by(server, server.stat().st_mtime_ns), source)


def _installed() -> list[RedisBinary]:
    folders = ((version, installed_folder(version)) for version in INSTALLABLE)
    return [
        RedisBinary(folder / "redis-server", folder / "redis-cli", version, "installed")
        for version, folder in folders
        if folder is not None
    ]


def found_redis() -> list[RedisBinary]:
    """Every usable redis-server at hand, the one that would be started first.

    The order is: the one named by ``STREAMLAB_REDIS_SERVER``, then the others from new to old,
    an installed one before an equal one on PATH. Servers older than 6.2 are left out.

    Raises
    ------
    ServerNotFoundError
        If ``STREAMLAB_REDIS_SERVER`` names something that is not a redis-server, or an older one.
    """
    others = _installed()
    if on_path := shutil.which("redis-server"):
        # A namesake on PATH (Valkey's compatibility link, say) was never asked for.
        with contextlib.suppress(ServerNotFoundError):
            others.append(binary_at(Path(on_path), "PATH"))
    others.sort(key=lambda binary: parse_version(binary.version), reverse=True)
    floor = parse_version(MINIMUM_VERSION)
    if named := os.environ.get(SERVER_VARIABLE):
        others.insert(0, binary_at(Path(named).expanduser(), SERVER_VARIABLE))
        if parse_version(others[0].version) < floor:
            msg = (
                f"{SERVER_VARIABLE} names Redis {others[0].version}, the lab needs >= "
                f"{MINIMUM_VERSION}: unset it or run `streamlab redis install`"
            )
            raise ServerNotFoundError(msg)
    return [binary for binary in others if parse_version(binary.version) >= floor]


def find_redis(version: str | None = None) -> RedisBinary:
    """The redis-server to start.

    Parameters
    ----------
    version
        None for the first of `found_redis`; else a version or its beginning: ``"7.0"`` accepts
        7.0.15, the newest such first.

    Raises
    ------
    ServerNotFoundError
        If there is none; the text names the command that brings one.
    BadArgumentError
        If `version` is not a version number.
    """
    found = found_redis()
    if version is None:
        if found:
            return found[0]
        msg = (
            f"no redis-server >= {MINIMUM_VERSION} found, neither installed nor on PATH: "
            f"run `streamlab redis install` (about two minutes where pip must compile it)"
        )
        raise ServerNotFoundError(msg)
    wanted = parse_version(version)
    for binary in found:
        if parse_version(binary.version)[: len(wanted)] == wanted:
            return binary
    have = ", ".join(f"{b.version} ({b.source})" for b in found) or "none"
    brings = next((v for v in INSTALLABLE if parse_version(v)[: len(wanted)] == wanted), None)
    step = (
        f"run `streamlab redis install {brings}`"
        if brings
        else f"the lab can install {', '.join(INSTALLABLE)} (default {DEFAULT_VERSION})"
    )
    msg = f"no redis-server of version {version} found (found: {have}): {step}"
    raise ServerNotFoundError(msg)
