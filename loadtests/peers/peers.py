"""A peer as the driver sees it: what its file says of itself, its Python, and one run of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlab import RedisServer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_TAIL = 300  # characters of what a peer said when it failed


class PeerError(Exception):
    """A peer could not be installed or did not do its tasks; the others go on."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What the block of comments at the head of a peer's file says (PEP 723)."""

    name: str
    dependencies: tuple[str, ...]
    tasks: int
    promise: str
    settings: str

    @classmethod
    def read(cls, path: Path) -> Peer:
        """The peer of a file ``peer_NAME.py``."""
        block = re.search(r"(?m)^# /// script$\n((?:#.*\n)+?)# ///$", path.read_text())
        if block is None:
            msg = f"{path.name} has no block of script metadata: see peer_bare.py"
            raise PeerError(msg)
        said = tomllib.loads(re.sub(r"(?m)^# ?", "", block[1]))
        name = path.stem.removeprefix("peer_")
        return cls(name=name, dependencies=tuple(said["dependencies"]), **said["tool"]["peer"])

    def python(self, environments: Path) -> Path:
        """The Python that has what the peer needs; installed there first, once.

        Each peer has a virtual environment of its own, so that none of them keeps another from
        its newest version. One without dependencies runs in this Python.
        """
        if not self.dependencies:
            return Path(sys.executable)
        folder = environments / re.sub(r"[^\w.]+", "-", "-".join(self.dependencies))
        python = folder / "bin" / "python"
        ready = folder / "ready"
        if not ready.exists():
            venv.create(folder, with_pip=True, clear=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _call([*pip, *self.dependencies], {}, timeout_s=600)
            ready.touch()
        return python


@dataclass(frozen=True, slots=True)
class Run:
    """One run: so many tasks in so long, in the worker's own process."""

    peer: str
    tasks: int
    seconds: float
    versions: dict[str, str | None]

    @property
    def rate_per_s(self) -> float:
        """Tasks per second from the first task to the last, which are ``tasks - 1`` steps."""
        return (self.tasks - 1) / self.seconds


def run_once(
    peer: Peer, python: Path, server: RedisServer, folder: Path, tasks: int, *, timeout_s: float
) -> Run:
    """Enqueue `tasks` on an empty server, start a worker, and end it after its last task."""
    with server.client() as client:
        client.flushall()
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    env = {"PEER_URL": str(server.url), "PEER_TASKS": str(tasks), "PEER_RESULT": str(result)}
    command = [python, HERE / "run.py", f"peer_{peer.name}"]
    _call([*command, "enqueue"], env, timeout_s=timeout_s)
    with (folder / "said.txt").open("w+") as said:
        worker = subprocess.Popen(
            [*command, "work"],
            env=_environment(env),
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            cwd=HERE,
            start_new_session=True,  # the worker and its children end together
        )
        try:
            _wait(worker, result, timeout_s)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended itself
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        if not result.exists():
            said.seek(0)
            msg = f"did not do {tasks} tasks within {timeout_s:g} s: {_last(said.read())}"
            raise PeerError(msg)
    found: dict[str, Any] = json.loads(result.read_text())
    seconds = (found["ended_ns"] - found["began_ns"]) / 1e9
    return Run(peer.name, tasks, seconds, found["versions"])


def _wait(worker: subprocess.Popen[bytes], result: Path, timeout_s: float) -> None:
    """Return when there is a result, or none will come."""
    deadline = time.monotonic() + timeout_s
    while not result.exists() and worker.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def _environment(more: dict[str, str]) -> dict[str, str]:
    paths = os.pathsep.join([str(HERE), str(ROOT)])
    return os.environ | {"PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"} | more


def _call(command: list[Any], env: dict[str, str], *, timeout_s: float) -> None:
    try:
        subprocess.run(
            command,
            env=_environment(env) if env else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=True,
            cwd=HERE,
        )
    except subprocess.TimeoutExpired as exc:
        msg = f"{Path(command[-2]).name} {command[-1]} took longer than {timeout_s:g} s"
        raise PeerError(msg) from exc
    except subprocess.CalledProcessError as exc:
        raise PeerError(_last(exc.stderr)) from exc


def _last(text: str) -> str:
    """The last line that says an error, or the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|ERROR|Exception)\b", line)]
    return (errors or lines or ["it said nothing"])[-1][:_TAIL]
