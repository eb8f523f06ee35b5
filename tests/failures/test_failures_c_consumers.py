"""F23 to F36: names, takeovers, sweeps, poison, stops and pauses, with real processes."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from collections import Counter

import pytest
from support import effects, poll, worker_process
from working import hold, pending

from streamlab import TaskQueue, Worker
from streamlab.errors import NameInUseError
from streamlab.faults import ConsumerProcess

GROUP = "workers"
LONG_MS = 30_000

# Takes the steps it is told, and says each on a list of its own. "go" waits for a word.
CONSUMER = """
import json, os, redis, signal, sys
url, key, me, *steps = sys.argv[1:]
r = redis.Redis.from_url(url, decode_responses=True)
entries = []
ids = lambda: [entry_id for entry_id, _ in entries]
def effect():
    for _, task in entries[:1]:
        r.rpush(f"{key}:effects", task["data"])
def work(task):
    if task["data"] == "bad":
        raise ValueError
    if task["data"] == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    r.rpush(f"{key}:effects", json.loads(task["form"]) if "form" in task else task["data"])
def bury():
    r.xadd(f"{key}:dead", {"entry_id": ids()[0]})
def times():
    return r.xpending_range(key, "workers", ids()[0], ids()[0], 1)[0]["times_delivered"]
def try_work(limit):
    try:
        work(entries[0][1])
    except ValueError:
        if times() > limit:
            bury()
for step in steps:
    verb, _, what = step.partition(" ")
    if verb == "read":
        entries = r.xreadgroup("workers", me, {key: what}, count=100)[0][1]
    elif verb == "sweep":
        entries = r.xautoclaim(key, "workers", me, int(what))[1]
    elif verb == "sweep-justid":
        r.xautoclaim(key, "workers", me, int(what), justid=True)
    elif verb == "effect":
        effect()
    elif verb == "once":
        script = "return redis.call('SET', KEYS[1], 1, 'NX') and redis.call('RPUSH', KEYS[2], 1)"
        r.eval(script, 2, f"{key}:{ids()[0]}", f"{key}:effects")
    elif verb == "ack":
        what = r.xack(key, "workers", *ids())
    elif verb == "tell":
        r.rpush(f"{key}:told", *ids() or ["nothing"])
    elif verb == "bury":
        bury()
    elif verb == "counted-after":
        try_work(int(what))
    elif verb == "counted-before":
        bury() if times() > int(what) else work(entries[0][1])
    elif verb == "loop":
        for _ in range(int(what)):
            for start in "0>":
                for _, found in r.xreadgroup("workers", me, {key: start}, count=1)[:1]:
                    for entry_id, task in found:
                        try:
                            work(task)
                        except ValueError:
                            continue
                        r.xack(key, "workers", entry_id)
                if found: break
    elif verb == "go":
        r.blpop(f"{key}:go {me}")
    elif verb == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    r.rpush(f"{key}:{me}", f"{verb} {what}".strip() if verb == "ack" else step)
