"""The rules of a worker that loses nothing, each on every version: the outside is the same."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import psutil
import pytest
from support import ROOT, effects, poll, streamlab, worker_process

from streamlab import TaskQueue, Worker
from streamlab.errors import (
    BadArgumentError,
    GroupMissingError,
    QueueFullError,
    WorkKeptWarning,
)
from streamlab.worker import Moment
from streamlab.worker.calling import done_key


@pytest.fixture
def queue(r, key):
    return TaskQueue(r, key)


def run_in_thread(worker, **bounds):
    reports = []

    def run():
        try:
            reports.append(worker.run(**bounds))
        except Exception as exc:  # noqa: BLE001 - the test looks at it
            reports.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, reports


def pending(r, key):
    return r.xpending_range(key, "workers", "-", "+", 100)


# -- rule 4: the heartbeat -----------------------------------------------------------------------


def test_a_task_that_outlasts_min_idle_is_not_taken_over_while_its_worker_lives(queue):
    queue.enqueue("long")
    attempts = []

    def work(task):
        attempts.append(task.data)
        time.sleep(0.9)

    first, _ = run_in_thread(Worker(queue, work, min_idle_ms=200), max_tasks=1)
    poll(lambda: attempts)
    Worker(queue, work, min_idle_ms=200).run(idle_ms=700)
    first.join(5)
    assert attempts == ["long"]


@pytest.fixture
def done():
    return []


# -- rules 5 and 6: retry, and giving up ---------------------------------------------------------


def test_the_pause_before_a_retry_doubles_and_ends_at_min_idle(queue):
    queue.enqueue("x")
    at = []

    def work(_):
        at.append(time.monotonic())
        raise ValueError("no")

    report = Worker(queue, work, min_idle_ms=400, retry_ms=80, max_deliveries=5).run(max_tasks=5)
    pauses_ms = [1000 * (b - a) for a, b in itertools.pairwise(at)]
    for pause_ms, least in zip(pauses_ms, (60, 120, 240, 400), strict=True):
        assert (
            least - 2 <= pause_ms <= 2 * least + 300
        )  # give or take a quarter, and a busy machine
    assert (report.failed, report.dead_lettered) == (5, 1)
    (letter,) = queue.dead_letters()
    assert (letter.deliveries, letter.error, letter.task.data) == (5, "ValueError", "x")
    assert letter.reason == "no (delivery 5 of 5)"
    assert queue.depth().pending == 0


def test_a_task_that_kills_its_process_is_given_up_before_the_handler_is_called_again(
    server, r, key
):
    queue = TaskQueue(r, key)
    queue.enqueue("deadly")
    options = ("--min-idle-ms", "100", "--max-deliveries", "2")
    for _ in range(2):
        with worker_process(server, key, "stuck", *options) as victim:
            before = len(effects(r, key))
            poll(lambda before=before: len(effects(r, key)) > before)
            victim.kill()
            victim.wait()
    calls = []
    report = Worker(queue, calls.append, min_idle_ms=100, max_deliveries=2).run(idle_ms=400)
    assert (calls, report.dead_lettered, queue.depth().pending) == ([], 1, 0)
    (letter,) = queue.dead_letters()
    assert (letter.error, letter.deliveries) == ("", 3)


def test_a_dead_letter_is_put_back_once_and_runs(queue, done):
    queue.enqueue("x", task_id="t")
    Worker(queue, lambda _: 1 / 0, max_deliveries=1).run(max_tasks=1)
    letters = queue.dead_letters()
    assert len(queue.requeue(letters)) == 1
    assert queue.requeue(letters) == []
    assert queue.dead_letters() == []
    Worker(queue, lambda task: done.append((task.task_id, task.data))).run(max_tasks=1)
    assert done == [("t", "x")]


def test_data_that_is_not_json_is_given_up_at_once(queue):
    queue.enqueue("{not json")
    report = Worker(queue, lambda task: task.json()).run(max_tasks=1)
    assert (report.failed, report.dead_lettered) == (1, 1)
    assert queue.dead_letters()[0].error == "PayloadError"


# -- rule 7: trimming ----------------------------------------------------------------------------


def test_trim_keeps_what_any_group_has_not_read_and_acknowledged(queue, r, key):
    tasks = queue.enqueue_many("abcdef")
    queue.ensure_group()
    r.xgroup_create(key, "slow", id=tasks[3].entry_id)
    Worker(queue, lambda _: None).run(max_tasks=6)
    assert queue.trim() == 3
    r.xreadgroup("slow", "c", {key: ">"}, count=2)
    assert queue.trim() == 1  # d, where "slow" began
    assert r.xlen(key) == 2
    r.xack(key, "slow", tasks[4].entry_id, tasks[5].entry_id)
    assert queue.trim() == 1
    assert [entry_id for entry_id, _ in r.xrange(key)] == [tasks[5].entry_id]


def test_trim_of_a_stream_nobody_has_read_deletes_nothing_and_warns_of_maxlen(queue):
    queue.enqueue_many("abc")
    assert queue.trim() == 0  # no group yet
    queue.ensure_group()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert queue.trim(maxlen=3) == 0
    with pytest.warns(WorkKeptWarning, match="MAXLEN would have lost 2 of them"):
        assert queue.trim(maxlen=1) == 0


def test_with_delete_done_an_entry_goes_when_every_group_is_done_with_it(queue, r, key):
    queue.enqueue_many("abc")
    r.xgroup_create(key, "other", id="0")
    Worker(queue, lambda _: None, delete_done=True).run(max_tasks=3)
    assert r.xlen(key) == 3
    other = TaskQueue(r, key, group="other")
    report = Worker(other, lambda _: None, delete_done=True).run(max_tasks=3)
    assert (report.done, r.xlen(key), other.depth().pending) == (3, 0, 0)


# -- rule 8: effects once ------------------------------------------------------------------------


def test_an_idempotent_effect_is_there_once_although_the_task_runs_twice(queue, r, key):
    task = queue.enqueue("x", task_id="same")
    queue.enqueue("x", task_id="same")
    seen = []

    def work(task, pipe):
        seen.append(task.data)
        pipe.incr(f"{{{key}}}:effects")

    report = Worker(queue, work, idempotent=True).run(idle_ms=100)
    assert (r.get(f"{{{key}}}:effects"), report.done, report.repeated) == ("1", 2, 1)
    assert seen == ["x"]
    assert r.get(done_key(key, "workers", "same")) == task.entry_id
    assert r.pttl(done_key(key, "workers", "same")) > 0


def test_an_idempotent_handler_that_raises_commits_nothing(queue, r, key):
    queue.enqueue("x")
    calls = []

    def work(_task, pipe):
        calls.append(1)
        pipe.incr(f"{{{key}}}:effects")
        if len(calls) == 1:
            raise ValueError

    report = Worker(queue, work, idempotent=True, retry_ms=10).run(max_tasks=2)
    assert (r.get(f"{{{key}}}:effects"), report.failed, report.done) == ("1", 1, 1)


def test_an_effect_that_is_there_in_part_is_a_dead_letter_and_not_repeated(queue, r, key):
    queue.enqueue("x")
    r.set(f"{{{key}}}:text", "no list")

    def work(_task, pipe):
        pipe.incr(f"{{{key}}}:effects")
        pipe.rpush(f"{{{key}}}:text", "x")

    report = Worker(queue, work, idempotent=True).run(max_tasks=1)
    assert (report.dead_lettered, r.get(f"{{{key}}}:effects")) == (1, "1")
    assert queue.dead_letters()[0].error == "CommitError"


# -- rule 10: the group vanishes -----------------------------------------------------------------


@pytest.mark.parametrize("vanish", ["flush", "destroy"])
def test_a_group_that_vanishes_is_made_again_where_it_is_told_and_counted(
    queue, r, key, done, vanish
):
    queue.enqueue("a")
    worker = Worker(queue, lambda t: done.append(t.data), regroup_at="0", block_ms=300)
    thread, reports = run_in_thread(worker, max_tasks=2 if vanish == "flush" else 3)
    poll(lambda: done == ["a"] and not pending(r, key))
    r.delete(key) if vanish == "flush" else r.xgroup_destroy(key, "workers")
    queue.enqueue("b")
    thread.join(10)
    assert done == (["a", "b"] if vanish == "flush" else ["a", "a", "b"])  # 0 repeats what stands
    assert reports[0].regrouped == 1


def test_a_group_that_vanishes_stops_a_worker_that_was_told_nothing(queue, r, key):
    queue.enqueue("a")
    queue.ensure_group()
    thread, reports = run_in_thread(Worker(queue, lambda _: None, block_ms=200))
    poll(lambda: not pending(r, key) and r.xinfo_groups(key)[0]["last-delivered-id"] != "0-0")
    r.delete(key)
    thread.join(10)
    assert isinstance(reports[0], GroupMissingError)


# -- rule 11: stopping ---------------------------------------------------------------------------


def test_what_was_not_begun_is_handed_back_at_once_with_its_count_as_it_was(queue, r, key, done):
    queue.enqueue_many("abcdef")

    def work(task):
        done.append(task.data)
        if task.data == "b":
            poll(lambda: len(pending(r, key)) > 2)
            worker.stop()

    worker = Worker(queue, work, batch=10)
    report = worker.run()
    assert done == ["a", "b"]
    assert report.released >= 3
    counts = {line["times_delivered"] for line in pending(r, key)}
    assert counts == {0}
    heir = Worker(queue, lambda task: done.append(task.data))  # min-idle is 30 s
    assert heir.run(max_tasks=4).dead_lettered == 0
    assert sorted(done) == list("abcdef")


# -- rule 12: dead consumers ---------------------------------------------------------------------


def test_a_dead_consumer_is_removed_and_one_that_holds_entries_never(queue, r, key):
    queue.enqueue_many("ab")
    queue.ensure_group()
    ((_, [(first, _), _]),) = r.xreadgroup("workers", "idle", {key: ">"})
    r.xclaim(key, "workers", "holder", 0, [first])
    r.xack(key, "workers", *[p["message_id"] for p in pending(r, key) if p["consumer"] == "idle"])
    report = Worker(queue, lambda _: None, reap_ms=0).run(idle_ms=50)
    assert [c["name"] for c in r.xinfo_consumers(key, "workers")] == ["holder"]
    assert report.reaped == 1


def test_a_live_worker_is_not_reaped_by_another(queue, r, key):
    queue.ensure_group()
    thread, _ = run_in_thread(waiting := Worker(queue, lambda _: None, name="alive"))
    poll(lambda: r.keys(f"*{key}*:lease:*"))
    r.xgroup_createconsumer(key, "workers", "alive")
    Worker(queue, lambda _: None, reap_ms=0).run(idle_ms=50)
    assert "alive" in {c["name"] for c in r.xinfo_consumers(key, "workers")}
    waiting.stop()
    thread.join(5)


# -- back-pressure -------------------------------------------------------------------------------


def test_a_full_queue_refuses_and_tells_what_is_on_the_stream(queue, r, key):
    queue.ensure_group()
    with pytest.raises(QueueFullError, match="has 3 unfinished tasks") as caught:
        queue.enqueue_many("abcde", max_depth=3)
    assert [task.data for task in caught.value.enqueued] == ["a", "b", "c"]
    assert (caught.value.depth, r.xlen(key)) == (3, 3)
    Worker(queue, lambda _: None).run(max_tasks=1)
    assert queue.enqueue("d", max_depth=3).entry_id
    with pytest.raises(QueueFullError):
        queue.enqueue("e", max_depth=3)


def test_a_producer_waits_for_room(queue, done):
    thread, _ = run_in_thread(
        Worker(queue, lambda t: (time.sleep(0.01), done.append(t.data))), max_tasks=20
    )
    queue.enqueue_many(map(str, range(20)), max_depth=2, wait_ms=5_000)
    thread.join(10)
    assert done == [str(n) for n in range(20)]


def test_several_producers_together_never_go_past_the_bound(server, queue, key):
    full = []

    def produce():
        mine = TaskQueue(server.client(), key)
        try:
            for n in range(30):
                mine.enqueue(n, max_depth=40)
        except QueueFullError:
            full.append(1)

    threads = [threading.Thread(target=produce, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert queue.depth().length == 40
    assert full


@pytest.mark.parametrize("bad", [{"max_depth": 0}, {"max_depth": 1.5}, {"wait_ms": -1}])
def test_a_bound_out_of_its_own_is_refused_and_nothing_is_sent(queue, r, key, bad):
    with pytest.raises(BadArgumentError, match=next(iter(bad))):
        queue.enqueue("x", **bad)
    assert not r.exists(key)


# -- several at once -----------------------------------------------------------------------------


def test_threads_run_so_many_tasks_at_once_and_no_more_than_max_tasks(queue):
    queue.enqueue_many(map(str, range(30)))
    now, most, lock = [0], [0], threading.Lock()
    begun, together = itertools.count(), threading.Barrier(4)

    def work(_):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            first = next(begun) < 4
        if first:
            together.wait(timeout=10)  # for the other three, however busy the machine is
        time.sleep(0.01)
        with lock:
            now[0] -= 1

    report = Worker(queue, work, threads=4).run(max_tasks=21)
    assert report.done == 21
    assert most[0] == 4


def test_a_coroutine_handler_runs_on_one_loop_with_as_many_tasks_as_threads(queue, done):
    queue.enqueue_many(map(str, range(12)))
    loops = set()

    async def work(task):
        loops.add(id(asyncio.get_running_loop()))
        await asyncio.sleep(0.1)
        done.append(task.data)

    started = time.monotonic()
    assert Worker(queue, work, threads=6).run(max_tasks=12).done == 12
    assert sorted(done, key=int) == [str(n) for n in range(12)]
    assert len(loops) == 1
    assert time.monotonic() - started < 1.1  # one by one it would take 1.2 s


def test_an_observer_is_told_of_each_step(queue):
    queue.enqueue("x", task_id="t")
    told = []
    Worker(queue, lambda _: None, observer=lambda m, _id, task: told.append((m, task))).run(
        max_tasks=1
    )
    assert [moment for moment, _ in told] == [Moment.DELIVERED, Moment.DONE, Moment.ACKED]
    assert told[0][1].task_id == "t"


# -- processes -----------------------------------------------------------------------------------


def supervised(server, key, handler):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlab", "worker", f"handlers:{handler}"),
            *("--stream", key, "--processes", "2", "--json"),
        ],
        cwd=ROOT / "tests",
        env=os.environ
        | {
            "STREAMLAB_REDIS_URL": str(server.url),
            "EFFECTS": f"{key}:effects",
            "WORK_S": "0.01",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(process):
    found = psutil.Process(process.pid).children()
    return [one for one in found if one.status() != psutil.STATUS_ZOMBIE]


def test_a_worker_process_that_is_killed_is_started_again_and_sigterm_ends_all(newest, key):
    with newest.client() as r, supervised(newest, key, "record") as process:
        poll(lambda: len(r.keys(f"*{key}*:lease:*")) == 2, what="two workers")
        (victim, *_) = children(process)
        victim.kill()
        poll(lambda: len(children(process)) == 2 and victim not in children(process))
        TaskQueue(r, key).enqueue_many(map(str, range(20)))
        poll(lambda: len(effects(r, key)) == 20)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    counts = json.loads(out)
    assert (counts["done"], counts["restarts"]) == (20, 1)
    assert "ended by signal 9" in err


def test_worker_processes_end_with_their_supervisor_even_when_it_is_killed(newest, key):
    with newest.client() as r, supervised(newest, key, "record") as process:
        poll(lambda: len(r.keys(f"*{key}*:lease:*")) == 2, what="two workers")
        workers = children(process)
        process.kill()
        poll(lambda: not any(one.is_running() for one in workers), what="their end")


def test_a_process_that_cannot_work_ends_all_with_exit_code_2(newest, key):
    with newest.client() as r:
        r.set(key, "text")
        process = supervised(newest, key, "record")
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, ""), err
    assert "is not a stream" in err
    assert "could not do its work" in err


def test_supervised_processes_have_names_of_their_own():
    done = streamlab(
        *("worker", "handlers:record", "--url", "redis://localhost:1", "--stream", "s"),
        *("--processes", "2", "--name", "a"),
        cwd=ROOT / "tests",
    )
    assert done.returncode == 2
    assert "name must be left out with --processes 2" in done.stderr or "localhost" in done.stderr
