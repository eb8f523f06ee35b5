"""What is given up: moved in one step, with its reason, and back again; on each version."""

from __future__ import annotations

import json
import logging
import os
import signal
import time

import pytest
from support import effects, poll, worker_process
from working import hold, pending, running

from streamlab import RedisServer, TaskQueue, Worker
from streamlab.errors import NotEnqueuedError, PayloadError


@pytest.fixture
def queue(r, key):
    return TaskQueue(r, key)


def fail(task):
    raise LookupError(task.data)


def bury_all(queue, handler=fail, **settings):
    """Run a worker until all that is there is given up or done."""
    return Worker(queue, handler, max_deliveries=1, **settings).run(idle_ms=30)


# -- tasks that fail ---------------------------------------------------------------------------


def test_a_task_that_fails_max_deliveries_times_is_buried_with_all_that_is_known(queue, key, r):
    task = queue.enqueue("payload", task_id="mine")
    report = Worker(queue, fail, min_idle_ms=20, retry_ms=1, max_deliveries=3).run(max_tasks=3)
    assert (report.failed, report.dead_lettered, report.done) == (3, 1, 0)
    (letter,) = queue.dead_letters()
    assert letter.entry_id == task.entry_id
    assert letter.fields == task.fields()
    assert letter.task == task
    assert (letter.deliveries, letter.error) == (3, "LookupError")
    assert letter.reason == "payload (delivery 3 of 3)"
    assert queue.depth().pending == 0
    assert r.xlen(key) == 1  # the entry stays for other groups, as an acknowledged one does


def test_the_dead_letters_of_two_groups_are_apart(r, key):
    one, other = (TaskQueue(r, key, group=name) for name in ("one", "other"))
    one.enqueue("x")
    bury_all(one)
    other.ensure_group()
    assert len(one.dead_letters()) == 1
    assert other.dead_letters() == []
    assert Worker(other, lambda _: None).run(max_tasks=1).done == 1


def test_an_error_that_no_retry_mends_is_given_up_at_once(queue):
    queue.enqueue("no json")
    report = Worker(queue, lambda task: task.json()).run(max_tasks=1)
    assert (report.failed, report.dead_lettered) == (1, 1)
    (letter,) = queue.dead_letters()
    assert (letter.error, letter.deliveries) == ("PayloadError", 1)
    assert "is not JSON" in letter.reason


def test_json_that_is_nested_without_end_is_no_json(queue):
    queue.enqueue("[" * 100_000)
    Worker(queue, lambda task: task.json()).run(max_tasks=1)
    assert queue.dead_letters()[0].error == "PayloadError"


@pytest.mark.parametrize(
    "fields",
    [
        {"other": "field"},
        {"task_id": "t", "data": "x"},
        {"task_id": "t", "data": "x", "created_at": "yesterday"},
        {b"\xff\xfe": b"\xff"},
        {"dead_reason": "a field of this name", "x": "y"},
    ],
    ids=str,
)
def test_an_entry_that_is_no_task_is_buried_with_the_fields_it_has(queue, r, key, fields):
    entry_id = r.xadd(key, fields)
    report = Worker(queue, lambda _: None).run(idle_ms=30)
    assert (report.dead_lettered, report.failed, report.done) == (1, 0, 0)
    (letter,) = queue.dead_letters()
    assert (letter.entry_id, letter.task, letter.error) == (entry_id, None, "PayloadError")
    assert pending(r, key) == {}


def test_an_error_whose_text_cannot_be_read_ends_no_worker(queue):
    class WithoutTextError(Exception):
        def __str__(self) -> str:
            raise ValueError

    def work(_):
        raise WithoutTextError

    queue.enqueue("x")
    assert bury_all(queue, work).dead_lettered == 1
    assert "its text could not be read" in queue.dead_letters()[0].reason


@pytest.mark.parametrize("text", ["x" * 2**20, "\ud800 lone", "\x00", "<script>alert(1)</script>"])
def test_any_text_of_an_error_can_be_kept(queue, text, caplog):
    caplog.set_level(logging.CRITICAL, "streamlab")  # pytest-xdist cannot carry lone surrogates

    def work(_):
        raise ValueError(text)

    queue.enqueue("x")
    assert bury_all(queue, work).dead_lettered == 1
    (letter,) = queue.dead_letters()
    assert len(letter.reason) <= 500
    assert letter.reason.startswith(text[:400].encode("utf-8", "replace").decode())


