"""What several test files need: versions, polling, running the package as a process."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from streamlab.server import found_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
NEWEST, OLDEST = "8.10.2", "6.2.14"

# 7.0 is tested where a distribution's package brings it; `make test` installs the other two.
VERSIONS = [NEWEST, OLDEST] + ["7.0"] * any(b.version.startswith("7.0.") for b in found_redis())


def poll(ask: Callable[[], T], *, timeout_s: float = 10.0, what: str = "it") -> T:
    """Ask until the answer is true, and return it; fail after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.005)
    return answer


def handed_over(r: redis.Redis) -> None:
    """Wait until the operating system has what `r`'s server replied to.

    With ``everysec`` it replies while an fsync is under way, and puts its write off, up to 2 s.
    """
    pending = "aof_buffer_length"
    poll(lambda: not r.info("persistence").get(pending), what="the write that was put off")


def run_python(*args: str, timeout_s: float = 60.0, **options) -> subprocess.CompletedProcess[str]:
    """Run this Python with `args` in the project's root, and return what it printed."""
    options = {"cwd": ROOT, "capture_output": True, "text": True, "check": False} | options
    return subprocess.run([sys.executable, *args], timeout=timeout_s, **options)


def make(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `make` as a person would, even where `make test` runs the tests."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env.pop("MFLAGS", None)
    return subprocess.run(["make", *args], cwd=cwd, env=env, capture_output=True, text=True)


def streamlab(*args: str, **options) -> subprocess.CompletedProcess[str]:
    """Run the shell command ``streamlab`` with `args`."""
    return run_python("-m", "streamlab", *args, **options)


@contextlib.contextmanager
def worker_process(
    server, stream: str, handler: str, *options: str, work_s: float = 0.0
) -> Iterator[subprocess.Popen[str]]:
    """``streamlab worker handlers:HANDLER`` on `stream`; its effects go to ``STREAM:effects``."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlab", "worker", f"handlers:{handler}"),
            *("--stream", stream, "--json", *options),
        ],
        cwd=ROOT / "tests",
        env=os.environ
        | {
            "STREAMLAB_REDIS_URL": str(server.url),
            "EFFECTS": f"{stream}:effects",
            "WORK_S": str(work_s),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def effects(r, stream: str) -> list[str]:
    """What the handlers of `worker_process` did, in order."""
    return r.lrange(f"{stream}:effects", 0, -1)


@contextlib.contextmanager
def reply_lost_once(server, folder: Path, command: bytes) -> Iterator[Path]:
    """A unix socket in front of `server` that cuts the connection instead of a reply, once.

    The first `command` reaches the server, and its reply never comes back; all else passes.
    """
    path = folder / "cut.sock"
    armed = [command]

    def serve(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(str(server.socket))
            while request := client.recv(65536):
                upstream.sendall(request)
                reply = upstream.recv(65536)
                if armed and armed[0] in request:
                    armed.clear()
                    return
                client.sendall(reply)

    def accept() -> None:
        with contextlib.suppress(OSError):  # the listener is closed at the end
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        assert not armed, f"{command!r} never came"
