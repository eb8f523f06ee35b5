"""Locust as a process of its own: it must never be imported here (it patches threads)."""

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


def start(*args: str, **env):
    return subprocess.Popen(
        [sys.executable, "-m", "locust", *args],
        cwd=ROOT,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def headless(*args: str, **env):
    ran = start("--headless", "--only-summary", "-u", "3", "-r", "3", *args, **env)
    out = ran.communicate(timeout=60)[0]
    assert "Traceback" not in out, out
    return ran.returncode, out


def listening(process):
    """The addresses on which a process and its children listen."""
    everybody = [process, *process.children(recursive=True)]
    connections = [c for one in everybody for c in one.net_connections() if c.status == "LISTEN"]
    return {connection.laddr for connection in connections}


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one", "two"])
def test_a_headless_test_accounts_for_every_task_and_prints_microseconds(processes):
    ports = ("--master-bind-port", str(free_port())) if processes else ()
    if ports:
        ports += ("--master-port", ports[1])
    code, out = headless("-t", "2s", "--task-rate", "150", *processes, *ports)
    assert code == 0, out
    sent, done, twice, lost, pending, unread = map(int, COUNTS.search(out).groups())
    assert sent == done > 150
    assert (twice, lost, pending, unread) == (0, 0, 0, 0)
    corrected = re.search(r"from due +(\d+) +(\d+) +(\d+)", out)
    uncorrected = re.search(r"from sent +(\d+) +(\d+) +(\d+)", out)
    assert int(corrected.group(1)) == int(uncorrected.group(1)) == done
    assert 1000 < int(uncorrected.group(2)) <= int(corrected.group(2))  # the work alone is 1 ms


def test_a_lost_task_makes_the_exit_code_1_and_no_password_is_printed():
    with RedisServer(tcp=True) as server, server.client() as client:
        over = threading.Event()

        def thief():
            """Take what consumers should get: NOACK leaves no trace of it."""
            key = poll(lambda: client.keys("streamlab-locust-*"))[0]
            with contextlib.suppress(redis.ResponseError):  # at the end the stream is deleted
                while not over.is_set():
                    client.xreadgroup("workers", "thief", {key: ">"}, count=1, block=50, noack=True)

        thread = threading.Thread(target=thief)
        thread.start()
        code, out = headless("-t", "2s", "--task-rate", "100", **{URL_VARIABLE: str(server.url)})
        over.set()
        thread.join()
        assert client.keys() == []
    assert code == 1, out
    assert int(COUNTS.search(out).group(4)) > 0
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
    port = str(free_port())
    ran = start("--headless", "--processes", "1", "--master-bind-port", port, "--master-port", port)
    try:
        process = psutil.Process(ran.pid)
        addresses = poll(lambda: listening(process), timeout_s=20, what="the master's socket")
        assert {address.ip for address in addresses} == {"127.0.0.1"}
    finally:
        os.killpg(ran.pid, signal.SIGTERM)
        ran.communicate(timeout=30)


def fetched(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read().decode()
    except OSError:
        return ""
