"""However its owner ends, a private server and its folder go; and only then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import pytest
from support import ROOT, poll, run_python

# Starts servers, says where they are, and does what the test wants.
START = """
import json, multiprocessing, os, signal, sys
from streamlab import RedisServer
servers = [RedisServer(**{options!r}) for _ in range({count})]
print(json.dumps([[s.pid, str(s.folder)] for s in servers]), flush=True)
"""


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


class Owner:
    """A Python process that has started servers; ended when the test is."""

    def __init__(self, then: str, *, count: int = 2, **options) -> None:
        code = START.format(options=options, count=count) + then
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        servers = json.loads(self.line())
        self.pids = [pid for pid, _ in servers]
        self.folders = [Path(folder) for _, folder in servers]
        assert len(self.pids) == count

    def line(self) -> str:
        return self.process.stdout.readline()

    def nothing_left(self) -> bool:
        return all(map(ended, self.pids)) and not any(f.exists() for f in self.folders)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


WAIT = "sys.stdin.read()\n"


def test_a_sigkilled_owner_leaves_none_of_its_ten_servers_after_two_seconds():
    with Owner(WAIT, count=10) as owner:
        assert not any(map(ended, owner.pids))
        owner.process.kill()
        began = time.monotonic()
        poll(owner.nothing_left, timeout_s=2.0, what="the end of ten servers")
        print(f"ten servers and folders gone {time.monotonic() - began:.3f} s after SIGKILL")


def test_a_sigkilled_owner_leaves_no_server_that_is_paused_or_persistent():
    with Owner("servers[0].pause()\nprint(flush=True)\n" + WAIT, persistence="always") as owner:
        assert owner.line() == "\n"
        owner.process.kill()
        poll(owner.nothing_left, timeout_s=2.0, what="the end of the servers")


@pytest.mark.parametrize(
    ("then", "code"),
    [
        pytest.param("", 0, id="its last line"),
        pytest.param("raise RuntimeError('mine')", 1, id="an exception"),
        pytest.param("sys.exit(3)", 3, id="sys.exit"),
        pytest.param("os._exit(3)", 3, id="os._exit"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, id="SIGTERM"),
        pytest.param("os.kill(os.getpid(), signal.SIGHUP)", -signal.SIGHUP, id="SIGHUP"),
        pytest.param("os.abort()", -signal.SIGABRT, id="a crash"),
        pytest.param("del servers[0]; servers[0].kill()", 0, id="half of it done"),
    ],
)
def test_an_owner_that_ends_by_itself_leaves_nothing(then, code):
    with Owner(then) as owner:
        _, errors = owner.process.communicate(timeout=20)
        assert owner.process.returncode == code
        poll(owner.nothing_left, timeout_s=2.0, what="the end of the servers")
        assert errors == "" or "mine" in errors


def test_a_forked_child_that_outlives_its_parent_keeps_no_server_alive():
    then = """
child = os.fork()
if child == 0:
    sys.stdin.read()
    os._exit(0)
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with Owner(then) as owner:
        child = int(owner.line())
        poll(owner.nothing_left, timeout_s=2.0, what="the end of the servers")
        assert not ended(child)  # it waits for the end of its stdin, which we hold


def test_the_end_of_a_forked_child_leaves_its_parents_servers_alone():
    then = """
child = os.fork()
if child == 0:
    from streamlab.errors import NotOurServerError
    assert all(s.running for s in servers)
    assert servers[0].client().ping()
    for use in (servers[0].kill, servers[0].pause, servers[0].resume, servers[0].restart):
        try:
            use()
        except NotOurServerError as exc:
            assert "leave its life to its owner" in str(exc)
        else:
            raise AssertionError(use)
    servers[0].stop()
    del servers
    sys.exit(7)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), [s.client().ping() for s in servers], flush=True)
"""
    with Owner(then) as owner:
        said, errors = owner.process.communicate(timeout=20)
        assert (said, errors) == ("7 [True, True]\n", "")
        poll(owner.nothing_left, timeout_s=2.0)


def test_a_spawned_child_that_outlives_its_parent_keeps_no_server_alive(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    then = f"""
child = multiprocessing.get_context("spawn").Process(target=open, args=({str(fifo)!r},))
child.start()
print(child.pid, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
    with Owner(then) as owner:
        child = int(owner.line())

        def let_child_go():
            try:  # fails until the child waits in open()
                return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                return None

        owner.process.stdin.write("\n")
        owner.process.stdin.flush()
        poll(owner.nothing_left, timeout_s=2.0, what="the end of the servers")
        assert not ended(child)
        os.close(poll(let_child_go))


def test_a_program_started_meanwhile_that_outlives_its_owner_keeps_no_server_alive():
    then = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], close_fds=False)
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with Owner(then) as owner:
        child = int(owner.line())
        poll(owner.nothing_left, timeout_s=2.0, what="the end of the servers")
        assert not ended(child)


def test_ctrl_c_reaches_the_owner_and_not_the_server():
    then = """
try:
    print("waiting", flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    print([s.client().ping() for s in servers], flush=True)
"""
    with Owner(then) as owner:
        assert owner.process.stdout.readline() == "waiting\n"
        os.killpg(owner.process.pid, signal.SIGINT)
        said, errors = owner.process.communicate(timeout=20)
        assert (said, errors) == ("[True, True]\n", "")
        poll(owner.nothing_left, timeout_s=2.0)


def test_an_owner_that_forgets_everything_ends_without_a_warning():
    code = "from streamlab import RedisServer; s = RedisServer(); s = RedisServer(tcp=True)"
    done = run_python("-X", "dev", "-W", "error", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
