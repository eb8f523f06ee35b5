"""Locust as a process of its own: it must never be imported here (it patches threads)."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request

import psutil
import pytest
import redis
from support import ROOT, poll

from streamlab.server import RedisServer
from streamlab.server.conf import free_port
from streamlab.server.reader import URL_VARIABLE

COUNTS = re.compile(r"sent (\d+), done (\d+), twice (\d+), lost (\w+), pending (\d+), unread (\d+)")
# What the verdict may say besides on a machine that runs other tests at the same time: these are
# about time, and hold for what was measured. Their theorems are in test_locust_verdict.py.
BUSY = ("not steady", "generator late", "saturated")


# One second of sending, after which the test ends: -t counts from Locust's start, in whole seconds.
SECOND = ("--shape", "soak", "--shape-seconds", "1")
STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nothing_left():
    """What a test that failed has not waited for ends with it."""
    yield
    while STARTED:
        ran = STARTED.pop()
        if ran.poll() is None:
            os.killpg(ran.pid, signal.SIGKILL)
        ran.communicate()


def start(*args: str, before: tuple[str, ...] = (), **env: str):
    ran = subprocess.Popen(
        [*before, sys.executable, "-m", "locust", *args],
        cwd=ROOT,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    STARTED.append(ran)
    return ran


def begin(*args: str, users: int = 3, **env: str):
    number = str(users)
    return start("--headless", "--only-summary", "-u", number, "-r", number, *args, **env)


def ended(ran):
    out = ran.communicate(timeout=60)[0]
    assert "Traceback" not in out, out
    return ran.returncode, out


def headless(*args: str, **more):
    return ended(begin(*args, **more))


def own_ports():
    """The options of a master that no other test's workers find."""
    port = str(free_port())
    return "--master-bind-port", port, "--master-port", port


def reasons(out):
    """Why the verdict does not trust a test; those of a busy machine are left out."""
    (line,) = re.findall(r"^(?:to be trusted|not to be trusted).*", out, re.MULTILINE)
    named = line.partition("not to be trusted: ")[2].split("; ")
    return [reason for reason in named if reason and not reason.startswith(BUSY)]


def check_exit(code, out, wanted):
    """The exit code is the wanted one, or 1 where only the machine was too busy."""
    assert reasons(out) == [], out
    assert code == (1 if "not to be trusted" in out else wanted), out


def counts(out):
    return [int(number) for number in COUNTS.search(out).groups()]


def listening(process):
    """The addresses on which a process and its children listen."""
    everybody = [process, *process.children(recursive=True)]
    connections = [c for one in everybody for c in one.net_connections() if c.status == "LISTEN"]
    return {connection.laddr for connection in connections}


def fetched(url, data=None):
    try:
        with urllib.request.urlopen(url, data=data, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def test_a_headless_test_accounts_for_every_task_and_prints_microseconds():
    rate = ("--task-rate", "150")
    one, two = ("-t", "2s"), (*SECOND, "--processes", "2", *own_ports())
    for ran in [begin(*rate, *two), begin(*rate, *one)]:
        code, out = ended(ran)
        check_exit(code, out, 0)
        sent, done, *others = counts(out)
        assert sent == done >= 150
        assert others == [0, 0, 0, 0]
        corrected = re.search(r"from due +(\d+) +(\d+) +(\d+)", out)
        uncorrected = re.search(r"from sent +(\d+) +(\d+) +(\d+)", out)
        assert int(corrected.group(1)) == int(uncorrected.group(1)) == done
        assert 1000 < int(uncorrected.group(2)) <= int(corrected.group(2))  # the work is 1 ms


def test_a_lost_task_makes_the_exit_code_1_and_no_password_is_printed():
    with RedisServer(tcp=True) as server, server.client() as client:
        over = threading.Event()

        def thief():
            """Take what consumers should get: NOACK leaves no trace of it."""
            key = poll(lambda: client.keys("streamlab-locust-*"), timeout_s=30)[0]
            with contextlib.suppress(redis.ResponseError):  # at the end the stream is deleted
                while not over.is_set():
                    client.xreadgroup("workers", "thief", {key: ">"}, count=1, block=50, noack=True)

        thread = threading.Thread(target=thief)
        thread.start()
        code, out = headless(*SECOND, "--task-rate", "100", **{URL_VARIABLE: str(server.url)})
        over.set()
        thread.join()
        assert client.keys() == []
    assert code == 1, out
    assert counts(out)[3] > 0
    assert any("tasks were lost" in reason for reason in reasons(out))
    assert re.search(":([^:@]+)@", str(server.url)).group(1) not in out


def test_the_web_page_is_served_on_loopback_only_and_ends_with_sigterm():
    port = free_port()
    ran = start("--web-port", str(port))
    try:
        url = f"http://127.0.0.1:{port}/"
        page = poll(lambda: fetched(url), timeout_s=20, what="the web page")
        assert "Locust" in page
        assert {address.ip for address in listening(psutil.Process(ran.pid))} == {"127.0.0.1"}
        offspring = psutil.Process(ran.pid).children(recursive=True)
    finally:
        ran.send_signal(signal.SIGTERM)
        ran.communicate(timeout=20)
    assert ran.returncode == 0
    assert offspring
    poll(lambda: not any(child.is_running() for child in offspring), what="the end of its server")


def test_the_master_listens_on_loopback_only():
    ran = start("--headless", "--processes", "1", *own_ports())
    try:
        process = psutil.Process(ran.pid)

        def addresses_of_the_living():
            assert ran.poll() is None, ran.communicate()[0]
            return listening(process)

        addresses = poll(addresses_of_the_living, timeout_s=20, what="the master's socket")
        assert {address.ip for address in addresses} == {"127.0.0.1"}
    finally:
        os.killpg(ran.pid, signal.SIGTERM)
        ran.communicate(timeout=30)


def test_ctrl_c_ends_a_test_with_its_verdict_and_leaves_no_key():
    with RedisServer() as server, server.client() as client:
        ran = begin("--task-rate", "100", **{URL_VARIABLE: str(server.url)})
        poll(
            lambda: any(client.xlen(key) > 50 for key in client.scan_iter()),
            timeout_s=30,
            what="50 tasks",
        )
        ran.send_signal(signal.SIGINT)
        code, out = ended(ran)
        assert client.keys() == []
    check_exit(code, out, 0)
    assert counts(out)[0] == counts(out)[1] > 0
