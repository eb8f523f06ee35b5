"""F57 to F60: what is out of range, does harm, is secret, or is not there, and what says so."""

from __future__ import annotations

import os
import pickle
import stat
import tempfile
import traceback
from pathlib import Path

import pytest
import redis
from support import NEWEST

import streamlab
from streamlab import ReaderServer, RedisServer, TaskQueue, Worker, show
from streamlab.errors import (
    BadArgumentError,
    NotOurServerError,
    PayloadError,
    ReaderServerError,
    ServerNotFoundError,
    ServerStartError,
)


@pytest.fixture
def queue(r, key):
    return TaskQueue(r, key)


@pytest.fixture(scope="module")
def secret():
    """A server with a password, and the password."""
    with RedisServer(NEWEST, tcp=True) as server:
        yield server, server.url.password


# -- numbers, names, handlers ------------------------------------------------------------------


@pytest.mark.failure("F57")
def test_the_server_takes_a_min_idle_below_zero_for_zero_and_a_count_of_zero_for_all(r, key):
    for _ in range(3):
        r.xadd(key, {"data": "x"})
    r.xgroup_create(key, "workers", id="0")
    read = ("XREADGROUP", "GROUP", "workers", "ann", "COUNT", 0, "STREAMS", key, ">")
    [[_, entries]] = r.execute_command(*read)
    assert len(entries) == 3
    assert [c["name"] for c in r.xpending(key, "workers")["consumers"]] == ["ann"]
    r.execute_command("XAUTOCLAIM", key, "workers", "zoe", -5, "0-0")
    assert [c["name"] for c in r.xpending(key, "workers")["consumers"]] == ["zoe"]
    r.xgroup_create(key, "", id="0")
    assert [group["name"] for group in r.xinfo_groups(key)] == ["", "workers"]


@pytest.mark.failure("F57")
@pytest.mark.parametrize("name", ["min_idle_ms", "batch", "block_ms", "max_deliveries"])
@pytest.mark.parametrize("value", [-5, 0, 1.5, True, "10", 10**12])
def test_a_worker_with_a_number_out_of_range_is_refused_before_anything_is_sent(name, value):
    queue = TaskQueue(redis.Redis(port=1), "tasks")  # nobody listens there
    with pytest.raises(BadArgumentError, match=f"^{name} must be") as caught:
        Worker(queue, print, **{name: value})
    assert f"got {value!r}" in str(caught.value)


@pytest.mark.failure("F57")
@pytest.mark.parametrize("name", ["", None, b"tasks", 7])
def test_an_empty_name_or_one_that_is_no_text_is_refused(name):
    client = redis.Redis(port=1)
    queue = TaskQueue(client, "tasks")
    makers = {
        "stream": lambda: TaskQueue(client, name),
        "group": lambda: TaskQueue(client, "tasks", group=name),
    }
    if name is not None:  # which asks for a unique one
        makers["name"] = lambda: Worker(queue, print, name=name)
    for what, make in makers.items():
        with pytest.raises(BadArgumentError, match=f"^{what} must be text of at least one"):
            make()


@pytest.mark.failure("F57")
def test_a_handler_that_is_a_result_or_only_begins_its_work_is_refused():
    def steps(task):
        yield task

    queue = TaskQueue(redis.Redis(port=1), "tasks")
    with pytest.raises(BadArgumentError, match="handler must be callable with a Task, got None"):
        Worker(queue, None)
    with pytest.raises(BadArgumentError, match="has only begun it: write it as a function"):
        Worker(queue, steps)


# -- payloads ----------------------------------------------------------------------------------


@pytest.mark.failure("F58")
@pytest.mark.parametrize("data", [{1, 2}, b"bytes", float("nan"), object(), "\ud800"])
def test_a_payload_that_json_or_utf8_cannot_say_never_reaches_the_stream(r, queue, data):
    with pytest.raises(BadArgumentError, match=r"^data must be text"):
        queue.enqueue(data)
    assert r.exists(queue.stream) == 0


@pytest.mark.failure("F58")
@pytest.mark.parametrize("data", ["x" * 2**20, "before\0after", "<script>alert(1)</script>"])
def test_a_huge_or_odd_payload_arrives_as_it_was_sent(queue, data):
    got = []
    queue.enqueue(data)
    assert Worker(queue, lambda task: got.append(task.data)).run(max_tasks=1).done == 1
    assert got == [data]


@pytest.mark.failure("F58")
def test_broken_json_is_an_error_that_names_the_task(queue):
    task = queue.enqueue('{"file": "cat.p')
    with pytest.raises(PayloadError, match=f"{task.task_id} is not JSON"):
        task.json()


@pytest.mark.failure("F58")
def test_a_picture_escapes_script_and_control_characters_and_cuts_a_megabyte(r, key):
    for data in ("<script>alert(1)</script>", "a\0b\x1b[31mred", "x" * 2**20):
        r.xadd(key, {"data": data})
    picture = show(r, key)
    html = picture._repr_mimebundle_()["text/html"]
    assert "<script" not in html + picture.svg
    assert "&lt;script" in picture.svg
    assert html.startswith("<img ")
    assert not {"\0", "\x1b"} & set(repr(picture) + picture.svg)
    assert len(html) + len(repr(picture)) < 20_000


