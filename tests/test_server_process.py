"""A private server's life: what it is, what survives it, what it leaves."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import stat
import threading
import time
from pathlib import Path

import pytest
import redis
from support import NEWEST, OLDEST, poll, run_python

from streamlab.errors import BadArgumentError, ServerError, ServerStartError
from streamlab.server import RedisServer
from streamlab.server.lab import current_server
from streamlab.server.process import latest_server


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_a_new_server_answers_at_once_as_the_version_it_says(server):
    with server.client() as client:
        assert client.ping() is True
        info = client.info("server")
    assert info["redis_version"] == server.version
    assert info["process_id"] == server.pid
    assert server.running


def test_leaving_the_context_ends_the_process_and_removes_the_folder():
    with RedisServer() as server:
        pid, folder = server.pid, server.folder
        assert folder.is_dir()
    assert ended(pid)
    assert not folder.exists()
    assert not server.running


def test_an_exception_in_the_context_passes_through_and_the_server_goes():
    server = RedisServer()
    pid = server.pid
    with pytest.raises(ZeroDivisionError), server:
        _ = 1 / 0
    assert ended(pid)


def test_a_server_that_is_forgotten_goes():
    server = RedisServer()
    pid, folder = server.pid, server.folder
    del server
    assert ended(pid)
    assert not folder.exists()


def test_ten_servers_at_once_are_ten_processes_with_ten_memories():
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(RedisServer()) for _ in range(10)]
        assert len({s.pid for s in servers}) == len({s.folder for s in servers}) == 10
        for number, server in enumerate(servers):
            with server.client() as client:
                client.set("number", number)
        for number, server in enumerate(servers):
            with server.client() as client:
                assert client.get("number") == str(number)
        pids = [s.pid for s in servers]
    assert all(ended(pid) for pid in pids)


def test_nobody_else_can_look_into_the_folder_or_the_settings(newest):
    assert stat.S_IMODE(newest.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((newest.folder / "redis.conf").stat().st_mode) == 0o600
    assert stat.S_ISSOCK(newest.socket.stat().st_mode)
    assert stat.S_IMODE(newest.socket.stat().st_mode) == 0o700
    assert len(os.fsencode(newest.socket)) <= 103


def test_without_tcp_the_server_listens_on_its_socket_only(newest):
    assert newest.url == f"unix://{newest.socket}"
    with newest.client() as client:
        assert client.config_get("port") == {"port": "0"}


@pytest.fixture
def tcp():
    with RedisServer(tcp=True) as server:
        yield server


def test_over_tcp_a_client_without_the_password_is_refused(tcp):
    port = int(tcp.url.rsplit(":", 1)[1].split("/")[0])
    with tcp.client() as client:
        assert client.ping() is True
        assert client.client_info()["addr"].startswith("127.0.0.1:")
    with redis.Redis(port=port, retry=None) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_over_tcp_only_the_loopback_address_listens(tcp):
    port = int(tcp.url.rsplit(":", 1)[1].split("/")[0])
    socket.create_connection(("127.0.0.1", port), timeout=2).close()
    with pytest.raises(OSError):  # noqa: PT011 - refused on Linux, no such address on macOS
        socket.create_connection(("127.0.0.2", port), timeout=2).close()
    with tcp.client() as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_a_given_port_is_used_and_kept_over_a_restart(tcp):
    port = int(tcp.url.rsplit(":", 1)[1].split("/")[0])
    tcp.stop()
    with RedisServer(tcp=True, port=port) as server:
        url = server.url
        server.restart()
        assert server.url == url
        assert f"127.0.0.1:{port}" in repr(server)
        with server.client() as client:
            assert client.ping() is True


def test_the_repr_says_version_place_and_state():
    server = RedisServer(OLDEST)
    assert repr(server) == f"<RedisServer {OLDEST} on unix socket, running>"
    server.stop()
    assert repr(server) == f"<RedisServer {OLDEST} on unix socket, stopped>"


def test_a_paused_server_runs_and_answers_nothing_until_it_is_resumed():
    with RedisServer() as server, server.client(socket_timeout=0.2, retry=None) as client:
        assert client.ping() is True
        server.pause()
        assert server.running
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert poll(client.ping)


@pytest.mark.parametrize("persistence", ["none", "always"])
def test_a_paused_server_is_stopped_without_waiting_for_it(persistence):
    server = RedisServer(persistence=persistence)
    pid = server.pid
    server.pause()
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5.0  # it is given 10 s to sync, if it can run
    assert ended(pid)


def test_a_server_that_still_loads_its_file_has_not_yet_restarted():
    # The server looks at its clients after each 1024 commands that it loads.
    with RedisServer(persistence="always", config={"key-load-delay": "100"}) as server:
        with server.client() as client, client.pipeline(transaction=False) as pipe:
            for number in range(3000):
                pipe.set(f"key{number}", number)
            pipe.execute()
        server.restart()  # takes half a second, in which PING is answered with -LOADING
        assert "Ready to accept connections" in (server.folder / "redis.log").read_text()
        with server.client() as client:
            assert client.dbsize() == 3000


def test_a_killed_server_is_gone_and_restart_brings_it_back_at_the_same_place():
    with RedisServer() as server:
        first, url = server.pid, server.url
        server.kill()
        assert ended(first)
        assert not server.running
        assert server.folder.is_dir()
        server.restart()
        assert server.pid != first
        assert server.url == url
        with server.client() as client:
            assert client.ping() is True


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
@pytest.mark.parametrize(
    ("persistence", "end", "survives"),
    [
        ("none", "restart", False),
        ("none", "kill", False),
        ("everysec", "restart", True),
        ("always", "restart", True),
        ("always", "kill", True),
    ],
)
def test_what_was_written_survives_only_in_the_append_only_file(
    version, persistence, end, survives
):
    with RedisServer(version, persistence=persistence) as server:
        with server.client() as client:
            client.xadd("tasks", {"data": "1"}, id="1-1")
            assert client.xlen("tasks") == 1
        if end == "kill":
            server.kill()
        server.restart()
        with server.client() as client:
            assert client.xrange("tasks") == ([("1-1", {"data": "1"})] if survives else [])


def test_without_persistence_nothing_is_written_to_disk():
    with RedisServer() as server, server.client() as client:
        client.set("key", "value")
        names = {path.name for path in server.folder.iterdir()}
        assert names == {"redis.conf", "redis.log", "redis.sock"}


def test_further_settings_reach_the_server():
    with RedisServer(config={"maxmemory": "10mb"}) as server, server.client() as client:
        assert client.config_get("maxmemory") == {"maxmemory": str(10 * 2**20)}


def test_environment_variables_reach_the_server_and_outlast_a_restart():
    def hour(server):
        first = (server.folder / "redis.log").read_text().splitlines()[0]
        return int(re.search(r" (\d\d):\d\d:\d\d\.", first)[1])

    with RedisServer(env={"TZ": "UTC-0"}) as here, RedisServer(env={"TZ": "UTC-12"}) as there:
        for restart in (lambda: None, there.restart):
            restart()
            assert (hour(there) - hour(here)) % 24 in {12, 13}  # the hour may turn in between


def test_after_a_shutdown_command_the_server_is_not_running_and_stop_still_cleans():
    server = RedisServer()
    with server.client() as client:
        client.shutdown(nosave=True)
    poll(lambda: not server.running)
    with pytest.raises(ServerError, match=r"is not running: call restart\(\)"):
        server.kill()
    server.stop()
    assert not server.folder.exists()


def test_stop_may_be_called_twice_and_any_use_after_it_says_so():
    server = RedisServer()
    server.stop()
    server.stop()
    for use in (lambda: server.pid, server.kill, server.pause, server.resume, server.restart):
        with pytest.raises(ServerError, match=r"start a new RedisServer\(\)"):
            use()
    with pytest.raises(ServerError, match="was stopped for good"):
        server.restart()
    assert not server.folder.exists()


def test_a_restart_after_a_cleaner_of_old_files_says_that_the_folder_is_gone():
    with RedisServer() as server:
        shutil.rmtree(server.folder)
        with pytest.raises(ServerStartError, match=r"No such file.*start a new RedisServer\(\)"):
            server.restart()


def test_twenty_servers_leave_no_descriptor_open():
    RedisServer().stop()
    before = open_descriptors()
    for _ in range(20):
        RedisServer().stop()
    assert open_descriptors() == before


def test_a_failed_start_leaves_no_descriptor_and_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    RedisServer().stop()
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(ServerStartError):
            RedisServer(config={"no-such-setting": "1"})
    assert open_descriptors() == before
    assert list(tmp_path.iterdir()) == []


def test_servers_start_beside_more_descriptors_than_select_can_watch():
    code = """
