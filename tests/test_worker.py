"""The consuming side in one process, on a real server of each version."""

from __future__ import annotations

import logging
import threading
import time
import traceback

import pytest
import redis
from support import poll

from streamlab import RedisServer, TaskQueue, Worker
from streamlab.errors import BadArgumentError, GroupMissingError, NameInUseError, WrongTypeError
from streamlab.worker.lease import lease_key


@pytest.fixture
def queue(r, key):
    return TaskQueue(r, key)


@pytest.fixture
def done():
    return []


@pytest.fixture
def handler(done):
    return lambda task: done.append(task.data)


def fail(task):
    msg = f"no {task.data}"
    raise RuntimeError(msg)


def blocked(client):
    """Whether some client of this server waits in a blocking command."""
    return "b" in "".join(c["flags"] for c in client.client_list())


def held_by(r, key, consumer):
    return len(r.xpending_range(key, "workers", "-", "+", 100, consumer))


# -- the ordinary course -----------------------------------------------------------------------


def test_every_task_is_run_once_in_order_and_acknowledged(queue, handler, done):
    queue.enqueue_many("abcdefghijklmnopqrstuvwxyz")
    report = Worker(queue, handler).run(max_tasks=26)
    assert "".join(done) == "abcdefghijklmnopqrstuvwxyz"
    assert (report.done, report.failed, report.recovered) == (26, 0, 0)
    assert queue.depth().pending == 0


def test_tasks_that_were_there_before_the_group_are_run(queue, handler, done):
    queue.enqueue("early")
    Worker(queue, handler).run(idle_ms=50)
    assert done == ["early"]


def test_a_worker_looks_for_work_however_long_its_start_took(queue, handler, done):
    queue.enqueue("a")
    worker = Worker(queue, handler)
    assert worker.run(idle_ms=1).done == 1  # a connection and a lease take longer than that
    assert done == ["a"]


def test_a_worker_takes_no_more_than_max_tasks(queue, handler, done):
    queue.enqueue_many("abcde")
    Worker(queue, handler, batch=100).run(max_tasks=2)
    assert done == ["a", "b"]
    assert queue.depth().pending == 0


def test_two_workers_share_the_tasks_and_none_is_run_twice(queue, done):
    queue.enqueue_many(str(i) for i in range(200))
    workers = [Worker(queue, lambda task: done.append(task.data), batch=5) for _ in range(2)]
    threads = [
        threading.Thread(target=w.run, kwargs={"idle_ms": 100}, daemon=True) for w in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done, key=int) == [str(i) for i in range(200)]


def test_acks_travel_with_the_next_read(queue, r, handler):
    """Rule 3: one round trip a batch, seen in the server's own command counts."""
    queue.enqueue_many(str(i) for i in range(100))
    r.config_resetstat()
    Worker(queue, handler, batch=10).run(max_tasks=100)
    calls = {name[8:]: stat["calls"] for name, stat in r.info("commandstats").items()}
    assert calls["xack"] <= calls["xreadgroup"]
    assert calls["xreadgroup"] <= 14  # one drain, one for the first task, then tens


def test_a_consumer_that_holds_nothing_leaves_the_group(queue, r, key, handler):
    queue.enqueue("x")
    Worker(queue, handler, name="a").run(max_tasks=1)
    assert r.xinfo_consumers(key, "workers") == []
    assert not r.exists(lease_key(key, "workers", "a"))