class Evil:
    def __reduce__(self) -> tuple:
        return _note, ("it ran",)


_ran: list[str] = []


def _note(text):
    _ran.append(text)


@pytest.mark.failure("F58")
def test_a_pickle_that_runs_code_when_it_is_read_is_only_text_to_a_worker(queue):
    payload = pickle.dumps(Evil(), protocol=0).decode()
    _ran.clear()
    pickle.loads(payload.encode())  # noqa: S301 - to show that it would
    assert _ran == ["it ran"]
    got = []
    queue.enqueue(payload)
    assert Worker(queue, got.append).run(max_tasks=1).done == 1
    assert [task.data for task in got] == [payload]
    assert _ran == ["it ran"]


@pytest.mark.failure("F58")
def test_nothing_in_the_package_unpickles():
    sources = Path(streamlab.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if "pickle" in path.read_text()] == []


# -- passwords ---------------------------------------------------------------------------------


@pytest.mark.failure("F59")
def test_a_password_is_in_no_repr_and_no_argument_of_a_process(secret):
    server, password = secret
    assert password in str(server.url)
    with server.client() as client:
        queue = TaskQueue(client, "tasks")
        things = [server, server.url, ReaderServer(str(server.url)), client, client.connection_pool]
        for thing in [*things, queue, queue.client, Worker(queue, print), server.cli()]:
            assert password not in repr(thing)
    assert password not in " ".join(server.cli().argv)


@pytest.mark.failure("F59")
@pytest.mark.parametrize("before", [":", "me:"])
@pytest.mark.parametrize("after", ["", "/x", "#x", " x"])
def test_a_refused_url_shows_no_password_in_its_error_or_traceback(secret, before, after):
    server, _ = secret
    url = str(server.url).replace(f":{server.url.password}", f"{before}wrong-horse{after}")
    with pytest.raises(ReaderServerError) as caught:
        ReaderServer(url)
    printed = "".join(traceback.format_exception(caught.value)) + str(caught.value)
    assert "***" in printed
    assert "wrong-horse" not in printed


@pytest.mark.failure("F59")
def test_redis_py_itself_quotes_the_part_of_a_password_before_a_slash():
    url = "redis://:battery/staple@localhost"
    with pytest.raises(ValueError, match="battery"):
        redis.Redis.from_url(url)
    with pytest.raises(ReaderServerError) as caught:
        ReaderServer(url)
    assert not {"battery", "staple"} & set(str(caught.value).replace("/", " ").split())


# -- no server ---------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without a redis-server."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("STREAMLAB_CACHE_DIR", str(tmp_path))


@pytest.mark.failure("F60")
@pytest.mark.usefixtures("bare")
def test_where_no_redis_is_found_the_error_names_the_command_that_brings_it():
    with pytest.raises(ServerNotFoundError, match="run `streamlab redis install`"):
        RedisServer()
    with pytest.raises(ServerNotFoundError, match=r"9\.9 found \(found: none\): the lab can inst"):
        RedisServer("9.9")


@pytest.mark.failure("F60")
@pytest.mark.usefixtures("bare")
def test_a_named_server_that_is_absent_or_too_old_is_told_apart(tmp_path, monkeypatch):
    old = tmp_path / "old-redis"
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(old))
    with pytest.raises(ServerNotFoundError, match="correct the path or unset it"):
        RedisServer()
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=0'\n")
    old.chmod(stat.S_IRWXU)
    with pytest.raises(ServerNotFoundError, match=r"5\.0\.7, the lab needs >= 6\.2: unset it"):
        RedisServer()


@pytest.mark.failure("F60")
def test_a_taken_port_and_a_folder_that_cannot_be_written_are_told_apart(
    secret, short_path, monkeypatch
):
    server, _ = secret
    with server.client() as client:
        port = client.get_connection_kwargs()["port"]
    with pytest.raises(ServerStartError, match=f"port {port} is taken: leave out port="):
        RedisServer(NEWEST, tcp=True, port=port)
    place = short_path / "a file"
    place.write_bytes(b"")
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(place))
    with pytest.raises(ServerStartError, match="set TMPDIR to one that can"):
        RedisServer(NEWEST)


@pytest.mark.failure("F60")
def test_a_server_that_is_not_ours_keeps_its_keys_and_its_life(secret):
    server, _ = secret
    with server.client() as client:
        client.set("precious", "1")
        with pytest.raises(ReaderServerError, match=r"'precious' exists on this server.*rename"):
            ReaderServer(str(server.url), keys=("precious",))
        theirs = ReaderServer(str(server.url))
        for harm in (theirs.kill, theirs.pause, theirs.restart):
            with pytest.raises(NotOurServerError, match="unset STREAMLAB_REDIS_URL"):
                harm()
        theirs.stop()
        assert client.get("precious") == "1"