@pytest.mark.parametrize(
    "payload",
    [b"x" * 2**20, b"\x00\x00", b"<script>alert(1)</script>", b"\xff\xfe", b"{{x}}' OR 1"],
)
def test_any_payload_is_buried_and_put_back_as_it_was(queue, r, key, payload, caplog):
    caplog.set_level(logging.CRITICAL, "streamlab")  # pytest-xdist cannot carry lone surrogates
    r.xadd(key, {"task_id": "t", "data": payload, "created_at": "0"})
    assert bury_all(queue).dead_lettered == 1
    (letter,) = queue.dead_letters()
    assert letter.fields["data"].encode("utf-8", "surrogateescape") == payload
    queue.requeue([letter])
    seen = []
    Worker(queue, lambda t: seen.append(t.data.encode("utf-8", "surrogateescape"))).run(max_tasks=1)
    assert seen == [payload]


# -- poison ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["exit", "kill", "segfault"])
def test_a_handler_that_kills_its_process_is_not_called_again_past_the_limit(server, r, key, way):
    queue = TaskQueue(r, key)
    queue.enqueue(way)  # F33
    options = ("--min-idle-ms", "30", "--max-deliveries", "2", "--idle-ms", "200")
    for deaths in (1, 2):
        with worker_process(server, key, "killer", *options) as process:
            assert process.wait(20) != 0
        assert effects(r, key) == [way] * deaths
        time.sleep(0.03)  # min-idle
    with worker_process(server, key, "killer", *options) as process:
        out, err = process.communicate(timeout=20)
    assert effects(r, key) == [way] * 2  # it was not called a third time
    assert json.loads(out)["dead_lettered"] == 1, err
    (letter,) = queue.dead_letters()
    assert (letter.fields["data"], letter.deliveries, letter.error) == (way, 3, "")
    assert "neither returned nor raised" in letter.reason
    assert queue.depth().pending == 0


def test_none_is_buried_for_waiting_behind_one_that_kills(server, r, key):
    queue = TaskQueue(r, key)
    queue.enqueue_many(["first", "a", "b", "kill", "x", "y", "z"])
    options = ("--min-idle-ms", "30", "--max-deliveries", "3", "--idle-ms", "200")
    for _ in range(8):
        with worker_process(server, key, "killer", *options) as process:
            if process.wait(20) == 0:
                break
        time.sleep(0.03)
    assert process.returncode == 0
    assert [letter.fields["data"] for letter in queue.dead_letters()] == ["kill"]
    assert effects(r, key).count("kill") == 3
    assert set(effects(r, key)) == {"first", "a", "b", "kill", "x", "y", "z"}


def test_where_one_delivery_is_all_each_task_is_read_alone(queue, r, key):
    """Else the neighbours of one that kills would be given up without having been begun."""
    queue.enqueue_many("abcdef")
    held = []
    worker = Worker(queue, lambda _: held.append(len(pending(r, key))), max_deliveries=1)
    assert worker.run(max_tasks=6).done == 6
    assert held == [1] * 6


def test_last_chances_come_one_by_one_and_all_are_run(queue, r, key):
    queue.enqueue_many(str(i) for i in range(30))
    queue.ensure_group()
    ids = hold(r, key, "dead")
    r.xclaim(key, "workers", "dead", 0, ids, idle=60_000, retrycount=4)
    done = []
    report = Worker(queue, lambda t: done.append(t.data), min_idle_ms=1_000).run(max_tasks=30)
    assert sorted(done, key=int) == [str(i) for i in range(30)]
    assert (report.done, report.dead_lettered) == (30, 0)


# -- nothing that is not ours, nothing lost ----------------------------------------------------


def test_what_another_took_over_is_not_buried(queue, r, key):
    queue.enqueue("x")

    def lose_it_and_fail(_):
        r.xclaim(key, "workers", "thief", 0, list(pending(r, key)))
        raise LookupError

    report = Worker(queue, lose_it_and_fail, max_deliveries=1).run(max_tasks=1)
    assert (report.failed, report.dead_lettered) == (1, 0)
    assert queue.dead_letters() == []
    ((owner, _, _),) = pending(r, key).values()
    assert owner == "thief"


def test_what_was_deleted_meanwhile_is_not_buried_and_not_left_pending(queue, r, key):
    queue.enqueue("x")

    def delete_it_and_fail(task):
        r.xdel(key, task.entry_id)
        raise LookupError

    assert Worker(queue, delete_it_and_fail, max_deliveries=1).run(max_tasks=1).dead_lettered == 0
    assert (queue.dead_letters(), pending(r, key)) == ([], {})


def test_a_full_server_loses_no_dead_letter_and_ends_no_worker(server):
    with RedisServer(server.version) as full, full.client() as r:
        queue = TaskQueue(r, "tasks")
        queue.enqueue("x")

        def fill_up_and_fail(task):
            r.config_set("maxmemory", 1)
            fail(task)

        with running(Worker(queue, fill_up_and_fail, max_deliveries=1, min_idle_ms=50)) as one:
            poll(lambda: r.config_get("maxmemory")["maxmemory"] == "1")
            poll(lambda: next(iter(pending(r, "tasks").values()))[2] > 1, what="a second delivery")
            assert queue.dead_letters() == []
            r.config_set("maxmemory", 0)
            (letter,) = poll(queue.dead_letters, what="the burial")
            assert one.thread.is_alive()
        assert (letter.fields["data"], pending(r, "tasks")) == ("x", {})