import os, resource
from streamlab import RedisServer
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, hard), hard))
kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
with RedisServer() as server:
    print(server.running)
"""
    done = run_python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_servers_may_be_started_by_several_threads():
    servers: list[RedisServer] = []
    threads = [threading.Thread(target=lambda: servers.append(RedisServer())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({server.pid for server in servers}) == 4
    for server in servers:
        server.stop()


def test_the_latest_server_is_the_one_opened_last_that_still_runs():
    with RedisServer() as first:
        with RedisServer() as second:
            assert latest_server() is second
            assert current_server() is second
        assert latest_server() is first


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"port": 0, "tcp": True}, r"port must be in 1\.\.65535 .* got port=0"),
        ({"port": 65536, "tcp": True}, "got port=65536"),
        ({"port": True, "tcp": True}, "got port=True"),
        ({"port": 7000}, "needs tcp=True, got port=7000"),
        ({"start_timeout_s": 0}, "start_timeout_s must be > 0, got 0"),
        ({"start_timeout_s": float("nan")}, "start_timeout_s must be > 0, got nan"),
        ({"persistence": "sometimes"}, "one of 'none', 'everysec', 'always', got 'sometimes'"),
        ({"version": "eight"}, r"such as '8\.10\.2', got 'eight'"),
        ({"config": {"Requirepass": "x"}}, "config must not set 'requirepass'"),
    ],
)
def test_a_parameter_out_of_its_bounds_is_named_with_its_value_and_rule(options, says):
    with pytest.raises(BadArgumentError, match=says):
        RedisServer(**options)


def test_a_notebook_without_a_server_is_told_that_one_was_opened_once():
    code = """
from streamlab.server.lab import current_server
first = current_server()
assert current_server() is first
first.stop()
assert current_server() is not first
"""
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no server was open in this notebook; opened <RedisServer") == 2
