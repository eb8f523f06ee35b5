"""Group D, memory and trimming (F37 to F44): what each does on a real server of each version."""

from __future__ import annotations

import signal
import sys
import warnings

import pytest
import redis
from support import VERSIONS, poll

from streamlab import TaskQueue, Worker
from streamlab.errors import NotEnqueuedError, WorkKeptWarning
from streamlab.faults import ConsumerProcess
from streamlab.faults.server import memory_limit, snapshot
from streamlab.server import RedisServer

TASK = {"task_id": "t", "data": "x", "created_at": "0"}
GROUP = "workers"


def add(r, key, first, last, **bounds):
    return [r.xadd(key, TASK, id=f"{n}-1", **bounds) for n in range(first, last + 1)]


def read(r, key, count=None, group=GROUP, consumer="ann"):
    reply = r.xreadgroup(group, consumer, {key: ">"}, count=count)
    return [entry_id for _, entries in reply for entry_id, _ in entries]


def pending(r, key, group=GROUP):
    return [entry["message_id"] for entry in r.xpending_range(key, group, "-", "+", 1000)]


def lag(r, key, group=GROUP):
    """The lag as the server says it; "absent" on one that has none."""
    return next(g.get("lag", "absent") for g in r.xinfo_groups(key) if g["name"] == group)


@pytest.fixture
def at_zero(r, key):
    """A group at the beginning of a stream that is still empty."""
    r.xgroup_create(key, GROUP, "0", mkstream=True)
    return key


# -- F37: memory ends --------------------------------------------------------------------------


@pytest.mark.failure("F37")
def test_without_memory_xadd_is_refused_and_work_in_hand_can_be_finished(server, r, at_zero):
    add(r, at_zero, 1, 3)
    with memory_limit(server, "noeviction", spare_bytes=-100_000):
        for command in (lambda: add(r, at_zero, 4, 4), lambda: r.xgroup_create(at_zero, "g", "0")):
            with pytest.raises(redis.OutOfMemoryError):
                command()
        assert read(r, at_zero) == ["1-1", "2-1", "3-1"]
        assert r.xack(at_zero, GROUP, "1-1", "2-1") == 2
        assert TaskQueue(r, at_zero).trim() == 2
        assert snapshot(r, at_zero) == {"3-1"}
        assert pending(r, at_zero) == ["3-1"]
    assert add(r, at_zero, 4, 4) == ["4-1"]


@pytest.mark.failure("F37")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_cache_policy_evicts_the_whole_stream_and_xadd_succeeds_on_a_new_one(version):
    with RedisServer(version) as server, server.client() as r:
        r.xgroup_create("tasks", GROUP, "0", mkstream=True)
        for number in range(1, 501):
            r.xadd("tasks", {"data": "x" * 2000}, id=f"{number}-1")
        read(r, "tasks", 5)
        with memory_limit(server, "allkeys-lru", spare_bytes=-300_000):
            poll(lambda: not r.exists("tasks"), what="the eviction")
            assert add(r, "tasks", 9999, 9999) == ["9999-1"]
        assert r.info("stats")["evicted_keys"] == 1
        assert snapshot(r, "tasks") == {"9999-1"}
        with pytest.raises(redis.ResponseError, match="NOGROUP"):
            read(r, "tasks")


@pytest.mark.failure("F37")
def test_a_task_refused_for_want_of_memory_is_known_not_to_be_on_the_stream(server, r, at_zero):
    queue = TaskQueue(r, at_zero)
    with (
        memory_limit(server, "noeviction", spare_bytes=-100_000),
        pytest.raises(NotEnqueuedError, match="refused XADD"),
    ):
        queue.enqueue("x")
    assert snapshot(r, at_zero) == frozenset()
    assert queue.enqueue("x").entry_id in snapshot(r, at_zero)


# -- F38: trimmed unread -----------------------------------------------------------------------


@pytest.mark.failure("F38")
def test_maxlen_deletes_what_no_consumer_has_read_and_no_command_fails(r, at_zero):
    add(r, at_zero, 1, 3)
    assert read(r, at_zero, 1) == ["1-1"]
    assert r.xack(at_zero, GROUP, "1-1") == 1
    assert add(r, at_zero, 4, 6, maxlen=3, approximate=False) == ["4-1", "5-1", "6-1"]
    assert read(r, at_zero) == ["4-1", "5-1", "6-1"]  # 2-1 and 3-1: never, to nobody
    assert pending(r, at_zero) == ["4-1", "5-1", "6-1"]


