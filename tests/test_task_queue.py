"""The producing side, on a real server of each version."""

from __future__ import annotations

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support import reply_lost_once

from streamlab import RedisServer, TaskQueue
from streamlab.errors import (
    BadArgumentError,
    NotEnqueuedError,
    OutcomeUnknownError,
    StreamlabError,
    WrongTypeError,
)


@pytest.fixture
def queue(r, key):
    return TaskQueue(r, key)


def test_an_enqueued_task_is_one_entry_with_its_three_fields(queue, r, key):
    task = queue.enqueue("Process this data: 1")
    ((entry_id, fields),) = r.xrange(key)
    assert entry_id == task.entry_id
    assert fields == {
        "task_id": task.task_id,
        "data": "Process this data: 1",
        "created_at": str(task.created_at),
    }


def test_many_tasks_keep_their_order_over_several_pipelines(queue, r, key):
    tasks = queue.enqueue_many(str(i) for i in range(1203))
    assert [task.data for task in tasks] == [str(i) for i in range(1203)]
    assert [entry_id for entry_id, _ in r.xrange(key)] == [task.entry_id for task in tasks]


def test_enqueueing_nothing_makes_no_stream(queue, r, key):
    assert queue.enqueue_many([]) == []
    assert not r.exists(key)


def test_a_bad_item_stops_before_its_page_and_says_how_many_went_before(queue, r, key):
    with pytest.raises(BadArgumentError) as caught:
        queue.enqueue_many([*map(str, range(501)), object()])
    assert caught.value.__notes__ == ["500 task(s) before it are on the stream"]
    assert r.xlen(key) == 500


def test_bytes_that_are_no_text_survive_the_round_trip(queue, r, key):
    r.xadd(key, {"task_id": "t", "data": b"\xff\x00<script>", "created_at": "0"})
    (_, fields) = queue.client.xrange(key)[0]
    assert fields["data"].encode("utf-8", "surrogateescape") == b"\xff\x00<script>"


# -- depth -------------------------------------------------------------------------------------


def test_depth_counts_length_lag_and_pending(queue, r, key, server):
    queue.enqueue_many("abcde")
    queue.ensure_group()
    r.xreadgroup("workers", "a", {key: ">"}, count=2)
    depth = queue.depth()
    assert (depth.length, depth.pending) == (5, 2)
    assert depth.lag == (3 if "lag" in server.capabilities else None)
    assert 0 <= depth.oldest_idle_ms < 10_000


def test_depth_of_a_stream_without_a_group_is_all_lag(queue):
    assert queue.depth().length == queue.depth().lag == 0
    queue.enqueue("x")
    depth = queue.depth()
    assert (depth.length, depth.lag, depth.pending, depth.oldest_idle_ms) == (1, 1, 0, None)


def test_an_unknown_lag_stays_unknown(newest, key):
    r = newest.client()
    queue = TaskQueue(r, key)
    tasks = queue.enqueue_many("abc")
    queue.ensure_group()
    r.xdel(key, tasks[1].entry_id)  # F44
    assert queue.depth().lag is None


def test_the_oldest_idle_time_is_found_behind_the_first_page(queue, r, key):
    queue.enqueue_many(str(i) for i in range(1100))
    queue.ensure_group()
    ids = [i for i, _ in r.xreadgroup("workers", "a", {key: ">"}, count=1100)[0][1]]
    r.xclaim(key, "workers", "a", 0, [ids[-1]], idle=60_000)
    assert 60_000 <= queue.depth().oldest_idle_ms < 70_000


# -- groups ------------------------------------------------------------------------------------


def test_a_group_at_0_gets_the_backlog_and_one_at_dollar_does_not(r, key):
    queue_0, queue_end = TaskQueue(r, key, group="zero"), TaskQueue(r, key, group="end")
    queue_0.enqueue("before")
    assert queue_0.ensure_group("0")
    assert queue_end.ensure_group("$")
    assert r.xreadgroup("zero", "a", {key: ">"})
    assert r.xreadgroup("end", "a", {key: ">"}) == []  # F12


def test_a_second_ensure_group_changes_nothing(queue, r, key):
    assert queue.ensure_group()
    queue.enqueue("x")
    r.xreadgroup("workers", "a", {key: ">"})
    before = r.xinfo_groups(key)
    assert not queue.ensure_group("0")  # F13: BUSYGROUP
    assert r.xinfo_groups(key) == before


@pytest.mark.parametrize("start", ["", ">", "1-", "-1", "a", 0, None])
def test_a_start_that_is_no_id_is_refused(queue, start):
    with pytest.raises(BadArgumentError, match="start must be '0', '\\$' or an entry id"):
        queue.ensure_group(start)


