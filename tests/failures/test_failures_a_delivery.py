"""F01 to F11: what is delivered, acknowledged, deleted, and lost on the way."""

from __future__ import annotations

import signal
import sys

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support import poll

from streamlab.faults import Action, ConsumerProcess, Proxy, Rule
from streamlab.queue import TaskQueue

GROUP = "workers"

# Takes the steps it is told, says so, and waits for its death.
CONSUMER = """
import redis, sys, time
url, key, *steps = sys.argv[1:]
r = redis.Redis.from_url(url, decode_responses=True)
for step in steps:
    if step in ("read", "read-noack"):
        noack = step == "read-noack"
        [[_, [(entry_id, _)]]] = r.xreadgroup("workers", "ann", {key: ">"}, noack=noack)
    elif step == "effect":
        r.rpush(f"{key}:effects", entry_id)
    elif step == "ack":
        assert r.xack(key, "workers", entry_id) == 1
r.set(f"{key}:done", steps[-1])
time.sleep(60)
"""


@pytest.fixture
def tasks(r, key):
    """A stream with one undelivered entry, `1-1`, and a group."""
    r.xadd(key, {"data": "charge Ada"}, id="1-1")
    r.xgroup_create(key, GROUP, id="0")
    return key


def kill_after(server, r, key, *steps: str):
    """A consumer, `ann`, killed when it has taken `steps`."""
    argv = [sys.executable, "-c", CONSUMER, str(server.url), key, *steps]
    with ConsumerProcess(argv) as consumer:
        poll(lambda: r.exists(f"{key}:done"), what=consumer.last_words or steps[-1])
        consumer.kill()
        assert consumer.wait(1) == -signal.SIGKILL


def held(r, key):
    """Who holds how many."""
    return {c["name"]: int(c["pending"]) for c in r.xpending(key, GROUP)["consumers"]}


def read(r, key, consumer, *, start=">", **options):
    """The ids that `consumer` gets."""
    reply = r.xreadgroup(GROUP, consumer, {key: start}, **options)
    return [entry_id for _, entries in reply for entry_id, _ in entries]


def claim_all(r, key, consumer):
    return [entry_id for entry_id, _ in r.xautoclaim(key, GROUP, consumer, 0)[1]]


@pytest.mark.failure("F01")
def test_what_a_killed_worker_had_read_is_pending_and_no_new_read_returns_it(server, r, tasks):
    assert held(r, tasks) == {}
    kill_after(server, r, tasks, "read")
    assert held(r, tasks) == {"ann": 1}
    assert read(r, tasks, "ann") == read(r, tasks, "bob") == []
    assert read(r, tasks, "ann", start="0") == ["1-1"]
    assert claim_all(r, tasks, "bob") == ["1-1"]
    assert held(r, tasks) == {"bob": 1}


@pytest.mark.failure("F02")
def test_a_worker_killed_between_effect_and_ack_has_its_effect_twice(server, r, tasks):
    kill_after(server, r, tasks, "read", "effect")
    assert held(r, tasks) == {"ann": 1}
    for entry_id in claim_all(r, tasks, "bob"):
        r.rpush(f"{tasks}:effects", entry_id)
        assert r.xack(tasks, GROUP, entry_id) == 1
    assert r.lrange(f"{tasks}:effects", 0, -1) == ["1-1", "1-1"]
    assert held(r, tasks) == {}


@pytest.mark.failure("F03")
def test_an_ack_before_the_work_and_a_kill_lose_the_task_without_a_trace(server, r, tasks):
    kill_after(server, r, tasks, "read", "ack")
    assert held(r, tasks) == {}
    assert read(r, tasks, "ann") == read(r, tasks, "ann", start="0") == []
    assert claim_all(r, tasks, "bob") == []
    assert r.llen(f"{tasks}:effects") == 0
    assert r.xlen(tasks) == 1  # the entry is there, and looks like one that is done


@pytest.mark.failure("F04")
def test_with_noack_nothing_is_ever_pending_and_a_kill_loses_the_task(server, r, tasks):
    kill_after(server, r, tasks, "read-noack")
    assert held(r, tasks) == {}
    assert r.xack(tasks, GROUP, "1-1") == 0
    assert read(r, tasks, "bob") == claim_all(r, tasks, "bob") == []
    assert r.llen(f"{tasks}:effects") == 0


@pytest.mark.failure("F05")
@pytest.mark.parametrize("buried", [False, True])
def test_a_failed_task_that_is_acked_vanishes_unless_it_was_buried_first(r, tasks, buried):
    [entry_id] = read(r, tasks, "ann")
    with pytest.raises(ValueError, match="invalid literal"):
        int("twelve")  # the work, which fails
    assert held(r, tasks) == {"ann": 1}
    with r.pipeline(transaction=True) as pipe:
        if buried:
            pipe.xadd(f"{tasks}:dead", {"entry_id": entry_id})
        pipe.xack(tasks, GROUP, entry_id)
        assert pipe.execute()[-1] == 1
    assert held(r, tasks) == {}
    assert read(r, tasks, "bob") == claim_all(r, tasks, "bob") == []
    assert [fields["entry_id"] for _, fields in r.xrange(f"{tasks}:dead")] == ["1-1"] * buried


@pytest.mark.failure("F06")
@pytest.mark.parametrize("wrong", ["key", "group", "id"])
def test_an_ack_with_a_wrong_key_group_or_id_answers_0_and_changes_nothing(r, tasks, wrong):
    assert read(r, tasks, "ann") == ["1-1"]
    right = {"key": tasks, "group": GROUP, "id": "1-1"}
    assert r.xack(*(right | {wrong: "9-9"}).values()) == 0
    assert held(r, tasks) == {"ann": 1}
    assert not r.exists("9-9")
    assert r.xack(*right.values()) == 1
    assert r.xack(*right.values()) == 0
    assert held(r, tasks) == {}