@pytest.mark.failure("F38")
def test_the_articles_producer_loses_its_oldest_tasks_while_no_consumer_runs(r, at_zero):
    with r.pipeline(transaction=False) as pipe:
        for number in range(1200):
            pipe.xadd(at_zero, TASK, id=f"{number}-1", maxlen=1000, approximate=True)
        sent = pipe.execute()
    given = read(r, at_zero)
    assert 1000 <= len(given) < 1100
    assert given == sent[-len(given) :]


@pytest.mark.failure("F38")
def test_the_count_of_entries_that_were_trimmed_unread_shrinks_with_the_next_read(server, r, key):
    if "lag" not in server.capabilities:
        pytest.skip("the server counts nothing before 7.0")

    def missed():
        stream, [group] = r.xinfo_stream(key), r.xinfo_groups(key)
        return stream["entries-added"] - stream["length"] - group["entries-read"]

    r.xgroup_create(key, GROUP, "0", mkstream=True)
    add(r, key, 1, 3)
    read(r, key, 1)
    add(r, key, 4, 6, maxlen=3, approximate=False)
    assert missed() == 2
    read(r, key, 1)
    assert missed() < 2


# -- F39: trimmed while pending ----------------------------------------------------------------


@pytest.mark.failure("F39")
def test_an_entry_trimmed_while_pending_stays_pending_without_its_fields(r, at_zero):
    add(r, at_zero, 1, 3)
    assert read(r, at_zero, 2) == ["1-1", "2-1"]
    assert r.xtrim(at_zero, maxlen=1, approximate=False) == 2
    assert pending(r, at_zero) == ["1-1", "2-1"]
    assert r.xreadgroup(GROUP, "ann", {at_zero: "0"}) == [[at_zero, [("1-1", {}), ("2-1", {})]]]


@pytest.mark.failure("F39")
def test_a_sweep_clears_trimmed_entries_from_7_0_on_and_before_it_they_stay_for_ever(
    server, r, at_zero
):
    add(r, at_zero, 1, 3)
    read(r, at_zero, 2)
    r.xtrim(at_zero, maxlen=1, approximate=False)
    for sweep in (1, 2):
        reply = r.xautoclaim(at_zero, GROUP, "bob", 0)
        if "XAUTOCLAIM deleted ids" in server.capabilities:
            assert reply == ["0-0", [], ["1-1", "2-1"] if sweep == 1 else []]
            assert pending(r, at_zero) == []
        else:
            assert reply == ["0-0", [(None, None), (None, None)]]
            assert pending(r, at_zero) == ["1-1", "2-1"]


@pytest.mark.failure("F39")
def test_the_worker_clears_and_counts_trimmed_entries_on_every_version(r, at_zero):
    add(r, at_zero, 1, 3)
    read(r, at_zero, 2)
    r.xtrim(at_zero, maxlen=1, approximate=False)
    done = []
    worker = Worker(TaskQueue(r, at_zero), lambda task: done.append(task.entry_id), name="ann")
    report = worker.run(idle_ms=100)
    assert (report.gone, report.done, done) == (2, 1, ["3-1"])
    assert pending(r, at_zero) == []


# -- F40: about --------------------------------------------------------------------------------


@pytest.mark.failure("F40")
@pytest.mark.parametrize(("added", "left"), [(20, 20), (109, 109), (110, 10), (295, 95)])
def test_an_approximate_maxlen_trims_whole_nodes_of_100_only(r, key, added, left):
    with r.pipeline(transaction=False) as pipe:
        for _ in range(added):
            pipe.xadd(key, {"data": "x"}, maxlen=10, approximate=True)
        pipe.execute()
    assert r.xlen(key) == left
    assert r.xtrim(key, maxlen=10, approximate=False) == left - 10


# -- F41: the safe cut -------------------------------------------------------------------------


@pytest.fixture
def two_groups(r, at_zero):
    """Of 8 entries `workers` was given 6 and holds 3-1; `audit` was given 4 and holds none."""
    add(r, at_zero, 1, 8)
    r.xgroup_create(at_zero, "audit", "0")
    read(r, at_zero, 6)
    r.xack(at_zero, GROUP, "1-1", "2-1", "4-1", "5-1", "6-1")
    r.xack(at_zero, "audit", *read(r, at_zero, 4, "audit"))
    return at_zero


