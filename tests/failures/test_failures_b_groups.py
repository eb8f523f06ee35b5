"""F12 to F22: where a group stands, which ids mean what, how many entries come, in what order."""

from __future__ import annotations

import contextlib
import time

import pytest
import redis
from support import NEWEST, poll

from streamlab.faults.clock import ServerClock
from streamlab.server import RedisServer

GROUP = "workers"


def add(r, key, *numbers: int):
    for number in numbers:
        r.xadd(key, {"n": number}, id=f"{number}-1")


@pytest.fixture
def tasks(r, key):
    """A stream with `1-1` to `3-1`, and a group that has delivered none of them."""
    add(r, key, 1, 2, 3)
    r.xgroup_create(key, GROUP, id="0")
    return key


def ids(reply):
    """The ids in a reply of XREAD or XREADGROUP, over all streams."""
    return [entry_id for _, entries in reply for entry_id, _ in entries]


def read(r, key, consumer, *, start=">", group=GROUP, **options):
    return ids(r.xreadgroup(group, consumer, {key: start}, **options))


def held(r, key):
    """Who holds how many."""
    return {c["name"]: int(c["pending"]) for c in r.xpending(key, GROUP)["consumers"]}


def cursor(r, key):
    [group] = r.xinfo_groups(key)
    return group["last-delivered-id"]


@contextlib.contextmanager
def blocked(r, *command: object):
    """A connection whose `command` the server has taken up and keeps waiting."""
    connection = r.connection_pool.make_connection()
    connection.connect()
    try:
        before = r.info("clients")["blocked_clients"]
        connection.send_command(*command)
        poll(lambda: r.info("clients")["blocked_clients"] > before, what="blocking")
        yield connection
    finally:
        connection.disconnect()


# -- where a group begins ----------------------------------------------------------------------


@pytest.mark.failure("F12")
def test_a_group_at_dollar_skips_the_backlog_and_one_at_0_replays_it(r, key):
    add(r, key, 1, 2)
    r.xgroup_create(key, "live")  # redis-py's default is $
    r.xgroup_create(key, "history", id="0")
    add(r, key, 3)
    assert read(r, key, "ann", group="live") == ["3-1"]
    assert read(r, key, "ann", group="history") == ["1-1", "2-1", "3-1"]


@pytest.mark.failure("F12")
def test_a_consumer_that_joins_later_gets_none_of_the_history(r, tasks):
    assert read(r, tasks, "ann", count=2) == ["1-1", "2-1"]
    assert read(r, tasks, "ben") == ["3-1"]
    assert read(r, tasks, "cat") == []
    assert held(r, tasks) == {"ann": 2, "ben": 1}


@pytest.mark.failure("F13")
def test_making_a_group_again_is_busygroup_and_moves_nothing(r, tasks):
    read(r, tasks, "ann", count=1)
    with pytest.raises(redis.ResponseError, match=r"^BUSYGROUP"):
        r.xgroup_create(tasks, GROUP, id="$")
    assert cursor(r, tasks) == "1-1"
    assert held(r, tasks) == {"ann": 1}


@pytest.mark.failure("F13")
@pytest.mark.parametrize("missing", ["key", "group"])
def test_reading_without_the_key_or_the_group_is_nogroup_and_makes_neither(r, key, missing):
    if missing == "group":
        add(r, key, 1)
    with pytest.raises(redis.ResponseError, match=r"^NOGROUP"):
        read(r, key, "ann")
    assert r.exists(key) == (missing == "group")
    assert not r.exists(key) or r.xinfo_groups(key) == []


@pytest.mark.failure("F14")
def test_reading_from_0_gives_the_own_pending_entries_and_a_new_consumer_none(r, tasks):
    read(r, tasks, "ann", count=2)
    assert read(r, tasks, "ann", start="0") == ["1-1", "2-1"]
    assert read(r, tasks, "ann", start="1-1") == ["2-1"]
    assert r.xreadgroup(GROUP, "dan", {tasks: "0"}) == [[tasks, []]]
    assert held(r, tasks) == {"ann": 2}


# -- ids that mislead --------------------------------------------------------------------------


def line_of(r, key, entry_id):
    [line] = r.xpending_range(key, GROUP, entry_id, entry_id, 1)
    return line["times_delivered"], line["time_since_delivered"]


@pytest.mark.failure("F15")
def test_each_read_from_0_counts_as_a_delivery_and_hides_the_entry_from_a_sweep(r, tasks):
    read(r, tasks, "ann", count=1)
    for turn in range(1, 4):
        r.xclaim(tasks, GROUP, "ann", 0, ["1-1"], idle=60_000, justid=True)
        times_delivered, idle_ms = line_of(r, tasks, "1-1")
        assert times_delivered == turn
        assert idle_ms >= 60_000
        assert read(r, tasks, "ann", start="0") == ["1-1"]
        assert line_of(r, tasks, "1-1")[1] < 30_000
        assert r.xautoclaim(tasks, GROUP, "zoe", 30_000)[1] == []
    r.xclaim(tasks, GROUP, "ann", 0, ["1-1"], idle=60_000, justid=True)
    assert [entry_id for entry_id, _ in r.xautoclaim(tasks, GROUP, "zoe", 30_000)[1]] == ["1-1"]