# -- bad input and trouble ---------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["", None, b"tasks", 7, "\ud800"])
def test_a_name_that_is_no_text_is_refused(r, stream):
    with pytest.raises(BadArgumentError, match="stream must be text"):
        TaskQueue(r, stream)
    with pytest.raises(BadArgumentError, match="group must be text"):
        TaskQueue(r, "tasks", group=stream)


def test_a_client_of_another_kind_is_refused():
    with pytest.raises(BadArgumentError, match=r"client must be a redis\.Redis, got str"):
        TaskQueue("redis://localhost", "tasks")


def test_a_key_of_another_type_is_named(queue, r, key):
    r.set(key, "text")  # F49
    for act in (lambda: queue.enqueue("x"), queue.ensure_group, queue.depth):
        with pytest.raises(WrongTypeError, match=f"the key '{key}' is not a stream"):
            act()


def test_a_full_server_refuses_and_the_task_is_definitely_not_there():
    with RedisServer(config={"maxmemory": "1mb"}) as full:
        queue = TaskQueue(full.client(), "tasks")
        with pytest.raises(NotEnqueuedError, match=r"Redis refused XADD on 'tasks'.*maxmemory"):
            queue.enqueue_many(["x" * 2_000_000] * 2)  # F37


def test_without_a_connection_the_task_is_definitely_not_there():
    with RedisServer() as server:
        queue = TaskQueue(server.client(), "tasks")
        queue.enqueue("first")
        server.kill()
        with pytest.raises(NotEnqueuedError, match="1 task\\(s\\) not sent"):
            queue.enqueue("second")
        server.restart()
        assert queue.enqueue("third").entry_id


def test_when_the_reply_is_lost_the_outcome_is_unknown_and_nothing_is_sent_twice(
    oldest, key, short_path
):
    """F11, and its control: the client we are given does send it twice by itself."""
    sent = {}
    for way in ("bare", "queue"):
        stream = f"{key}:{way}"
        folder = short_path / way
        folder.mkdir()
        with reply_lost_once(oldest, folder, b"XADD") as path:
            insistent = redis.Redis(unix_socket_path=str(path), retry=Retry(NoBackoff(), 3))
            if way == "bare":
                insistent.xadd(stream, {"data": "x"})
            else:
                with pytest.raises(OutcomeUnknownError, match="may or may not be there") as caught:
                    TaskQueue(insistent, stream).enqueue("x", task_id="mine")
                assert caught.value.task_ids == ("mine",)
        with oldest.client() as r:
            sent[way] = r.xlen(stream)
    assert sent == {"bare": 2, "queue": 1}


def test_with_idmp_a_task_whose_reply_was_lost_is_sent_again_and_stored_once(
    newest, key, short_path
):
    with newest.client() as r, reply_lost_once(newest, short_path, b"XADD") as path:
        queue = TaskQueue(redis.Redis(unix_socket_path=str(path)), key)
        task = queue.enqueue("x")
        assert [entry_id for entry_id, _ in r.xrange(key)] == [task.entry_id]
        assert r.xinfo_stream(key)["iids-duplicates"] == 1


def test_what_the_server_would_not_remember_is_not_sent_again(newest, key, short_path):
    """F55: IDMP protects for its duration and its size only."""
    with newest.client() as r:
        queue = TaskQueue(r, key)
        queue.enqueue("first")
        r.execute_command("XCFGSET", key, "IDMP-MAXSIZE", 2)
        with reply_lost_once(newest, short_path, b"XADD") as path:
            queue = TaskQueue(redis.Redis(unix_socket_path=str(path)), key)
            with pytest.raises(OutcomeUnknownError) as caught:
                queue.enqueue_many("abc")
        assert len(caught.value.task_ids) == 3
        assert r.xlen(key) == 4


def test_two_tasks_with_one_id_are_two_entries_on_every_version(queue, r, key):
    """IDMP's number is of the sending, not of the task."""
    queue.enqueue("x", task_id="same")
    queue.enqueue("x", task_id="same")
    assert r.xlen(key) == 2


def test_a_paused_server_leaves_the_outcome_unknown():
    with RedisServer() as server, server.client() as r:
        queue = TaskQueue(server.client(socket_timeout=0.2), "tasks")
        queue.enqueue("first")
        server.pause()
        with pytest.raises(OutcomeUnknownError):
            queue.enqueue("second")
        server.resume()
        assert [fields["data"] for _, fields in r.xrange("tasks")] == ["first", "second"]


def test_every_error_of_the_queue_is_a_streamlab_error():
    assert issubclass(NotEnqueuedError, StreamlabError)
    assert not issubclass(NotEnqueuedError, redis.RedisError)