@pytest.mark.failure("F41")
def test_a_cut_at_what_one_group_was_given_takes_anothers_unread_and_its_own_pending(r, two_groups):
    given = next(g["last-delivered-id"] for g in r.xinfo_groups(two_groups) if g["name"] == GROUP)
    assert r.xtrim(two_groups, minid=given, approximate=False) == 5
    assert r.xreadgroup(GROUP, "ann", {two_groups: "0"}) == [[two_groups, [("3-1", {})]]]
    assert read(r, two_groups, group="audit") == ["6-1", "7-1", "8-1"]  # 5-1 is lost


@pytest.mark.failure("F41")
def test_the_safe_trim_stops_below_the_oldest_pending_and_the_slowest_cursor(r, two_groups):
    queue = TaskQueue(r, two_groups)
    assert queue.trim() == 2
    assert r.xrange(two_groups, count=1)[0][0] == "3-1"  # in ann's hands
    r.xack(two_groups, GROUP, "3-1")
    assert queue.trim() == 1
    assert r.xrange(two_groups, count=1)[0][0] == "4-1"  # where audit stands
    r.xgroup_create(two_groups, "late", "0")
    r.xack(two_groups, "audit", *read(r, two_groups, group="audit"))
    assert queue.trim() == 0
    assert read(r, two_groups, group="late") == ["4-1", "5-1", "6-1", "7-1", "8-1"]