@pytest.mark.failure("F16")
@pytest.mark.parametrize(
    ("command", "wrong", "says"),
    [
        ("XREADGROUP GROUP workers ann STREAMS", "$", r"The \$ ID is meaningless"),
        ("XREADGROUP GROUP workers ann STREAMS", "+", r"The \+ ID is meaningless|Invalid stream"),
        ("XREAD STREAMS", ">", "only when calling XREADGROUP"),
    ],
)
def test_an_id_of_the_other_command_is_an_error_that_names_it(r, tasks, command, wrong, says):
    with pytest.raises(redis.ResponseError, match=says):
        r.execute_command(*command.split(), tasks, wrong)
    assert held(r, tasks) == {}


@pytest.mark.failure("F16")
def test_with_an_explicit_id_a_group_read_neither_waits_nor_gives_what_is_new(r, tasks):
    read(r, tasks, "ann", count=1)
    began_s = time.monotonic()
    for _ in range(20):
        assert read(r, tasks, "ann", start="1-1", block=4_000) == []
    assert time.monotonic() - began_s < 4
    assert read(r, tasks, "ann", block=4_000) == ["2-1", "3-1"]


@pytest.mark.failure("F17")
def test_entries_added_between_two_reads_at_dollar_are_seen_by_neither(r, key):
    add(r, key, 1)
    command = ("XREAD", "BLOCK", 20_000, "STREAMS", key, "$")
    with blocked(r, *command) as first:
        add(r, key, 2)
        assert ids(first.read_response().items()) == ["2-1"]
    add(r, key, 3)  # nobody is reading now
    with blocked(r, *command) as second:
        add(r, key, 4)
        assert ids(second.read_response().items()) == ["4-1"]
    assert ids(r.xread({key: "2-1"})) == ["3-1", "4-1"]  # from the last id: none is missed


@pytest.mark.failure("F18")
def test_a_cursor_set_back_delivers_acked_work_again_and_takes_pending_work_away(r, tasks):
    read(r, tasks, "ann")
    assert r.xack(tasks, GROUP, "1-1", "2-1") == 2
    assert held(r, tasks) == {"ann": 1}
    r.xgroup_setid(tasks, GROUP, "1-1")
    assert read(r, tasks, "bob") == ["2-1", "3-1"]
    assert held(r, tasks) == {"bob": 2}


@pytest.mark.failure("F18")
def test_a_cursor_set_forward_skips_work_that_nobody_had(r, tasks):
    assert read(r, tasks, "ann", count=1) == ["1-1"]
    r.xgroup_setid(tasks, GROUP, "$")
    assert read(r, tasks, "ann") == []
    assert held(r, tasks) == {"ann": 1}
    r.xgroup_setid(tasks, GROUP, "1-1")
    assert read(r, tasks, "ann") == ["2-1", "3-1"]


@pytest.mark.failure("F18")
def test_destroying_a_group_ends_blocked_reads_with_nogroup_and_forgets_what_was_pending(r, tasks):
    read(r, tasks, "ann")
    command = ("XREADGROUP", "GROUP", GROUP, "bob", "BLOCK", 20_000, "STREAMS", tasks, ">")
    with blocked(r, *command) as reader:
        assert r.xgroup_destroy(tasks, GROUP) == 1
        with pytest.raises(redis.ResponseError, match=r"^NOGROUP"):
            reader.read_response()
    assert r.xlen(tasks) == 3
    r.xgroup_create(tasks, GROUP, id="$")
    assert held(r, tasks) == {}
    assert read(r, tasks, "ann") == read(r, tasks, "ann", start="0") == []


@pytest.mark.failure("F19")
@pytest.mark.parametrize("entry_id", ["3-1", "3-0", "2-9"])
def test_an_explicit_id_that_is_not_above_the_last_is_refused(r, tasks, entry_id):
    for deleted in (0, 1):  # the last id stays, when its entry is gone
        with pytest.raises(redis.ResponseError, match="equal or smaller"):
            r.xadd(tasks, {"n": 0}, id=entry_id)
        assert r.xlen(tasks) == 3 - deleted
        r.xdel(tasks, "3-1")


@pytest.mark.failure("F19")
def test_after_an_id_from_the_future_the_time_in_new_ids_stands_still(r, key):
    r.xadd(key, {"n": 0}, id="9999999999999-0")
    assert [r.xadd(key, {"n": 0}) for _ in range(2)] == ["9999999999999-1", "9999999999999-2"]
    r.xtrim(key, maxlen=0, approximate=False)
    assert r.xadd(key, {"n": 0}) == "9999999999999-3"