def test_names_are_unique(queue, handler):
    assert len({Worker(queue, handler).name for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "settings",
    [
        {"protocol": 2},
        {"protocol": 3},
        {"legacy_responses": False},
        {"protocol": 2, "legacy_responses": False},
        {"protocol": 3, "legacy_responses": False},
        {"decode_responses": False},
    ],
    ids=str,
)
def test_any_kind_of_client_will_do(server, key, settings, handler, done):
    """redis-py answers each of them in another shape."""
    queue = TaskQueue(server.client(**settings), key)
    queue.enqueue_many("abc")
    queue.ensure_group()
    queue.client.xreadgroup("workers", "dead", {key: ">"}, count=1)
    with server.client() as plain:
        oldest = plain.xpending(key, "workers")["min"]
        plain.xclaim(key, "workers", "dead", 0, [oldest], idle=60_000, justid=True)
    assert queue.depth().pending == 1
    report = Worker(queue, handler, min_idle_ms=30_000).run(max_tasks=3)
    assert (sorted(done), report.recovered, report.done) == (["a", "b", "c"], 1, 3)
    assert queue.depth().pending == 0


# -- failing handlers --------------------------------------------------------------------------


def test_a_failed_task_stays_pending_and_is_logged_without_its_payload(queue, caplog):
    queue.enqueue("secret", task_id="t1")
    report = Worker(queue, lambda _: 1 / 0).run(max_tasks=1)
    assert (report.done, report.failed) == (0, 1)
    assert queue.depth().pending == 1
    assert "task t1 failed; left pending" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text


def test_a_consumer_that_holds_a_failed_task_stays_in_the_group(queue, r, key):
    queue.enqueue("x")
    Worker(queue, fail, name="a").run(max_tasks=1)
    (consumer,) = r.xinfo_consumers(key, "workers")
    assert (consumer["name"], consumer["pending"]) == ("a", 1)  # else F25: lost


def test_a_failed_task_is_run_again_after_min_idle(queue):
    queue.enqueue("x")
    attempts = []

    def second_time_lucky(task):
        attempts.append(time.monotonic())
        if len(attempts) == 1:
            fail(task)

    report = Worker(queue, second_time_lucky, min_idle_ms=150).run(max_tasks=2)
    assert (report.failed, report.done, report.recovered) == (1, 1, 1)
    assert attempts[1] - attempts[0] >= 0.149  # the server counts whole milliseconds


def test_one_failing_task_does_not_hold_up_the_others(queue, done):
    queue.enqueue_many(["bad", "good", "better"])
    Worker(queue, lambda t: fail(t) if t.data == "bad" else done.append(t.data)).run(max_tasks=3)
    assert done == ["good", "better"]


def test_a_handler_that_ends_the_process_leaves_only_its_own_task(queue, done):
    queue.enqueue_many("abc")

    def work(task):
        if task.data == "c":
            raise SystemExit(3)
        done.append(task.data)

    with pytest.raises(SystemExit):
        Worker(queue, work, batch=3).run()
    assert (done, queue.depth().pending) == (["a", "b"], 1)


def in_steps(_task):
    yield


async def in_steps_later(_task):
    yield


@pytest.mark.parametrize("handler", [in_steps, in_steps_later])
def test_a_handler_that_returns_before_its_work_is_done_is_refused(newest, handler):
    with pytest.raises(BadArgumentError, match="must have done its work when it returns"):
        Worker(TaskQueue(newest.client(), "tasks"), handler)


def test_hundreds_of_workers_may_share_a_queue(newest, key):
    queue = TaskQueue(newest.client(), key)
    for _ in range(250):
        Worker(queue, print)
    assert queue.enqueue("x").entry_id


def test_a_finished_slow_task_does_not_wait_for_the_next_to_be_acknowledged(queue, r, key):
    queue.enqueue_many("abcd")
    held = []

    def work(_):
        held.append(r.xpending(key, "workers")["pending"])
        time.sleep(0.03)

    Worker(queue, work, batch=3).run(max_tasks=4)
    assert held == [1, 3, 2, 1]  # one to learn its time, then a batch of three


def test_a_worker_that_has_enough_takes_nothing_over(queue, r, key, done):
    queue.enqueue_many("abc")
    queue.ensure_group()
    r.xreadgroup("workers", "me", {key: ">"}, count=1)
    r.xreadgroup("workers", "dead", {key: ">"}, count=2)
    worker = Worker(queue, lambda task: done.append(task.data), name="me", min_idle_ms=1)
    report = worker.run(max_tasks=1)
    assert (done, report.recovered) == (["a"], 1)
    assert held_by(r, key, "dead") == 2
    assert [c["name"] for c in r.xinfo_consumers(key, "workers")] == ["dead"]


def test_a_worker_is_not_run_twice_at_once_and_still_hears_stop(queue):
    worker = Worker(queue, print)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    poll(lambda: blocked(queue.client), what="the read")
    with pytest.raises(NameInUseError, match="is running already"):
        worker.run(idle_ms=10)
    worker.stop()
    thread.join(3)
    assert not thread.is_alive()


def test_the_lease_outlives_errors_of_the_server(handler):
    """A full server refuses the renewal; the thread that renews goes on."""
    with RedisServer() as server:
        client = server.client()
        own = TaskQueue(client, "tasks")
        worker = Worker(own, handler, name="a", lease_ms=150)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        lease = lease_key("tasks", "workers", "a")
        poll(lambda: client.exists(lease) and blocked(client))
        client.config_set("maxmemory", 1)
        client.delete(lease)
        time.sleep(0.2)  # some renewals, each refused
        client.config_set("maxmemory", 0)
        poll(lambda: client.exists(lease), timeout_s=3, what="the lease's return")
        worker.stop()
        thread.join(3)
        assert not thread.is_alive()


def test_an_entry_that_is_no_task_never_reaches_the_handler(queue, r, key, handler, done, caplog):
    r.xadd(key, {"other": "field"}, id="1-1")  # F34
    queue.enqueue("good")
    report = Worker(queue, handler).run(max_tasks=1)
    assert done == ["good"]
    assert (report.dead_lettered, queue.depth().pending) == (1, 0)
    assert "entry 1-1 has no field" in caplog.text
    (letter,) = queue.dead_letters()
    assert (letter.entry_id, letter.fields, letter.task) == ("1-1", {"other": "field"}, None)
    assert "has no field 'data'" in letter.reason


@pytest.mark.parametrize(
    "payload", [b"\xff\xfe", b"\x00", b"<script>alert(1)</script>", b"x" * 2**20]
)
def test_a_hostile_payload_is_data(queue, r, key, done, payload):
    r.xadd(key, {"task_id": "t", "data": payload, "created_at": "0"})  # F58
    Worker(queue, lambda t: done.append(t.data.encode("utf-8", "surrogateescape"))).run(max_tasks=1)
    assert done == [payload]


# -- old work first ----------------------------------------------------------------------------


def test_what_this_name_held_before_is_run_first(queue, r, key, handler, done):
    queue.enqueue_many("abc")
    queue.ensure_group()
    r.xreadgroup("workers", "me", {key: ">"}, count=2)  # F10: the reply was lost, say
    report = Worker(queue, handler, name="me").run(max_tasks=3)
    assert (done, report.recovered) == (["a", "b", "c"], 2)


def test_what_another_abandoned_is_run_after_min_idle(queue, r, key, handler, done):
    queue.enqueue_many("abc")
    queue.ensure_group()
    r.xreadgroup("workers", "dead", {key: ">"})
    assert Worker(queue, handler, min_idle_ms=10_000).run(idle_ms=50).done == 0  # F26: not yet
    Worker(queue, handler, min_idle_ms=100).run(max_tasks=3)
    assert sorted(done) == ["a", "b", "c"]
    assert queue.depth().pending == 0


def test_a_sweep_follows_its_cursor_past_the_head_of_a_long_list(queue, r, key, handler, done):
    queue.enqueue_many(str(i) for i in range(500))  # F29: one call looks at COUNT * 10 entries
    queue.ensure_group()
    entries = r.xreadgroup("workers", "dead", {key: ">"}, count=500)[0][1]
    fresh = [entry_id for entry_id, _ in entries[:400]]
    r.xclaim(key, "workers", "dead", 0, [i for i, _ in entries[400:]], idle=60_000)
    Worker(queue, handler, min_idle_ms=50_000, batch=3).run(max_tasks=100)
    assert sorted(done, key=int) == [str(i) for i in range(400, 500)]
    assert held_by(r, key, "dead") == 100 <= len(fresh)  # XPENDING was asked for 100


def test_a_pending_entry_that_was_trimmed_is_counted_and_leaves_the_list(queue, r, key, handler):
    queue.enqueue_many("ab")
    queue.ensure_group()
    r.xreadgroup("workers", "dead", {key: ">"})
    r.xtrim(key, maxlen=0, approximate=False)  # F39
    assert queue.depth().pending == 2
    report = Worker(queue, handler, min_idle_ms=1).run(idle_ms=100)
    assert (report.gone, report.done) == (2, 0)
    assert queue.depth().pending == 0


def test_a_trimmed_entry_of_ones_own_is_counted_and_leaves_the_list(queue, r, key, handler):
    queue.enqueue("x")
    queue.ensure_group()
    r.xreadgroup("workers", "me", {key: ">"})
    r.xtrim(key, maxlen=0, approximate=False)
    assert Worker(queue, handler, name="me").run(idle_ms=50).gone == 1
    assert queue.depth().pending == 0


def test_an_ack_that_somebody_else_gave_is_counted(queue, r, key):
    queue.enqueue("x")
    report = Worker(queue, lambda t: r.xack(key, "workers", t.entry_id)).run(max_tasks=1)
    assert (report.done, report.overtaken) == (0, 1)


def test_what_waits_behind_a_slow_task_is_renewed_too(queue, r, key, done):
    """The first handler is quick, so that a batch is read; the second outlasts min-idle."""

    def work(task):
        if task.data == "slow":
            time.sleep(0.5)
            done.extend(r.xautoclaim(key, "workers", "thief", 200)[1])
        done.append(task.data)

    queue.enqueue_many(["quick", "slow", "late"])
    report = Worker(queue, work, min_idle_ms=200).run(max_tasks=3)
    assert done == ["quick", "slow", "late"]
    assert (report.expired, report.overtaken) == (0, 0)


def test_what_was_taken_over_before_its_turn_is_not_begun(queue, r, key, done):
    def work(task):
        if task.data == "slow":
            held = [line["message_id"] for line in r.xpending_range(key, "workers", "-", "+", 9)]
            r.xclaim(key, "workers", "thief", 0, held[-1:])
            time.sleep(1.0)  # the heartbeat learns of it; the thief's is not idle for min-idle
        done.append(task.data)

    queue.enqueue_many(["quick", "slow", "late"])
    report = Worker(queue, work, min_idle_ms=1500).run(idle_ms=20)
    assert done == ["quick", "slow"]
    assert (report.done, report.expired) == (2, 1)
    assert held_by(r, key, "thief") == 1


def test_slow_tasks_are_read_one_by_one(queue, r, key):
    """Rule 3: never more than can be held within min-idle."""
    queue.enqueue_many("abcdef")
    held = []

    def work(_):
        held.append(r.xpending(key, "workers")["pending"])
        time.sleep(0.06)

    Worker(queue, work, min_idle_ms=150, batch=100).run(max_tasks=5)
    assert max(held) == 1


# -- names -------------------------------------------------------------------------------------


def test_a_name_in_use_is_refused(queue, handler):
    queue.enqueue("x")
    began, go_on = threading.Event(), threading.Event()

    def wait(_):
        began.set()
        go_on.wait(10)

    first = threading.Thread(
        target=Worker(queue, wait, name="a").run, kwargs={"max_tasks": 1}, daemon=True
    )
    first.start()
    assert began.wait(10)
    with pytest.raises(NameInUseError, match="the name 'a' in group 'workers' belongs to a live"):
        Worker(queue, handler, name="a").run(idle_ms=50)  # F23
    go_on.set()
    first.join()
    Worker(queue, handler, name="a").run(idle_ms=50)  # free again


def test_a_lease_is_renewed_while_a_handler_runs(queue, handler):
    queue.enqueue("x")
    refused = []

    def outlast_the_lease(_):
        time.sleep(0.4)
        try:
            Worker(queue, handler, name="a").run(idle_ms=10)
        except NameInUseError:
            refused.append(1)

    Worker(queue, outlast_the_lease, name="a", lease_ms=150).run(max_tasks=1)
    assert refused


def test_a_worker_whose_name_was_taken_stops(queue, r, key, handler):
    worker = Worker(queue, handler, name="a", lease_ms=150)
    lease = lease_key(key, "workers", "a")
    caught = []

    def run():
        try:
            worker.run()
        except NameInUseError as exc:
            caught.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    poll(lambda: r.exists(lease))
    r.set(lease, "another", px=60_000)
    queue.enqueue("wakes it up")
    thread.join(10)
    assert caught


# -- stopping, and trouble ---------------------------------------------------------------------


def test_stop_ends_a_blocked_read_at_once(queue, handler):
    worker = Worker(queue, handler, block_ms=4_000)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    poll(lambda: blocked(queue.client), what="the read")
    started = time.monotonic()
    worker.stop()
    thread.join(10)
    assert time.monotonic() - started < 1.0


def test_after_stop_the_task_at_hand_is_finished_and_the_rest_is_left(queue, done):
    queue.enqueue_many("abc")
    worker = Worker(queue, lambda task: (done.append(task.data), worker.stop()))
    report = worker.run()
    assert (done, report.done) == (["a"], 1)


def test_a_worker_survives_a_restart_of_the_server_and_repeats_nothing():
    with RedisServer(persistence="always") as server:
        queue = TaskQueue(server.client(), "tasks")
        queue.enqueue_many(str(i) for i in range(50))
        done, reports = [], []

        def work(task):
            done.append(task.data)
            if len(done) == 25:
                server.restart()  # F46: while there are entries in hand

        worker = Worker(queue, work, batch=10)
        thread = threading.Thread(
            target=lambda: reports.append(worker.run(max_tasks=60)), daemon=True
        )
        thread.start()
        poll(lambda: len(done) == 50)
        with server.client() as r:
            poll(lambda: blocked(r))
        server.kill()  # while it waits
        server.restart()
        queue.enqueue_many(str(i) for i in range(50, 60))
        thread.join(20)
        assert done == [str(i) for i in range(60)]
        (report,) = reports
        assert report.reconnects >= 1
        assert report.done + report.overtaken == 60  # an XACK's reply may have been cut off
        assert queue.depth().pending == 0


def test_a_worker_may_start_before_its_server():
    with RedisServer(persistence="always") as server:
        queue = TaskQueue(server.client(), "tasks")
        queue.enqueue("x")
        server.kill()
        done = []
        worker = Worker(queue, lambda task: done.append(task.data))
        thread = threading.Thread(target=worker.run, kwargs={"max_tasks": 1}, daemon=True)
        thread.start()
        poll(lambda: worker._crew, what="the start of the worker")
        server.restart()
        thread.join(20)
        assert done == ["x"]


def test_a_refused_password_ends_the_worker_and_is_not_told():
    with RedisServer(tcp=True) as server:
        refused = redis.Redis(port=server._port, password="pa55word", decode_responses=True)
        with pytest.raises(redis.AuthenticationError) as caught:
            Worker(TaskQueue(refused, "tasks"), print).run(idle_ms=50)
        assert "pa55word" not in "".join(traceback.format_exception(caught.value))


def test_a_destroyed_group_ends_the_worker_with_the_next_step(queue, r, key):
    queue.enqueue("x")
    with pytest.raises(GroupMissingError, match=r"call queue\.ensure_group"):
        Worker(queue, lambda _: r.xgroup_destroy(key, "workers")).run()


def test_a_key_of_another_type_ends_the_worker(queue, r, key, handler):
    r.set(key, "text")
    with pytest.raises(WrongTypeError, match=key):
        Worker(queue, handler).run()


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("batch", 0, "in 1..10000"),
        ("batch", True, "in 1..10000"),
        ("batch", 10_001, "in 1..10000"),
        ("min_idle_ms", 0, "in 1..31536000000"),
        ("min_idle_ms", -5, "in 1.."),
        ("min_idle_ms", 1.5, "in 1.."),
        ("block_ms", 0, ">= 1"),
        ("block_ms", "10", ">= 1"),
        ("lease_ms", 99, "in 100.."),
        ("grace_ms", -1, "in 0.."),
        ("max_deliveries", 0, "in 1.."),
        ("retry_ms", -1, "in 0.."),
        ("remember_ms", 0, "in 1.."),
        ("threads", 0, "in 1..256"),
        ("threads", 257, "in 1..256"),
        ("min_idle_ms", 2**63, "in 1.."),
        ("lease_ms", 10**14, "in 100.."),
        ("idempotent", 1, "True or False"),
        ("delete_done", None, "True or False"),
        ("regroup_at", ">", "an entry id such as '1-1'"),
        ("observer", 7, "callable or None"),
        ("name", "", "at least one character"),
        ("name", 7, "at least one character"),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused_with_value_and_rule(newest, setting, value, rule):
    queue = TaskQueue(newest.client(), "tasks")
    with pytest.raises(BadArgumentError) as caught:
        Worker(queue, print, **{setting: value})  # F57
    assert setting in str(caught.value)
    assert rule in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("bound", ["max_tasks", "idle_ms"])
def test_a_bound_below_one_is_refused(newest, bound):
    with pytest.raises(
        BadArgumentError, match=rf"{bound} must be a whole number in 1\.\.\d+, got 0"
    ):
        Worker(TaskQueue(newest.client(), "tasks"), print).run(**{bound: 0})


def test_a_handler_that_cannot_be_called_is_refused(newest):
    with pytest.raises(BadArgumentError, match="handler must be callable with a Task, got 7"):
        Worker(TaskQueue(newest.client(), "tasks"), 7)


def test_block_is_derived_from_the_socket_timeout_or_refused(newest):
    def worker(timeout_s, block_ms=None):
        client = newest.client(socket_timeout=timeout_s)
        return Worker(TaskQueue(client, "tasks"), print, block_ms=block_ms)

    assert worker(3).settings.block_ms == 2_500  # F45
    assert worker(0.2).settings.block_ms == 100
    assert worker(None).settings.block_ms == 5_000
    with pytest.raises(BadArgumentError, match=r"block_ms must be <= socket_timeout - 500 ms"):
        worker(3, block_ms=3_000)
    default = Worker(TaskQueue(newest.client(), "tasks"), print)
    assert default.settings.block_ms == 4_500  # redis-py 8 waits for 5 s unless told


def test_a_lost_connection_is_logged_without_the_password(caplog):
    caplog.set_level(logging.DEBUG)
    with RedisServer(tcp=True) as server:
        queue = TaskQueue(server.client(), "tasks")
        worker = Worker(queue, print, min_idle_ms=100)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        poll(lambda: blocked(queue.client))
        server.kill()
        poll(lambda: "again in" in caplog.text)
        worker.stop()
        thread.join(10)
        assert server._password
        assert server._password not in caplog.text + repr(worker) + repr(queue) + repr(queue.client)