@pytest.mark.failure("F07")
def test_an_ack_deletes_nothing_and_the_stream_grows_with_each_finished_task(r, tasks):
    for number in range(2, 6):
        entry_ids = read(r, tasks, "ann")
        assert r.xack(tasks, GROUP, *entry_ids) == len(entry_ids)
        r.xadd(tasks, {"data": "charge Bo"}, id=f"{number}-1")
        assert held(r, tasks) == {}
        assert r.xlen(tasks) == number
    assert TaskQueue(r, tasks, group=GROUP).trim() == 3  # the newest delivered one is kept
    assert [entry_id for entry_id, _ in r.xrange(tasks)] == ["4-1", "5-1"]


@pytest.mark.failure("F08")
def test_a_deleted_entry_stays_pending_without_fields_until_it_is_acked(r, tasks):
    assert read(r, tasks, "ann") == ["1-1"]
    assert r.xdel(tasks, "1-1") == 1
    assert r.xlen(tasks) == 0
    assert held(r, tasks) == {"ann": 1}
    assert r.xreadgroup(GROUP, "ann", {tasks: "0"}) == [[tasks, [("1-1", {})]]]
    assert r.xack(tasks, GROUP, "1-1") == 1
    assert held(r, tasks) == {}


@pytest.mark.failure("F08")
def test_a_sweep_takes_a_deleted_entry_off_the_pending_list_from_7_0_on(server, r, tasks):
    assert read(r, tasks, "ann") == ["1-1"]
    r.xdel(tasks, "1-1")
    _, taken, *gone = r.xautoclaim(tasks, GROUP, "bob", 0)
    if "XAUTOCLAIM deleted ids" in server.capabilities:
        assert (taken, gone) == ([], [["1-1"]])
        assert held(r, tasks) == {}
    else:
        assert (taken, gone) == ([(None, None)], [])
        assert held(r, tasks) == {"bob": 1}


@pytest.mark.failure("F09")
def test_a_late_ack_of_the_previous_owner_clears_the_new_owners_entry(r, tasks):
    assert read(r, tasks, "ann") == ["1-1"]
    assert claim_all(r, tasks, "bob") == ["1-1"]
    assert held(r, tasks) == {"bob": 1}
    assert r.xack(tasks, GROUP, "1-1") == 1  # by ann, for whom the server does not ask
    assert held(r, tasks) == {}
    assert read(r, tasks, "bob", start="0") == []
    assert r.xack(tasks, GROUP, "1-1") == 0  # by bob


@pytest.fixture
def proxy(server):
    with Proxy(server.socket) as between:
        yield between


def through(proxy, **options):
    """A client as `redis.Redis()` makes it, to the proxy."""
    path = proxy.url.removeprefix("unix://")
    return redis.Redis(unix_socket_path=path, decode_responses=True, **options)


def without_retries(proxy):
    return through(proxy, retry=Retry(NoBackoff(), 0))


@pytest.mark.failure("F10")
def test_a_lost_reply_leaves_the_entry_pending_with_a_consumer_that_never_saw_it(r, tasks, proxy):
    proxy.add(Rule(command="XREADGROUP", action=Action.DROP_REPLY))
    with without_retries(proxy) as client:
        with pytest.raises(redis.ConnectionError):
            read(client, tasks, "ann")
        assert held(r, tasks) == {"ann": 1}
        assert read(client, tasks, "ann") == []
        assert read(client, tasks, "ann", start="0") == ["1-1"]


@pytest.mark.failure("F10")
def test_a_client_that_retries_reads_on_and_never_sees_the_entry_of_the_lost_reply(r, tasks, proxy):
    r.xadd(tasks, {"data": "charge Bo"}, id="2-1")
    proxy.add(Rule(command="XREADGROUP", action=Action.DROP_REPLY))
    with through(proxy) as client:
        assert read(client, tasks, "ann", count=1) == ["2-1"]
    assert held(r, tasks) == {"ann": 2}


@pytest.mark.failure("F11")
def test_redis_py_sends_an_xadd_again_whose_reply_was_lost_and_stores_it_twice(r, key, proxy):
    proxy.add(Rule(command="XADD", action=Action.DROP_REPLY))
    with through(proxy) as client:
        entry_id = client.xadd(key, {"data": "charge Ada"})
    assert r.xlen(key) == 2
    assert r.xrevrange(key, count=1)[0][0] == entry_id


@pytest.mark.failure("F11")
@pytest.mark.parametrize(("action", "stored"), [(Action.DROP_REPLY, 1), (Action.CUT, 0)])
def test_without_retries_an_xadd_stored_and_one_that_never_came_fail_alike(
    r, key, proxy, action, stored
):
    proxy.add(Rule(command="XADD", action=action))
    with without_retries(proxy) as client, pytest.raises(redis.ConnectionError):
        client.xadd(key, {"data": "charge Ada"})
    assert r.xlen(key) == stored


@pytest.mark.failure("F11")
def test_with_idmp_an_xadd_that_is_sent_again_is_stored_once(newest, key):
    with newest.client() as r, Proxy(newest.socket) as proxy, through(proxy) as client:
        armed = proxy.add(Rule(command="XADD", action=Action.DROP_REPLY))
        entry_id = client.xadd(key, {"data": "charge Ada"}, idmp=("shop", b"t1"))
        assert armed.fired.is_set()
        assert r.xrange(key) == [(entry_id, {"data": "charge Ada"})]
        assert r.xinfo_stream(key)["iids-duplicates"] == 1
