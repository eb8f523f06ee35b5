"""What this machine has and lacks for the lab, each lack with the command that mends it.

A broken thing is a finding here, never an exception: whoever asks has trouble enough. The file is
a list of small checks, one function each, and longer than a page for that.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamlab.doctor.diagnosis import Diagnosis, Finding, Lesson, Status
from streamlab.errors import ServerError
from streamlab.server.capabilities import (
    CAPABILITIES,
    MINIMUM_VERSION,
    capabilities_of,
    parse_version,
)
from streamlab.server.find import SERVER_VARIABLE, RedisBinary, binary_at, found_redis
from streamlab.server.install import CACHE_VARIABLE, DEFAULT_VERSION, cache_folder, installed_folder
from streamlab.server.process import RedisServer
from streamlab.server.reader import URL_VARIABLE, ReaderServer, reader_url
from streamlab.server.url import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OLDEST_PYTHON = (3, 11)
_INSTALL = "run `streamlab redis install`"
#: MB for sources, objects and programs while pip compiles; the programs alone take 20.
_ROOM_MB = 500
#: What each is for; False where the lessons run without it.
_PACKAGES = {
    "redis": ("talks to the server", True),
    "jupyterlab": ("opens the notebooks", True),
    "pandas": ("draws the tables", True),
    "matplotlib": ("draws the figures", True),
    "locust": ("runs the load tests", True),
    "platformdirs": ("says where installed servers live", True),
    "hiredis": ("a faster parser that redis-py takes by itself", False),
    "nbval": ("compares the stored outputs in `make test`", False),
}


def examine() -> Diagnosis:
    """Look at this machine. Takes about as long as starting one server, and never raises."""
    findings: list[Finding] = []
    lessons: list[Lesson] = []
    reader = _asked_reader()
    for name, check, fix in (
        ("Python", _python, None),
        ("packages", _packages, None),
        (SERVER_VARIABLE, _named_server, f"run `unset {SERVER_VARIABLE}`"),
        ("redis-server", _servers, _INSTALL),
        ("redis-cli", _cli, _INSTALL),
        ("compilers", _compilers, None),
        ("folders", _folders, None),
        ("private server", _private_server, "set TMPDIR to a folder of your own, or reinstall"),
        (
            URL_VARIABLE,
            lambda: _reader_server(reader),
            f"run `unset {URL_VARIABLE}` to use private servers",
        ),
        ("capabilities", lambda: _capabilities(_lab_version(reader)), None),
        ("notebooks", lambda: _notebooks(_lab_version(reader), lessons), None),
    ):
        findings += _guarded(name, check, fix or "report this as a bug, with this line")
    return Diagnosis(tuple(findings), tuple(lessons))


def _guarded(name: str, check: Callable[[], Iterator[Finding]], fix: str) -> list[Finding]:
    """The findings of a check; what it raises is one more."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except Exception as exc:  # noqa: BLE001 - the environment is what is in doubt here
        known = isinstance(exc, ServerError | ImportError)  # others may quote anything
        fact = redact(str(exc)) if known else type(exc).__name__
        found.append(Finding(name, Status.PROBLEM, fact, fix))
    return found


def _python() -> Iterator[Finding]:
    good = sys.version_info >= _OLDEST_PYTHON
    wanted = ".".join(map(str, _OLDEST_PYTHON))
    yield Finding(
        "Python",
        Status.OK if good else Status.PROBLEM,
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        None if good else f"install Python >= {wanted}",
    )


def _packages() -> Iterator[Finding]:
    for name, (purpose, needed) in _PACKAGES.items():
        try:
            yield Finding(name, Status.OK, f"{metadata.version(name)} ({purpose})")
        except metadata.PackageNotFoundError:
            status = Status.PROBLEM if needed else Status.OK
            fix = f"run `{Path(sys.executable).name} -m pip install {name}`" if needed else None
            yield Finding(name, status, f"not installed ({purpose})", fix)


def _named_server() -> Iterator[Finding]:
    named = os.environ.get(SERVER_VARIABLE)
    if not named:
        yield Finding(SERVER_VARIABLE, Status.OK, "not set: the newest server at hand is used")
        return
    version = found_redis()[0].version
    yield Finding(SERVER_VARIABLE, Status.OK, f"{named}, Redis {version}: used before all others")


def _servers() -> Iterator[Finding]:
    try:
        found = found_redis()
    except ServerError:  # said under the variable's name already
        return
    for place, binary in enumerate(found):
        why = "used" if place == 0 else "used when asked for by its version"
        fact = f"{binary.version} ({binary.source}, {binary.server}), {why}"
        yield Finding("redis-server", Status.OK, fact)
    yield from _unusable_on_path(found)
    if not found:
        fact = f"none >= {MINIMUM_VERSION}, neither installed nor on PATH"
        yield Finding("redis-server", Status.PROBLEM, fact, _INSTALL)
    elif parse_version(found[0].version) < parse_version(DEFAULT_VERSION):
        fact = f"{found[0].version} is older than {DEFAULT_VERSION}, for which the lessons are made"
        yield Finding("redis-server", Status.WARNING, fact, _INSTALL)


def _unusable_on_path(found: list[RedisBinary]) -> Iterator[Finding]:
    on_path = shutil.which("redis-server")
    if on_path is None or any(binary.source == "PATH" for binary in found):
        return
    try:
        version = binary_at(Path(on_path), "PATH").version
        fact = f"{on_path} is Redis {version}, older than {MINIMUM_VERSION}: not used"
    except ServerError as exc:
        fact = str(exc)
    yield Finding("redis-server", Status.WARNING, fact, _INSTALL)