"""


@pytest.fixture
def crew(server, key):
    """Starts consumers of `key` as processes, and leaves none of them behind."""
    started = []

    def start(name: str, *steps: str) -> ConsumerProcess:
        argv = [sys.executable, "-c", CONSUMER, str(server.url), key, name, *steps]
        started.append(ConsumerProcess(argv, name=name).start())
        return started[-1]

    yield start
    for one in started:
        one.close()


def add(r, key, *data: str):
    """One task for each of `data`, `1-1` and on, and a group that has delivered none of them."""
    for number, text in enumerate(data, start=1):
        task = {"task_id": f"t{number}", "data": text, "created_at": 0}
        r.xadd(key, task, id=f"{number}-1")
    r.xgroup_create(key, GROUP, id="0")


def ids(first: int, last: int) -> list[str]:
    return [f"{n}-1" for n in range(first, last + 1)]


def done(r, key, name, step):
    """Wait until the consumer `name` has taken `step`."""
    poll(lambda: step in r.lrange(f"{key}:{name}", 0, -1), what=f"{step!r} of {name}")


def go(r, key, name):
    r.rpush(f"{key}:go {name}", "go")


def age(r, key, name, *entry_ids: str):
    """As if nobody had touched them for a minute."""
    assert r.xclaim(key, GROUP, name, 0, entry_ids, idle=60_000, justid=True) == list(entry_ids)


def holders(r, key):
    return {c["name"]: int(c["pending"]) for c in r.xpending(key, GROUP)["consumers"]}


def killed_holding(r, key, crew, name, count=1):
    """A consumer that was killed when it had read `count` entries."""
    consumer = crew(name, "read >", "go")
    done(r, key, name, "read >")
    consumer.kill()
    assert consumer.wait(1) == -signal.SIGKILL
    assert holders(r, key)[name] == count


def reaped_by_one_that_runs_a_task(r, key) -> int:
    """How many dead names a worker has removed, which sweeps before its first read."""
    queue = TaskQueue(r, key)
    queue.enqueue("new")
    report = Worker(queue, lambda _task: None, reap_ms=0).run(max_tasks=1)
    assert report.done == 1
    return report.reaped


# -- names -------------------------------------------------------------------------------------


@pytest.mark.failure("F23")
def test_two_workers_with_one_name_have_the_effect_of_one_task_twice(r, key, crew):
    add(r, key, "charge Ada")
    first = crew("consumer_1", "read >", "go", "effect", "ack")
    done(r, key, "consumer_1", "read >")
    second = crew("consumer_1", "read 0", "effect", "ack")
    assert second.wait(10) == 0
    assert first.alive
    go(r, key, "consumer_1")
    assert first.wait(10) == 0
    assert effects(r, key) == ["charge Ada", "charge Ada"]
    steps = r.lrange(f"{key}:consumer_1", 0, -1)
    assert [step for step in steps if step.startswith("ack")] == ["ack 1", "ack 0"]


@pytest.mark.failure("F23")
def test_the_name_of_a_live_worker_is_refused_to_a_second_one(server, r, key):
    with worker_process(server, key, "record", "--name", "a"):
        TaskQueue(r, key).enqueue("x")
        poll(lambda: effects(r, key) == ["x"])
        with pytest.raises(NameInUseError, match="belongs to a live worker"):
            Worker(TaskQueue(r, key), print, name="a").run(max_tasks=1)


@pytest.mark.failure("F24")
def test_names_of_workers_that_ended_stay_in_the_group_until_they_are_removed(r, key, crew):
    add(r, key, "a", "b", "c")
    names = {f"worker-{secrets.token_hex(4)}" for _ in range(3)}
    r.xgroup_createconsumer(key, GROUP, "alive")
    ended = [crew(name, "loop 1") for name in sorted(names)]
    assert [one.wait(10) for one in ended] == [0, 0, 0]
    assert sorted(effects(r, key)) == ["a", "b", "c"]
    assert holders(r, key) == {}
    assert {c["name"] for c in r.xinfo_consumers(key, GROUP)} == names | {"alive"}
    assert reaped_by_one_that_runs_a_task(r, key) == 4
    assert r.xinfo_consumers(key, GROUP) == []


@pytest.mark.failure("F25")
def test_deleting_a_consumer_loses_what_it_holds_and_nobody_can_claim_it(r, key, crew):
    add(r, key, "a", "b")
    killed_holding(r, key, crew, "dan", 2)
    assert r.xgroup_delconsumer(key, GROUP, "dan") == 2
    assert holders(r, key) == {}
    assert r.xreadgroup(GROUP, "zoe", {key: ">"}) == []
    assert r.xautoclaim(key, GROUP, "zoe", 0)[1] == []
    assert r.xclaim(key, GROUP, "zoe", 0, ["1-1", "2-1"]) == []
    assert r.xlen(key) == 2


@pytest.mark.failure("F25")
def test_force_brings_back_what_a_deletion_lost_and_what_was_done_alike(r, key):
    add(r, key, "done", "lost")
    assert hold(r, key, "dan") == ["1-1", "2-1"]
    assert r.xack(key, GROUP, "1-1") == 1
    assert r.xgroup_delconsumer(key, GROUP, "dan") == 1
    assert r.xclaim(key, GROUP, "zoe", 0, ["1-1", "2-1"], force=True, justid=True) == ids(1, 2)
    assert holders(r, key) == {"zoe": 2}


@pytest.mark.failure("F25")
def test_a_worker_never_removes_a_dead_consumer_that_holds_an_entry(r, key, crew):
    add(r, key, "a")
    killed_holding(r, key, crew, "dan")
    assert reaped_by_one_that_runs_a_task(r, key) == 0
    assert holders(r, key) == {"dan": 1}


# -- taking over -------------------------------------------------------------------------------


@pytest.mark.failure("F26")
def test_a_min_idle_shorter_than_the_work_runs_the_task_of_a_live_worker_twice(r, key, crew):
    add(r, key, "charge Ada")
    ann = crew("ann", "read >", "go", "effect", "ack")
    done(r, key, "ann", "read >")
    poll(lambda: pending(r, key)["1-1"][1] >= 50)
    assert crew("bob", "sweep 50", "effect", "ack").wait(10) == 0
    assert ann.alive
    go(r, key, "ann")
    assert ann.wait(10) == 0
    assert effects(r, key) == ["charge Ada", "charge Ada"]
    assert r.lindex(f"{key}:ann", -1) == "ack 0"


@pytest.mark.failure("F26")
def test_a_longer_min_idle_leaves_even_the_task_of_a_killed_worker_alone(r, key, crew):
    add(r, key, "a")
    killed_holding(r, key, crew, "ann")
    assert r.xautoclaim(key, GROUP, "bob", LONG_MS)[1] == []
    assert holders(r, key) == {"ann": 1}


@pytest.mark.failure("F27")
def test_a_claim_from_oneself_with_justid_resets_the_idle_time_and_not_the_count(r, key):
    add(r, key, "a")
    hold(r, key, "ann")
    age(r, key, "ann", "1-1")
    assert r.xclaim(key, GROUP, "ann", 0, ["1-1"], justid=True) == ["1-1"]
    assert pending(r, key)["1-1"][1] < LONG_MS
    assert r.xautoclaim(key, GROUP, "bob", LONG_MS)[1] == []
    assert pending(r, key)["1-1"][2] == 1
    r.xclaim(key, GROUP, "ann", 0, ["1-1"])
    assert pending(r, key)["1-1"][2] == 2


@pytest.mark.failure("F27")
def test_a_heartbeat_without_a_check_of_the_owner_steals_the_task_back(r, key):
    add(r, key, "a")
    hold(r, key, "zombie")
    age(r, key, "zombie", "1-1")
    assert r.xautoclaim(key, GROUP, "bob", LONG_MS)[1]
    assert holders(r, key) == {"bob": 1}
    assert r.xclaim(key, GROUP, "zombie", 0, ["1-1"], justid=True) == ["1-1"]
    assert holders(r, key) == {"zombie": 1}


@pytest.mark.failure("F27")
def test_a_worker_that_was_stopped_past_min_idle_does_not_steal_its_task_back(server, r, key):
    queue = TaskQueue(r, key)
    queue.enqueue("a")
    options = ("--min-idle-ms", "100", "--max-tasks", "1", "--name", "zombie")
    with worker_process(server, key, "slow", *options, work_s=1.0) as zombie:
        poll(lambda: effects(r, key) == ["begin a"])
        zombie.send_signal(signal.SIGSTOP)
        poll(lambda: next(idle_ms for _, idle_ms, _ in pending(r, key).values()) > 100)
        assert r.xautoclaim(key, GROUP, "bob", 100)[1]
        zombie.send_signal(signal.SIGCONT)
        until = time.monotonic() + 0.5  # several of its heartbeats
        while time.monotonic() < until:
            assert holders(r, key) == {"bob": 1}
        assert zombie.poll() is None


# -- sweeping ----------------------------------------------------------------------------------


@pytest.mark.failure("F28")
@pytest.mark.parametrize(("min_idle_ms", "times"), [(LONG_MS, 1), (0, 2)])
def test_of_two_reapers_at_once_one_gets_each_entry_unless_min_idle_is_0(
    r, key, crew, min_idle_ms, times
):
    add(r, key, *["a"] * 50)
    hold(r, key, "dead")
    age(r, key, "dead", *ids(1, 50))
    reapers = [crew(name, "read 0", "go", f"sweep {min_idle_ms}", "tell") for name in "bc"]
    for name in "bc":
        done(r, key, name, "read 0")
    with r.pipeline() as both_at_once:
        for name in "bc":
            go(both_at_once, key, name)
        both_at_once.execute()
    assert [one.wait(10) for one in reapers] == [0, 0]
    expected = Counter(dict.fromkeys(ids(1, 50), times))
    assert Counter(r.lrange(f"{key}:told", 0, -1)) - Counter(nothing=1) == expected


@pytest.mark.failure("F29")
def test_a_sweep_that_ignores_the_cursor_never_comes_past_ten_times_count(r, key, crew):
    add(r, key, *["a"] * 40)
    hold(r, key, "ann", 20)
    killed_holding(r, key, crew, "dan", 20)
    age(r, key, "dan", *ids(21, 40))
    for _ in range(3):
        assert r.xautoclaim(key, GROUP, "zoe", LONG_MS, "0-0", count=1)[:2] == ["11-1", []]
    assert r.xautoclaim(key, GROUP, "zoe", LONG_MS, "11-1", count=1)[:2] == ["21-1", []]
    cursor, taken = "21-1", []
    while cursor != "0-0":
        cursor, found, *_ = r.xautoclaim(key, GROUP, "zoe", LONG_MS, cursor, count=1)
        taken += [entry_id for entry_id, _ in found]
    assert taken == ids(21, 40)
    assert holders(r, key) == {"ann": 20, "zoe": 20}


@pytest.mark.failure("F29")
def test_claim_finds_what_is_idle_behind_any_number_of_fresh_entries(newest, key):
    with newest.client() as r:
        add(r, key, *["a"] * 40)
        hold(r, key, "ann", 39)
        hold(r, key, "dan")
        age(r, key, "dan", "40-1")
        [[_, [entry]]] = r.xreadgroup(
            GROUP, "zoe", {key: ">"}, count=1, claim_min_idle_time=LONG_MS
        )
        assert entry[0] == "40-1"


@pytest.mark.failure("F29")
def test_redis_py_drops_the_cursor_of_an_xautoclaim_with_justid(r, key):
    add(r, key, "a")
    hold(r, key, "ann")
    assert r.xautoclaim(key, GROUP, "zoe", 0, justid=True) == ["1-1"]


@pytest.mark.failure("F30")
@pytest.mark.parametrize(("sweep", "counted"), [("sweep-justid", 1), ("sweep", 3)])
def test_sweeps_with_justid_are_not_counted_as_deliveries_however_many_die(
    r, key, crew, sweep, counted
):
    add(r, key, "deadly")
    killed_holding(r, key, crew, "ann")
    holder = "ann"
    for name in ("bob", "cy"):
        age(r, key, holder, "1-1")
        assert crew(name, f"{sweep} {LONG_MS}", "die").wait(10) == -signal.SIGKILL
        holder = name
    assert (pending(r, key)["1-1"][0], pending(r, key)["1-1"][2]) == ("cy", counted)


# -- poison ------------------------------------------------------------------------------------


@pytest.mark.failure("F31")
def test_a_poison_message_comes_back_for_ever_and_what_is_behind_it_is_never_read(r, key, crew):
    add(r, key, "a", "bad", "c")
    assert crew("ann", "loop 50").wait(10) == 0
    assert effects(r, key) == ["a"]
    assert pending(r, key)["2-1"][2] == 49
    assert r.xinfo_groups(key)[0]["last-delivered-id"] == "2-1"


@pytest.mark.failure("F31")
def test_a_worker_with_a_limit_moves_it_aside_and_does_the_rest(r, key):
    add(r, key, "a", "bad", "c")
    ran = []

    def handler(task):
        ran.append(task.data)
        if task.data == "bad":
            raise ValueError(task.data)

    queue = TaskQueue(r, key)
    report = Worker(queue, handler, max_deliveries=3, retry_ms=0).run(idle_ms=500)
    assert (report.done, report.dead_lettered) == (2, 1)
    assert Counter(ran) == {"a": 1, "bad": 3, "c": 1}
    assert [letter.entry_id for letter in queue.dead_letters()] == ["2-1"]


@pytest.mark.failure("F32")
def test_a_dead_letter_in_two_steps_and_a_kill_between_them_is_in_both_places(r, key, crew):
    add(r, key, "bad")
    killed = crew("ann", "read >", "bury", "go", "ack")
    done(r, key, "ann", "bury")
    killed.kill()
    assert (r.xlen(f"{key}:dead"), holders(r, key)) == (1, {"ann": 1})
    age(r, key, "ann", "1-1")
    assert crew("bob", f"sweep {LONG_MS}", "bury", "ack").wait(10) == 0
    letters = [letter["entry_id"] for _, letter in r.xrange(f"{key}:dead")]
    assert (letters, holders(r, key)) == (["1-1", "1-1"], {})


@pytest.mark.failure("F32")
def test_the_ack_before_the_dead_letter_and_a_kill_between_them_leave_it_nowhere(r, key, crew):
    add(r, key, "bad")
    killed = crew("ann", "read >", "ack", "go", "bury")
    done(r, key, "ann", "ack 1")
    killed.kill()
    assert (r.xlen(f"{key}:dead"), holders(r, key)) == (0, {})


@pytest.mark.failure("F33")
def test_a_count_looked_at_after_the_handler_never_stops_one_that_kills_its_process(r, key, crew):
    add(r, key, "deadly")
    killed_holding(r, key, crew, "a")
    for before, name in ("ab", "bc", "cd"):
        age(r, key, before, "1-1")
        steps = (f"sweep {LONG_MS}", "counted-after 1")
        assert crew(name, *steps).wait(10) == -signal.SIGKILL
    assert pending(r, key)["1-1"][2] == 4
    assert r.xlen(f"{key}:dead") == 0
    age(r, key, "d", "1-1")
    assert crew("e", f"sweep {LONG_MS}", "counted-before 1", "ack").wait(10) == 0
    assert (r.xlen(f"{key}:dead"), holders(r, key)) == (1, {})


@pytest.mark.failure("F34")
@pytest.mark.parametrize(("form", "error"), [({}, "KeyError"), ({"form": "{"}, "JSONDecodeError")])
def test_a_missing_field_or_broken_json_ends_the_listener_at_each_delivery(
    r, key, crew, form, error
):
    r.xadd(key, {"data": "x", **form} if form else {"dta": "x"}, id="1-1")
    r.xgroup_create(key, GROUP, id="0")
    for deliveries, start in enumerate((">", "0"), start=1):
        listener = crew("ann", f"read {start}", "counted-before 9")
        assert listener.wait(10) == 1
        assert error in listener.last_words
        assert pending(r, key)["1-1"][2] == deliveries


@pytest.mark.failure("F34")
def test_a_worker_buries_what_cannot_be_read_at_its_first_delivery(r, key):
    add(r, key, "{", "1")
    r.xadd(key, {"dta": "x"}, id="3-1")
    queue = TaskQueue(r, key)
    report = Worker(queue, lambda task: task.json()).run(idle_ms=500)
    assert (report.done, report.dead_lettered) == (1, 2)
    letters = {letter.entry_id: letter for letter in queue.dead_letters()}
    assert letters.keys() == {"1-1", "3-1"}
    assert {(one.error, one.deliveries) for one in letters.values()} == {("PayloadError", 1)}


# -- stops and pauses --------------------------------------------------------------------------


@pytest.mark.failure("F35")
def test_what_a_terminated_worker_held_waits_for_min_idle(r, key, crew):
    add(r, key, "a", "b")
    ann = crew("ann", "read >", "go")
    done(r, key, "ann", "read >")
    ann.terminate()
    assert ann.wait(5) == -signal.SIGTERM
    assert r.xautoclaim(key, GROUP, "bob", LONG_MS)[1] == []
    assert holders(r, key) == {"ann": 2}


@pytest.mark.failure("F35")
def test_a_worker_that_is_terminated_hands_back_what_it_has_not_begun(server, r, key):
    TaskQueue(r, key).enqueue_many(["a", "b", "c"])
    with worker_process(server, key, "slow", work_s=0.3) as process:
        poll(lambda: "begin b" in effects(r, key))  # its first read takes one entry only
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    assert (process.returncode, json.loads(out)["released"]) == (0, 1)
    assert effects(r, key)[-1] == "end b"
    taken = r.xautoclaim(key, GROUP, "bob", LONG_MS)[1]
    assert [task["data"] for _, task in taken] == ["c"]


@pytest.mark.failure("F35")
def test_an_entry_handed_back_by_xnack_is_old_enough_for_any_sweep_and_not_new(newest, key):
    with newest.client() as r:
        add(r, key, *"abc")
        hold(r, key, "ann")
        for mode, entry_id in zip(("SILENT", "FAIL", "FATAL"), ids(1, 3), strict=True):
            assert r.xnack(key, GROUP, mode, entry_id) == 1
        found = {one: (owner, count) for one, (owner, _, count) in pending(r, key).items()}
        assert found == {"1-1": ("", 0), "2-1": ("", 1), "3-1": ("", 2**63 - 1)}
        assert r.xreadgroup(GROUP, "bob", {key: ">"}) == []
        assert r.xautoclaim(key, GROUP, "bob", LONG_MS, justid=True) == ids(1, 3)


@pytest.mark.failure("F36")
@pytest.mark.parametrize(("effect", "times"), [("effect", 2), ("once", 1)])
def test_a_task_whose_worker_was_stopped_past_min_idle_is_run_by_two_and_a_key_makes_it_one_effect(
    r, key, crew, effect, times
):
    add(r, key, "charge Ada")
    ann = crew("ann", "read >", "go", effect, "ack")
    done(r, key, "ann", "read >")
    ann.stop()
    age(r, key, "ann", "1-1")
    assert crew("bob", f"sweep {LONG_MS}", effect, "ack").wait(10) == 0
    go(r, key, "ann")
    ann.cont()
    assert ann.wait(10) == 0
    assert r.llen(f"{key}:effects") == times
    assert (r.lindex(f"{key}:bob", -1), r.lindex(f"{key}:ann", -1)) == ("ack 1", "ack 0")