def test_a_full_server_puts_nothing_back_and_keeps_the_dead_letter(server):
    with RedisServer(server.version) as full, full.client() as r:
        queue = TaskQueue(r, "tasks")
        queue.enqueue("x")
        bury_all(queue)
        letters = queue.dead_letters()
        r.config_set("maxmemory", 1)
        with pytest.raises(NotEnqueuedError, match="Redis refused to put"):
            queue.requeue(letters)
        r.config_set("maxmemory", 0)
        assert queue.dead_letters() == letters
        assert len(queue.requeue(letters)) == 1


def number(entry_id):
    return tuple(map(int, entry_id.split("-")))


def test_a_burial_is_one_step_seen_from_outside(queue, r, key):
    """Whoever looks in one transaction sees each task pending or dead, never both or neither."""
    tasks = 60
    queue.enqueue_many(str(i) for i in range(tasks))
    queue.ensure_group()
    dead = f"{{{key}}}:dead:workers"
    with running(Worker(queue, fail, max_deliveries=1)):
        while True:
            with r.pipeline() as pipe:
                pipe.xlen(dead)
                pipe.xpending(key, "workers")
                pipe.xinfo_groups(key)
                pipe.xrange(key)
                buried, held, groups, entries = pipe.execute()
            last = number(groups[0]["last-delivered-id"])
            read = sum(number(entry_id) <= last for entry_id, _ in entries)
            assert buried + held["pending"] == read
            if buried == tasks:
                break


# -- reading and putting back ------------------------------------------------------------------


def test_dead_letters_come_in_pages(queue):
    queue.enqueue_many(str(i) for i in range(25))
    bury_all(queue)
    seen, after = [], None
    while page := queue.dead_letters(10, after=after):
        seen += [letter.fields["data"] for letter in page]
        after = page[-1].dead_id
    assert seen == [str(i) for i in range(25)]


def test_a_letter_that_was_put_back_twice_is_there_once(queue, r, key):
    queue.enqueue("x", task_id="mine")
    bury_all(queue)
    letters = queue.dead_letters()
    (entry_id,) = queue.requeue(letters)
    assert queue.requeue(letters) == []
    assert queue.dead_letters() == []
    again = r.xrange(key, entry_id, entry_id)[0][1]
    assert again == letters[0].fields
    assert again["task_id"] == "mine"
    done = []
    Worker(queue, lambda t: done.append(t.task_id)).run(max_tasks=1)
    assert done == ["mine"]


def test_what_is_put_back_begins_to_count_anew_and_reaches_every_group(r, key):
    queue, other = TaskQueue(r, key), TaskQueue(r, key, group="other")
    queue.enqueue("x")
    bury_all(queue)
    bury_all(other, lambda _: None)
    queue.requeue(queue.dead_letters())
    assert bury_all(other, lambda _: None).done == 1
    bury_all(queue)
    assert queue.dead_letters()[0].deliveries == 1


def test_two_who_put_back_the_same_letters_move_each_once(queue, r, key):
    queue.enqueue_many(str(i) for i in range(20))
    bury_all(queue)
    letters = queue.dead_letters()
    moved = queue.requeue(letters[:15]) + queue.requeue(letters[5:])
    assert len(set(moved)) == 20
    assert r.xlen(key) == 40


def test_a_letter_without_a_task_says_none(queue, r, key):
    r.xadd(key, {"a": "b"})
    bury_all(queue)
    assert queue.dead_letters()[0].task is None
    with pytest.raises(PayloadError):
        raise PayloadError


def test_a_killed_worker_leaves_each_poisoned_task_in_one_place(server, r, key):
    """F32, with a kill in the middle of many burials."""
    queue = TaskQueue(r, key)
    tasks = 300
    for i in range(tasks):
        r.xadd(key, {"no": "task", "number": i})
    queue.ensure_group()
    dead = f"{{{key}}}:dead:workers"
    with worker_process(server, key, "record") as victim:
        poll(lambda: r.xlen(dead) > 20, what="some burials")
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
    Worker(queue, lambda _: None, min_idle_ms=1, max_deliveries=2).run(idle_ms=100)
    numbers = [letter.fields["number"] for letter in queue.dead_letters(1000)]
    assert sorted(numbers, key=int) == [str(i) for i in range(tasks)]
    assert pending(r, key) == {}