def _cli() -> Iterator[Finding]:
    cli = next((b.cli for b in _found_or_none() if b.cli), None) or shutil.which("redis-cli")
    if cli:
        yield Finding("redis-cli", Status.OK, str(cli))
    else:
        yield Finding("redis-cli", Status.WARNING, "none: %redis needs it", _INSTALL)


def _found_or_none() -> list[RedisBinary]:
    try:
        return found_redis()
    except ServerError:
        return []


def _compilers() -> Iterator[Finding]:
    if installed_folder(DEFAULT_VERSION):
        return  # nothing is left to compile
    missing = [name for name in ("gcc", "make") if shutil.which(name) is None]
    if not missing:
        yield Finding("compilers", Status.OK, "gcc and make, if pip must compile a server")
        return
    fact = f"no {' and no '.join(missing)}: a server can be installed only where there is a wheel"
    fix = "run `apt-get install build-essential` (macOS: `xcode-select --install`)"
    yield Finding("compilers", Status.WARNING, fact, fix)


def _folders() -> Iterator[Finding]:
    yield _folder_finding("cache folder", cache_folder(), CACHE_VARIABLE)
    named, used = os.environ.get("TMPDIR"), tempfile.gettempdir()
    if named and Path(named).resolve() != Path(used).resolve():
        fact = f"TMPDIR={named} cannot be written, {used} is used"
        yield Finding("temporary folder", Status.WARNING, fact, "set TMPDIR to one that can")
    else:
        yield _folder_finding("temporary folder", Path(used), "TMPDIR")


def _folder_finding(name: str, folder: Path, variable: str) -> Finding:
    """Whether `folder` could be made and written, and has room."""
    fix = f"set {variable} to a folder that can be written and has room"
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free_mb = shutil.disk_usage(there).free // 2**20
    except OSError as exc:
        fact = f"{folder} cannot be written ({exc.strerror})"
        return Finding(name, Status.WARNING, fact, fix)
    fact = f"{folder}, {free_mb} MB free"
    if free_mb < _ROOM_MB:
        return Finding(name, Status.WARNING, f"{fact}: compiling needs {_ROOM_MB} MB", fix)
    return Finding(name, Status.OK, fact)


def _private_server() -> Iterator[Finding]:
    if not _found_or_none():
        return  # said already
    began = time.perf_counter()
    with RedisServer() as server:
        took_ms = (time.perf_counter() - began) * 1000
        fact = f"Redis {server.version} answered PING {took_ms:.0f} ms after its start"
    yield Finding("private server", Status.OK, fact)


def _asked_reader() -> str | Exception | None:
    """The version of the reader's own server, or why there is none; asked once, it may be slow."""
    try:
        url = reader_url()
        return ReaderServer(url).version if url else None
    except Exception as exc:  # noqa: BLE001 - it becomes a finding
        return exc


def _reader_server(answer: str | Exception | None) -> Iterator[Finding]:
    url = reader_url()
    if isinstance(answer, Exception):
        raise answer
    if url is None:
        yield Finding(URL_VARIABLE, Status.OK, "not set: lessons start private servers")
    else:
        fact = f"{url.shown} is Redis {answer}: lessons use it, and never stop it"
        yield Finding(URL_VARIABLE, Status.OK, fact)


def _lab_version(reader: str | Exception | None) -> str | None:
    """The version that a lesson would get, or None."""
    if isinstance(reader, Exception):
        return None
    return reader or next((binary.version for binary in _found_or_none()), None)


def _capabilities(version: str | None) -> Iterator[Finding]:
    has = capabilities_of(version) if version else frozenset()
    where = f"in Redis {version}" if version else "without a server"
    fix = f"unset {URL_VARIABLE}, or upgrade that server" if reader_url() else _INSTALL
    for item in CAPABILITIES:
        if item.name in has:
            yield Finding(item.name, Status.OK, item.gives)
        else:
            fact = f"not {where}, came with Redis {item.since}: {item.gives}"
            yield Finding(item.name, Status.WARNING, fact, fix)


def _notebooks(version: str | None, lessons: list[Lesson]) -> Iterator[Finding]:
    """Fill `lessons` from the notebooks beside the package, if it is a checkout."""
    has = capabilities_of(version) if version else frozenset()
    root = Path(__file__).resolve().parents[2]
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        name = path.relative_to(root).as_posix()
        if ".ipynb_checkpoints" in name:
            continue
        try:
            needs = _needs(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, AttributeError, TypeError, LookupError) as exc:
            fact = f"cannot be read ({type(exc).__name__}: {exc})"
            yield Finding(name, Status.PROBLEM, fact, f"run `git checkout -- {name}`")
            continue
        lessons.append(Lesson(name, needs, tuple(need for need in needs if need not in has)))


def _needs(notebook: dict[str, Any]) -> tuple[str, ...]:
    """The capabilities that a notebook's metadata asks for: ``{"streamlab": {"needs": [...]}}``."""
    needs = tuple(notebook["metadata"].get("streamlab", {}).get("needs", ()))
    if unknown := sorted(set(needs) - {item.name for item in CAPABILITIES}):
        msg = f"its metadata needs {unknown[0]!r}, which is no capability"
        raise ValueError(msg)
    return needs