@pytest.mark.failure("F41")
def test_the_safe_trim_leaves_unfinished_work_beyond_its_bound_and_says_so(r, two_groups, key):
    with pytest.warns(WorkKeptWarning, match="MAXLEN would have lost"):
        assert TaskQueue(r, two_groups).trim(maxlen=2) == 2
    r.xgroup_destroy(two_groups, GROUP)
    r.xgroup_destroy(two_groups, "audit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorkKeptWarning)
        assert TaskQueue(r, two_groups).trim(maxlen=2) == 0  # no group has read anything
    assert r.xlen(key) == 6


# -- F42: ACKED --------------------------------------------------------------------------------


@pytest.mark.failure("F42")
def test_acked_keeps_everything_for_one_group_that_lags_and_replies_2(newest, key):
    with newest.client() as r:
        r.xgroup_create(key, GROUP, "0", mkstream=True)
        r.xgroup_create(key, "lagging", "0")
        ids = add(r, key, 1, 4)
        read(r, key)
        assert r.xackdel(key, GROUP, "1-1", "2-1", "4-1", ref_policy="ACKED") == [2, 2, 2]
        assert pending(r, key) == ["3-1"]
        assert r.xtrim(key, maxlen=0, approximate=False, ref_policy="ACKED") == 0
        assert snapshot(r, key) == set(ids)
        r.xgroup_destroy(key, "lagging")
        assert r.xtrim(key, maxlen=0, approximate=False, ref_policy="ACKED") == 3
        assert snapshot(r, key) == {"3-1"}
        assert r.xackdel(key, GROUP, "3-1", ref_policy="ACKED") == [1]
        assert r.xlen(key) == 0


@pytest.mark.failure("F42")
def test_acked_keeps_nothing_on_a_stream_without_a_group(newest, key):
    with newest.client() as r:
        add(r, key, 1, 4)
        assert r.xtrim(key, maxlen=1, approximate=False, ref_policy="ACKED") == 3
        assert snapshot(r, key) == {"4-1"}


# -- F43: what deletion frees ------------------------------------------------------------------


def fill(r, key):
    with r.pipeline(transaction=False) as pipe:
        for number in range(1, 3001):
            pipe.xadd(key, {"data": "x" * 100}, id=f"{number}-1")
        pipe.execute()
    return r.memory_usage(key, samples=0)


@pytest.mark.failure("F43")
def test_scattered_deletions_free_nothing_until_a_nodes_last_entry_goes(r, key):
    full = fill(r, key)
    survivors = {f"{number}-1" for number in range(30, 3001, 30)}
    r.xdel(key, *(snapshot(r, key) - survivors))
    assert snapshot(r, key) == survivors
    assert r.memory_usage(key, samples=0) > 0.95 * full
    for entry_id in survivors:
        r.xadd(key, {"data": "x" * 100})
        r.xdel(key, entry_id)
    assert r.xlen(key) == len(survivors)
    assert r.memory_usage(key, samples=0) < 0.1 * full
    r.delete(key)


@pytest.mark.failure("F43")
def test_a_trim_from_the_front_frees_what_it_deletes(r, key):
    full = fill(r, key)
    assert r.xtrim(key, minid="2901-1", approximate=False) == 2900
    assert r.memory_usage(key, samples=0) < 0.1 * full
    r.delete(key)


@pytest.mark.failure("F43")
def test_an_emptied_stream_remains_with_its_group_and_its_last_id(r, at_zero):
    add(r, at_zero, 5, 5)
    assert r.xdel(at_zero, "5-1") == 1
    assert (r.exists(at_zero), r.type(at_zero), r.xlen(at_zero)) == (1, "stream", 0)
    assert [group["name"] for group in r.xinfo_groups(at_zero)] == [GROUP]
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        add(r, at_zero, 4, 4)


# -- F44: the lag ------------------------------------------------------------------------------


@pytest.mark.failure("F44")
def test_the_lag_is_unknown_while_a_deleted_entry_lies_ahead_and_the_backlog_is_not_0(
    server, r, at_zero
):
    add(r, at_zero, 1, 5)
    assert lag(r, at_zero) == (5 if "lag" in server.capabilities else "absent")
    r.xdel(at_zero, "3-1")
    assert lag(r, at_zero) == (None if "lag" in server.capabilities else "absent")
    assert TaskQueue(r, at_zero).depth().lag is None
    assert read(r, at_zero) == ["1-1", "2-1", "4-1", "5-1"]
    assert lag(r, at_zero) == (0 if "lag" in server.capabilities else "absent")


@pytest.mark.failure("F44")
def test_the_lag_of_a_group_that_began_in_the_middle_or_at_the_end_is_unknown(server, r, key):
    add(r, key, 1, 5)
    r.xgroup_create(key, "middle", "3-1")
    r.xgroup_create(key, "end", "$")
    add(r, key, 6, 6)
    unknown = None if "lag" in server.capabilities else "absent"
    assert [lag(r, key, group) for group in ("middle", "end")] == [unknown, unknown]
    assert read(r, key, group="middle") == ["4-1", "5-1", "6-1"]
    assert read(r, key, group="end") == ["6-1"]


@pytest.mark.failure("F44")
def test_a_wrong_entriesread_gives_a_wrong_lag_even_when_all_is_read(server, r, key):
    if "lag" not in server.capabilities:
        pytest.skip("ENTRIESREAD came with 7.0")
    add(r, key, 1, 5)
    r.xgroup_create(key, GROUP, "3-1", entries_read=1)
    assert lag(r, key) == 4
    assert [read(r, key, 1), read(r, key, 1), read(r, key, 1)] == [["4-1"], ["5-1"], []]
    assert lag(r, key) == 2


@pytest.mark.failure("F44")
def test_entries_trimmed_unread_count_as_lag_on_7_0_and_no_more_on_newer_servers(server, r, key):
    if "lag" not in server.capabilities:
        pytest.skip("no lag before 7.0")
    r.xgroup_create(key, GROUP, "0", mkstream=True)
    add(r, key, 1, 6)
    read(r, key, 1)
    r.xtrim(key, maxlen=2, approximate=False)
    assert lag(r, key) == (5 if server.version.startswith("7.0") else 2)
    assert read(r, key) == ["5-1", "6-1"]


GREEDY = """
import os, redis, time
r = redis.Redis.from_url(os.environ["URL"])
r.xreadgroup("workers", "greedy", {os.environ["KEY"]: ">"}, count=100)
time.sleep(60)
"""


@pytest.mark.failure("F44")
def test_a_stopped_worker_with_all_tasks_shows_a_lag_of_0_and_a_sweep_does_them(server, r, at_zero):
    add(r, at_zero, 1, 50)
    env = {"URL": str(server.url), "KEY": at_zero}
    with ConsumerProcess([sys.executable, "-c", GREEDY], env=env) as greedy:
        poll(lambda: len(pending(r, at_zero)) == 50)
        greedy.stop()
        depth = TaskQueue(r, at_zero).depth()
        assert depth.lag in (0, None)
        assert depth.pending == 50
        done = []
        queue = TaskQueue(r, at_zero)
        worker = Worker(queue, lambda task: done.append(task.entry_id), min_idle_ms=50)
        report = worker.run(max_tasks=50)
        assert (report.recovered, len(set(done))) == (50, 50)
        assert pending(r, at_zero) == []
        greedy.kill()
        assert greedy.wait(1) == -signal.SIGKILL