@pytest.mark.failure("F19")
def test_after_the_clock_is_set_back_ids_keep_the_last_time_and_count_up(key):
    with (
        ServerClock() as clock,
        RedisServer(NEWEST, env=clock.env) as server,
        server.client() as r,
    ):
        first_ms, first_n = map(int, r.xadd(key, {"n": 0}).split("-"))
        clock.jump(-3600)
        later = [r.xadd(key, {"n": 0}) for _ in range(3)]
        assert later == [f"{first_ms}-{first_n + step}" for step in (1, 2, 3)]
        clock.jump(3601)
        assert int(r.xadd(key, {"n": 0}).split("-")[0]) > first_ms


# -- counts and order --------------------------------------------------------------------------


@pytest.fixture
def three(r, key):
    """Three streams of four entries each."""
    keys = [f"{key}:{name}" for name in ("urgent", "normal", "low")]
    for each in keys:
        add(r, each, 1, 2, 3, 4)
        r.xgroup_create(each, GROUP, id="0")
    return keys


@pytest.mark.failure("F20")
def test_count_is_for_each_stream_and_three_streams_give_three_times_as_many(r, three):
    reply = r.xreadgroup(GROUP, "ann", dict.fromkeys(three, ">"), count=2)
    assert [(key, ids([(key, entries)])) for key, entries in reply] == [
        (key, ["1-1", "2-1"]) for key in three
    ]
    assert [held(r, key) for key in three] == [{"ann": 2}] * 3


@pytest.mark.failure("F20")
def test_maxcount_is_for_all_streams_together_in_the_order_they_are_named(newest, key):
    keys = [f"{key}:{name}" for name in ("urgent", "normal", "low")]
    with newest.client() as r:
        for each in keys:
            add(r, each, 1, 2)
            r.xgroup_create(each, GROUP, id="0")
        reply = r.xreadgroup(GROUP, "ann", dict.fromkeys(keys, ">"), max_count=3)
        assert [(each, len(entries)) for each, entries in reply] == [(keys[0], 2), (keys[1], 1)]
        assert [held(r, each) for each in keys] == [{"ann": 2}, {"ann": 1}, {}]


@pytest.mark.failure("F21")
def test_who_asks_for_many_gets_all_and_the_others_nothing(r, tasks):
    add(r, tasks, 4, 5, 6)
    names = ("ann", "bob", "cat")
    assert [len(read(r, tasks, name, count=100)) for name in names] == [6, 0, 0]
    assert held(r, tasks) == {"ann": 6}
    add(r, tasks, *range(7, 13))
    assert [len(read(r, tasks, name, count=2)) for name in names] == [2, 2, 2]
    assert held(r, tasks) == {"ann": 8, "bob": 2, "cat": 2}


@pytest.mark.failure("F22")
def test_two_consumers_hold_neighbours_at_once_and_may_finish_them_in_either_order(r, tasks):
    assert read(r, tasks, "ann", count=1) == ["1-1"]
    assert read(r, tasks, "bob", count=1) == ["2-1"]
    assert r.xack(tasks, GROUP, "2-1") == 1  # nothing holds it back
    assert held(r, tasks) == {"ann": 1}
    assert r.xack(tasks, GROUP, "1-1") == 1


@pytest.mark.failure("F22")
def test_a_retry_comes_after_the_entries_behind_it_and_a_drain_before_each_read_prevents_it(
    r, tasks
):
    assert read(r, tasks, "ann", count=1) == ["1-1"]  # it fails, and stays pending
    assert read(r, tasks, "ann", count=1) == ["2-1"]
    assert read(r, tasks, "ann", start="0") == ["1-1", "2-1"]  # the retry, too late
    r.xack(tasks, GROUP, "1-1", "2-1")

    def next_in_order():
        own = read(r, tasks, "ann", start="0", count=1)
        return own or read(r, tasks, "ann", count=1)

    add(r, tasks, 4)
    assert next_in_order() == ["3-1"]  # it fails
    assert next_in_order() == ["3-1"]
    r.xack(tasks, GROUP, "3-1")
    assert next_in_order() == ["4-1"]


@pytest.mark.failure("F22")
def test_of_two_streams_each_keeps_its_order_when_the_other_is_held_up(r, key):
    for user in ("ada", "bo"):
        add(r, f"{key}:{user}", 1, 2)
        r.xgroup_create(f"{key}:{user}", GROUP, id="0")
    assert read(r, f"{key}:ada", "owner", count=1) == ["1-1"]  # held up
    done = []
    while entry_ids := read(r, f"{key}:bo", "owner", count=1):
        done += entry_ids
        r.xack(f"{key}:bo", GROUP, *entry_ids)
    assert done == ["1-1", "2-1"]
    assert read(r, f"{key}:ada", "owner", start="0", count=1) == ["1-1"]
