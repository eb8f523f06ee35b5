"""Workers as processes: killed, ended and stopped, on a real server of each version."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter

from support import effects, poll, run_python, worker_process

from streamlab import TaskQueue, Worker


def enqueue(r, key, data):
    queue = TaskQueue(r, key)
    queue.enqueue_many(data)
    return queue


def test_every_task_of_a_killed_worker_is_run_by_another(server, r, key):
    queue = enqueue(r, key, [str(i) for i in range(100)])
    with worker_process(server, key, "slow", "--min-idle-ms", "500", work_s=0.02) as victim:
        poll(lambda: len(effects(r, key)) > 40, what="a part of the work")
        victim.kill()  # F01, F02: wherever it is
        victim.wait()
    assert queue.depth().pending > 0
    with worker_process(server, key, "slow", "--min-idle-ms", "500", "--idle-ms", "1500") as heir:
        counts = json.loads(heir.communicate(timeout=30)[0])
    ends = Counter(effect for effect in effects(r, key) if effect.startswith("end"))
    assert set(ends) == {f"end {i}" for i in range(100)}  # nothing is lost
    assert counts["recovered"] >= 1
    assert queue.depth().pending == 0


def test_a_task_whose_effect_came_before_the_kill_has_two_effects(server, r, key):
    """At least once, never exactly: the acknowledgement is what the kill took (F02)."""
    queue = enqueue(r, key, ["only"])
    with worker_process(server, key, "stuck", "--name", "victim") as victim:
        poll(lambda: effects(r, key) == ["begin only"])
        victim.kill()
        victim.wait()
    again = []
    Worker(queue, lambda task: again.append(task.data), min_idle_ms=50).run(max_tasks=1)
    assert (effects(r, key), again) == (["begin only"], ["only"])


def test_a_killed_workers_name_is_free_when_its_lease_has_run_out(server, r, key):
    queue = enqueue(r, key, ["x"])
    with worker_process(server, key, "stuck", "--name", "a") as victim:
        poll(lambda: effects(r, key))
        (lease,) = r.scan_iter(match=f"*{key}*:lease:*:a")
        victim.kill()
        victim.wait()
    assert 0 < r.pttl(lease) <= 10_000
    r.pexpire(lease, 1)  # what time would do
    poll(lambda: not r.exists(lease))
    again = []
    # The same name gets its own pending entries back at once, long before min-idle.
    report = Worker(queue, lambda task: again.append(task.data), name="a").run(max_tasks=1)
    assert (again, report.recovered) == (["x"], 1)


def test_sigterm_finishes_the_task_at_hand_leaves_the_rest_and_exits_0(server, r, key):
    queue = enqueue(r, key, ["a", "b", "c"])
    with worker_process(server, key, "slow", work_s=0.5) as process:
        poll(lambda: effects(r, key) == ["begin a"])
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert effects(r, key) == ["begin a", "end a"]
    assert json.loads(out)["done"] == 1
    assert queue.depth().pending == 0
    assert r.xinfo_consumers(key, "workers") == []


def test_sigint_ends_a_waiting_worker_at_once(server, r, key):
    enqueue(r, key, ["a"])
    with worker_process(server, key, "record") as process:
        poll(lambda: effects(r, key) == ["a"])
        poll(lambda: "b" in "".join(c["flags"] for c in r.client_list()), what="the blocked read")
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        took_s = time.monotonic() - started
    assert process.returncode == 0
    assert took_s < 1.5  # BLOCK is 4.5 s


def test_a_second_signal_ends_a_worker_in_the_middle_of_a_task(server, r, key):
    queue = enqueue(r, key, ["a"])
    with worker_process(server, key, "stuck") as process:
        poll(lambda: effects(r, key) == ["begin a"])
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # two signals at once would be one
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=5)
    assert process.returncode == 130
    assert queue.depth().pending == 1


def test_a_handler_that_outlasts_its_grace_is_handed_back_and_the_exit_is_0(server, r, key):
    queue = enqueue(r, key, ["a"])
    with worker_process(server, key, "stuck", "--grace-ms", "200", "--name", "w") as process:
        poll(lambda: effects(r, key) == ["begin a"])
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    assert "the grace time is over" in err
    assert queue.depth().pending == 1
    again = []  # F35: long before min-idle
    Worker(queue, lambda task: again.append(task.data)).run(max_tasks=1)
    assert (again, queue.depth().pending) == (["a"], 0)


SIGNALS = """
import os, signal, sys, time
from streamlab import RedisServer, TaskQueue, Worker
with RedisServer() as server:
    queue = TaskQueue(server.client(), "tasks")
    for turn in range(60):
        def work(task):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.047 + 0.006 * (turn % 20) / 20)  # about as long as the grace
        queue.enqueue("x")
        Worker(queue, work, grace_ms=50, min_idle_ms=1).run(max_tasks=1)
    queue.enqueue("x")
    def stop_and_signal(task):
        worker.stop()
        os.kill(os.getpid(), signal.SIGTERM)  # the first signal, not the second
    worker = Worker(queue, stop_and_signal)
    worker.run(max_tasks=1)
print("alive")
"""


def test_a_grace_that_ends_with_the_task_never_kills_the_process():
    done = run_python("-c", SIGNALS)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-500:]
