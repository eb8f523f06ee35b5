"""A long pending list and a long run: time grows with their length, memory does not.

``python tests/test_worker_scale.py`` measures a million of each, and prints.
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from support import NEWEST, OLDEST, ROOT

from streamlab import RedisServer, TaskQueue

# In a process of its own, whose memory is its own: what VmHWM says at the given numbers of tasks.
WORK = """
import sys, time
from streamlab import TaskQueue, Worker
import redis

def rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

url, key, tasks, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
tenth, seen = tasks // 10, 0
def handler(task):
    global seen
    seen += 1
    if seen in (tenth, tasks):
        print(rss_kib(), flush=True)
queue = TaskQueue(redis.Redis.from_url(url, socket_timeout=30), key)
started = time.monotonic()
report = Worker(queue, handler, batch=batch, min_idle_ms=60_000).run(max_tasks=tasks)
print(time.monotonic() - started, report.done, report.recovered)
"""


def work(server, key, tasks, batch=100):
    """(KiB after a tenth of the tasks, KiB after all, seconds, done, recovered)."""
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(server.url), key, str(tasks), str(batch)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-800:]
    first, last, rest = done.stdout.splitlines()
    seconds, handled, recovered = rest.split()
    return int(first), int(last), float(seconds), int(handled), int(recovered)


def fill(queue, tasks):
    for start in range(0, tasks, 50_000):
        queue.enqueue_many(map(str, range(start, min(tasks, start + 50_000))))


def abandon(r, queue, tasks):
    """All tasks pending under a consumer that is gone, idle for an hour."""
    fill(queue, tasks)
    queue.ensure_group()
    while page := r.xreadgroup("workers", "dead", {queue.stream: ">"}, count=5_000):
        ids = [entry_id for entry_id, _ in page[0][1]]
        r.xclaim(queue.stream, "workers", "dead", 0, ids, idle=3_600_000, justid=True)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the memory")
def test_the_memory_of_a_worker_does_not_grow_with_the_tasks_it_has_done(newest, key):
    with newest.client() as r:
        fill(TaskQueue(r, key), 50_000)
        early, late, _, done, _ = work(newest, key, 50_000)
    print(f"resident after 5,000 tasks {early} KiB, after 50,000 {late} KiB: {late / early:.3f}")
    assert done == 50_000
    assert late <= 1.1 * early


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the memory")
def test_a_long_pending_list_is_swept_in_linear_time_and_bounded_memory(server, key):
    seconds = {}
    with server.client() as r:
        for tasks in (2_000, 20_000):
            stream = f"{key}:{tasks}"
            abandon(r, TaskQueue(r, stream), tasks)
            early, late, took_s, done, recovered = work(server, stream, tasks)
            assert (done, recovered) == (tasks, tasks)
            assert late <= 1.1 * early
            seconds[tasks] = took_s
            r.delete(stream)
    print(f"{server.version}:", {tasks: f"{s:.2f} s" for tasks, s in seconds.items()})
    assert seconds[20_000] <= 20 * max(seconds[2_000], 0.05)  # ten times as many; a busy machine


def main() -> None:
    for version in (NEWEST, OLDEST):
        with RedisServer(version) as server, server.client(socket_timeout=60) as r:
            queue = TaskQueue(r, "run")
            fill(queue, 1_000_000)
            early, late, took_s, done, _ = work(server, "run", 1_000_000)
            print(
                f"{version}: 1 M tasks in {took_s:.1f} s; resident after 100 k {early} KiB, "
                f"after 1 M {late} KiB: {late / early:.3f}",
                flush=True,
            )
            r.delete("run")
            for tasks in (10_000, 100_000, 1_000_000):
                abandon(r, TaskQueue(r, "pel"), tasks)
                early, late, took_s, done, recovered = work(server, "pel", tasks)
                print(
                    f"{version}: sweep of {tasks:,} pending ({done:,} done, {recovered:,} taken "
                    f"over): {took_s:.2f} s, {took_s / tasks * 1e6:.1f} us each, {late} KiB "
                    f"resident ({late / early:.3f} of that after a tenth)",
                    flush=True,
                )
                r.delete("pel")
                time.sleep(1)


if __name__ == "__main__":
    main()
