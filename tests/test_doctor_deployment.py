"""The doctor of a deployment: each bad state is made for real, told, and cured by its own fix."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from support import NEWEST, ROOT, VERSIONS, effects, poll, run_python, streamlab

from streamlab import TaskQueue, Worker
from streamlab.doctor import deployment, examine_deployment, group_checks, pending, stream_checks
from streamlab.doctor.commands import Shell
from streamlab.doctor.diagnosis import Status
from streamlab.errors import BadArgumentError, ServerError
from streamlab.server import RedisServer
from streamlab.server.url import RedisUrl

OLD_MS = 600_000
PAYLOAD = "payload-of-a-task"
READER = ("~*", "+@read", "+@connection", "+info", "+config|get")


def look(server, key=None, **options):
    return examine_deployment(str(server.url), key, **options)


def named(examination, name):
    return [found for found in examination.findings if found.name == name]


def only(examination, name):
    (finding,) = named(examination, name)
    return finding


def bad(examination):
    """The findings that are a warning or a problem."""
    return [f for f in examination.findings if f.status in {Status.WARNING, Status.PROBLEM}]


def run_fix(server, fix, **options):
    """Run a fix as a person would, with the redis-cli that came with the server."""
    call = server.cli()
    folders = [Path(call.argv[0]).parent, Path(sys.executable).parent, os.environ["PATH"]]
    path = os.pathsep.join(map(str, folders))
    done = subprocess.run(
        ["bash", "-c", fix],
        env=os.environ | {"PATH": path, **call.env},
        capture_output=True,
        text=True,
        timeout=30,
        **options,
    )
    answer = done.stdout + done.stderr
    assert done.returncode == 0, answer
    assert "ERR" not in answer, answer
    return answer


def add(r, key, count, **fields):
    """Add entries 1-0, 2-0, …"""
    with r.pipeline(transaction=False) as pipe:
        for n in range(1, count + 1):
            pipe.xadd(key, fields or {"data": PAYLOAD}, id=f"{n}-0")
        pipe.execute()


def hand_out(r, key, count, *, consumer="w1", group="g", ack=False):
    ((_, entries),) = r.xreadgroup(group, consumer, {key: ">"}, count=count)
    ids = [entry_id for entry_id, _ in entries]
    if ack:
        r.xack(key, group, *ids)
    return ids


def age(r, key, ids, *, deliveries=1, idle_ms=OLD_MS, consumer="w1"):
    """Make pending entries look as if they had been delivered long ago."""
    r.xclaim(
        key, "g", consumer, 0, ids, idle=idle_ms, retrycount=deliveries, justid=True, force=False
    )


# -- states of a stream, each made by a function; what it must be called, and by which ids ---------


def abandoned(r, key):
    add(r, key, 5)
    r.xgroup_create(key, "g", "0")
    age(r, key, hand_out(r, key, 3))


def stuck(r, key):
    add(r, key, 3)
    r.xgroup_create(key, "g", "0")
    age(r, key, hand_out(r, key, 3))


def trimmed_while_pending(r, key):
    add(r, key, 10)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 10)
    r.xtrim(key, maxlen=4, approximate=False)


def emptied_while_pending(r, key):
    add(r, key, 3)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 3)
    r.xtrim(key, maxlen=0, approximate=False)


def deleted_while_pending(r, key):
    add(r, key, 10)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 10)
    r.xdel(key, "4-0", "6-0")


def poison(r, key):
    add(r, key, 3)
    r.xgroup_create(key, "g", "0")
    age(r, key, hand_out(r, key, 3)[:2], deliveries=9, idle_ms=20_000)


def polled(r, key):
    for _ in range(3):
        r.xadd(key, {"data": PAYLOAD})
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 3)
    for _ in range(12):
        r.xreadgroup("g", "w1", {key: "0"})


def kept_though_done(r, key):
    add(r, key, stream_checks._MANY_DONE + 5)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 20_000, ack=True)


def holes(r, key):
    add(r, key, 60_000)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 60_000, ack=True)
    doomed = [f"{n}-0" for n in range(1, 60_001) if n % 100]
    for start in range(0, len(doomed), 5_000):
        r.xdel(key, *doomed[start : start + 5_000])


def expiring(r, key):
    add(r, key, 1)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 1, ack=True)
    r.expire(key, 3_600)


def another_type(r, key):
    r.rpush(key, "a")


def missing(_r, _key):
    pass


def no_group(r, key):
    add(r, key, 1)


def trimmed_unread(r, key):
    add(r, key, 10)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 2, ack=True)
    r.xtrim(key, maxlen=3, approximate=False)


def emptied_unread(r, key):
    trimmed_unread(r, key)
    r.xtrim(key, maxlen=0, approximate=False)


def created_at_the_end(r, key):
    add(r, key, 3)
    r.xgroup_create(key, "g", "$")


def handed_back(r, key):
    add(r, key, 2)
    r.xgroup_create(key, "g", "0")
    ids = hand_out(r, key, 2)
    r.execute_command("XNACK", key, "g", "FAIL", "IDS", 1, ids[0])
    r.xgroup_delconsumer(key, "g", "none")


def dead_consumers(r, key):
    add(r, key, 1)
    r.xgroup_create(key, "g", "0")
    for n in range(group_checks._PILE):
        r.xgroup_createconsumer(key, "g", f"old{n}")
    hand_out(r, key, 1)


STATES = {
    abandoned: ("abandoned entries", Status.PROBLEM, ("F01",)),
    stuck: ("abandoned entries", Status.PROBLEM, ("F01", "F44")),
    trimmed_while_pending: ("pending and gone", Status.PROBLEM, ("F39",)),
    emptied_while_pending: ("pending and gone", Status.PROBLEM, ("F39",)),
    deleted_while_pending: ("pending and gone", Status.PROBLEM, ("F08",)),
    poison: ("poison", Status.WARNING, ("F31",)),
    polled: ("polled entries", Status.WARNING, ("F15",)),
    kept_though_done: ("done entries", Status.WARNING, ("F07",)),
    holes: ("memory holes", Status.WARNING, ("F43",)),
    expiring: ("expiry", Status.PROBLEM, ("F37", "F48")),
    another_type: ("type", Status.PROBLEM, ("F49",)),
    missing: ("stream", Status.PROBLEM, ("F13", "F48")),
    no_group: ("groups", Status.WARNING, ("F13",)),
}
#: What older servers do not tell.
COUNTED_STATES = {
    trimmed_unread: ("trimmed unread", Status.PROBLEM, ("F38",)),
    emptied_unread: ("trimmed unread", Status.PROBLEM, ("F38",)),
    created_at_the_end: ("skipped backlog", Status.WARNING, ("F12",)),
}


def shows_and_is_cured(server, key, name, status, failures):
    finding = only(look(server, key), name)
    assert (finding.status, finding.failures) == (status, failures)
    assert repr(key) in finding.fact
    run_fix(server, finding.fix)
    after = look(server, key)
    assert not [f for f in named(after, name) if f.status is status], "\n".join(after.lines())
    return after


@pytest.mark.parametrize("state", STATES)
def test_a_bad_state_is_told_with_its_ids_and_its_fix_mends_it(state, server, r, key):
    state(r, key)
    shows_and_is_cured(server, key, *STATES[state])


@pytest.mark.parametrize("state", COUNTED_STATES)
def test_what_a_group_was_never_given_is_told_where_the_server_counts(state, server, r, key):
    state(r, key)
    if "lag" in server.capabilities:
        shows_and_is_cured(server, key, *COUNTED_STATES[state])
    elif state is not created_at_the_end:
        assert only(look(server, key), "trimmed unread").status is Status.UNKNOWN


def test_entries_handed_back_wait_for_a_claim(newest, key):
    with newest.client() as r:
        handed_back(r, key)
        finding = only(look(newest, key), "handed back")
        assert (finding.status, finding.failures) == (Status.INFO, ("F35",))  # w1 is alive
        poll(lambda: only(look(newest, key, min_idle_ms=1), "handed back").status is Status.WARNING)
        run_fix(newest, finding.fix)
        assert not named(look(newest, key), "handed back")


def test_dead_consumers_that_hold_nothing_are_counted_and_removed_by_the_fix(server, r, key):
    dead_consumers(r, key)

    def told():
        return named(look(server, key, min_idle_ms=5), "dead consumers")

    (finding,) = poll(told)
    assert (finding.status, finding.failures) == (Status.WARNING, ("F24",))
    assert "10 of 11 consumers" in finding.fact
    assert run_fix(server, finding.fix).strip() == "10"
    assert not told()
    assert [c["name"] for c in r.xinfo_consumers(key, "g")] == ["w1"]  # it holds an entry


def test_more_consumers_than_may_be_asked_for_are_told_without_asking(server, r, key, monkeypatch):
    dead_consumers(r, key)
    monkeypatch.setattr("streamlab.doctor.state.MOST_CONSUMERS", 5)
    assert "11 consumers, more than" in only(look(server, key), "dead consumers").fact


def test_a_fix_for_poison_makes_dead_letters_that_can_be_put_back(server, r, key):
    poison(r, key)
    run_fix(server, only(look(server, key), "poison").fix)
    assert r.xpending(key, "g")["pending"] == 1
    queue = TaskQueue(r, key, group="g")
    letters = queue.dead_letters()
    assert [(letter.entry_id, letter.deliveries, letter.reason) for letter in letters] == [
        (f"{n}-0", 9, "delivered more than 5 times") for n in (1, 2)
    ]
    assert {letter.fields["data"] for letter in letters} == {PAYLOAD}
    assert len(queue.requeue(letters)) == 2


def test_a_fix_for_abandoned_entries_leaves_those_that_are_worked_on(server, r, key):
    abandoned(r, key)
    hand_out(r, key, 2, consumer="alive")
    answer = run_fix(server, only(look(server, key), "abandoned entries").fix)
    assert answer.count(PAYLOAD) == 3
    owners = {c["name"]: c["pending"] for c in r.xpending(key, "g")["consumers"]}
    assert owners == {"alive": 2, "streamlab-doctor": 3}


def test_the_fix_of_lost_entries_makes_the_lag_true_again(server, r, key):
    if "lag" not in server.capabilities:
        return
    trimmed_unread(r, key)
    assert (
        "at least 5 entries were trimmed or deleted"
        in only(look(server, key), "trimmed unread").fact
    )
    run_fix(server, only(look(server, key), "trimmed unread").fix)
    assert r.xinfo_groups(key)[0]["lag"] == 3
    assert "3 entries wait" in only(look(server, key), "backlog").fact


def test_the_fix_for_done_entries_deletes_nothing_that_any_group_still_needs(server, r, key):
    add(r, key, 10)
    r.xgroup_create(key, "g", "0")
    r.xgroup_create(key, "slow", "0")
    hand_out(r, key, 10, ack=True)
    ids = hand_out(r, key, 6, group="slow")
    r.xack(key, "slow", *ids[:3])
    finding = only(look(server, key), "done entries")
    assert finding.status is not Status.WARNING
    run_fix(server, finding.fix)
    assert [entry_id for entry_id, _ in r.xrange(key)] == [f"{n}-0" for n in range(4, 11)]


def test_an_unknown_lag_is_never_told_as_a_number(server, r, key):
    add(r, key, 5)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 2)
    r.xdel(key, "4-0")
    finding = only(look(server, key), "backlog")
    assert (finding.status, finding.failures) == (Status.UNKNOWN, ("F44",))
    assert "at least 1 entry waits" in finding.fact
    hand_out(r, key, 2)
    assert "0 entries wait" in only(look(server, key), "backlog").fact


def test_a_backlog_that_nobody_reads_is_drained_by_the_worker_of_the_fix(server, r, key):
    add(r, key, 3, data="x")
    r.xgroup_create(key, "g", "0")
    finding = only(look(server, key), "backlog")
    assert (finding.status, finding.failures) == (Status.WARNING, ("F44",))
    assert "nobody reads" in finding.fact
    assert f" --url unix://{server.socket} " in finding.fix
    r.delete(key)  # its entries are no tasks
    TaskQueue(r, key, group="g").enqueue_many("abc")
    r.xgroup_create(key, "g", "0")
    fix = finding.fix.replace("MODULE:FUNCTION", "handlers:record") + " --max-tasks 3"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFECTS", f"{key}:effects")
        patch.setenv("STREAMLAB_REDIS_URL", str(server.url))
        run_fix(server, fix, cwd=ROOT / "tests")
    assert effects(r, key) == ["a", "b", "c"]
    assert only(look(server, key), "backlog").status is Status.OK


def test_a_large_backlog_asks_for_more_workers(server, r, key):
    add(r, key, group_checks._LARGE_LAG)
    r.xgroup_create(key, "g", "0")
    r.xgroup_createconsumer(key, "g", "w1")
    finding = only(look(server, key), "backlog")
    assert (finding.status, finding.failures) == (Status.WARNING, ("F44",))
    assert "10,000 entries wait" in finding.fact


def test_one_consumer_that_holds_nearly_all_is_told(server, r, key):
    add(r, key, 220)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 200, consumer="greedy")
    hand_out(r, key, 5, consumer="modest")
    finding = only(look(server, key), "hoarding")
    assert (finding.status, finding.failures) == (Status.WARNING, ("F21",))
    assert "'greedy' holds 200 of 205" in finding.fact
    assert finding.fix.endswith(f"--stream {key} --group g --batch 10")


def test_pending_entries_are_told_by_age_and_owner(server, r, key):
    add(r, key, 5)
    r.xgroup_create(key, "g", "0")
    ids = hand_out(r, key, 5)
    age(r, key, ids[:1], idle_ms=7_200_000)
    age(r, key, ids[1:3], idle_ms=30_000, consumer="w2")
    fact = only(look(server, key), "pending").fact
    assert "5 pending" in fact
    assert "to 2.0 h, median 30.0 s (2 < 1 s, 2 < 1 min, 1 >= 1 h)" in fact
    assert fact.endswith("3 with 'w1', 2 with 'w2'")


# -- a healthy queue ------------------------------------------------------------------------------


@pytest.mark.parametrize("persistence", ["everysec", "always"])
@pytest.mark.parametrize("version", VERSIONS)
def test_on_a_healthy_queue_nothing_is_a_problem_or_a_warning(version, persistence):
    with RedisServer(version, persistence=persistence) as server, server.client() as r:
        queue = TaskQueue(r, "tasks")
        queue.enqueue_many(range(100))
        assert Worker(queue, lambda _: None).run(max_tasks=100).done == 100
        examination = look(server, "tasks")
        assert not bad(examination), "\n".join(examination.lines())
        assert examination.exit_code == 0
        assert not examination.unexamined
        assert "0 entries wait, 0 pending" in only(examination, "backlog").fact
        status = Status.OK if version == NEWEST else Status.INFO
        assert only(examination, "version").status is status
        assert not bad(look(server))


# -- states of a server, on one of its own --------------------------------------------------------


@pytest.fixture(scope="module", params=VERSIONS)
def own(request):
    # Its file is the tests' affair, so that nobody waits for it at the end.
    with RedisServer(request.param, config={"appendonly": "yes"}) as server, server.client() as r:
        r.setrange("ballast", 30_000_000, "x")  # against which a connection's buffers are nothing
        yield server


@pytest.fixture
def config(own):
    """CONFIG SET on the server of its own, and all of it as before at the end."""
    with own.client() as r:
        before = {}
        # A rewrite that an earlier test set off has memory of its own.
        poll(lambda: not r.info("persistence")["aof_rewrite_in_progress"])

        def put(**settings):
            for name, value in settings.items():
                option = name.replace("_", "-")
                before.setdefault(option, r.config_get(option)[option])
                r.config_set(option, value)

        put.client = r
        yield put
        for option, value in before.items():
            r.config_set(option, value)


def evicting(config):
    config(maxmemory="1gb", maxmemory_policy="allkeys-lru")


def evicting_one_day(config):
    config(maxmemory_policy="allkeys-random")


def nearly_full(config):
    config(maxmemory=int(config.client.info("memory")["used_memory"] / 0.95))


def full(config):
    config(maxmemory=config.client.info("memory")["used_memory"] // 2)


def in_memory_only(config):
    config(appendonly="no", save="")


def snapshots_only(config):
    config(appendonly="no", save="3600 1")


def never_synced(config):
    config(appendfsync="no")


def without_its_replicas(config):
    config(min_replicas_to_write=1)


def closing_idle_connections(config):
    config(timeout=60)


def keeping_dead_connections(config):
    config(tcp_keepalive=0)


SERVER_STATES = {
    evicting: ("eviction", Status.PROBLEM, ("F37", "F48")),
    evicting_one_day: ("eviction", Status.WARNING, ("F37", "F48")),
    nearly_full: ("memory", Status.WARNING, ("F37",)),
    full: ("memory", Status.PROBLEM, ("F37",)),
    in_memory_only: ("persistence", Status.PROBLEM, ("F51",)),
    snapshots_only: ("persistence", Status.PROBLEM, ("F51",)),
    never_synced: ("persistence", Status.WARNING, ("F51",)),
    without_its_replicas: ("replication", Status.PROBLEM, ("F52",)),
    closing_idle_connections: ("idle connections", Status.WARNING, ("F46",)),
    keeping_dead_connections: ("idle connections", Status.WARNING, ("F45",)),
}


@pytest.mark.parametrize("state", SERVER_STATES)
def test_a_bad_setting_is_told_with_its_ids_and_its_fix_mends_it_for_good(state, own, config):
    name, status, failures = SERVER_STATES[state]
    state(config)
    config.client.config_rewrite()
    (told,) = [f for f in bad(look(own)) if f.name == name]
    assert (told.status, told.failures) == (status, failures)
    assert run_fix(own, told.fix).split() == ["OK", "OK"]
    assert not [f for f in bad(look(own)) if f.name == name]
    setting, value = told.fix.split(" && ")[0].split(" CONFIG SET ")[1].split()
    lines = (own.folder / "redis.conf").read_text().splitlines()
    written = [line for line in lines if line.startswith(f"{setting} ")]
    assert written in ([], [f"{setting} {value}"])  # a default is left out


def test_a_server_that_is_full_refuses_xadd_until_the_fix(own, config, key):
    full(config)
    with pytest.raises(redis.ResponseError, match=r"OOM|maxmemory"):
        config.client.xadd(key, {"a": "b"})
    run_fix(own, only(look(own), "memory").fix)
    assert config.client.xadd(key, {"a": "b"})


def test_a_snapshot_that_failed_is_told_until_one_succeeds(own, config):
    config(save="3600 1")
    obstacle = own.folder / "dump.rdb"
    obstacle.mkdir()  # it cannot be replaced by a file
    config.client.bgsave()
    (finding,) = poll(lambda: [f for f in bad(look(own)) if f.name == "disk"])
    assert (finding.status, finding.failures) == (Status.PROBLEM, ("F51",))
    assert "XADD answers MISCONF" in finding.fact
    obstacle.rmdir()
    run_fix(own, finding.fix)
    poll(lambda: not [f for f in bad(look(own)) if f.name == "disk"])


def test_connections_that_run_out_are_told(own, config):
    config(maxclients=20)
    with contextlib.ExitStack() as opened:
        for _ in range(16):
            opened.enter_context(own.client()).ping()
        finding = only(look(own), "connections")
        assert (finding.status, finding.failures) == (Status.WARNING, ("F47",))
        run_fix(own, finding.fix)
        assert only(look(own), "connections").status is Status.OK


@pytest.mark.parametrize("version", VERSIONS)
def test_a_replica_sends_to_its_master_and_the_master_is_told_to_wait_for_it(version):
    quick = {"repl-diskless-sync-delay": "0"}
    with (
        RedisServer(version, tcp=True, config=quick) as master,
        RedisServer(version) as copy,
        copy.client() as r,
    ):
        port = master.url.rsplit(":", 1)[1].split("/")[0]
        r.config_set("masterauth", RedisUrl(master.url).password)
        r.replicaof("127.0.0.1", port)
        finding = only(look(copy), "replication")
        assert (finding.status, finding.failures) == (Status.PROBLEM, ("F53",))
        assert finding.fix == f"streamlab doctor redis://127.0.0.1:{port}/0"
        told = poll(lambda: [f for f in bad(look(master)) if "1 of 1" in f.fact], timeout_s=30)
        assert told[0].failures == ("F52",)
        run_fix(master, told[0].fix)
        assert only(look(master), "replication").status is Status.OK


# -- readers that are blocked ---------------------------------------------------------------------


@contextlib.contextmanager
def readers(server, key, *names: str):
    """Connections that wait in XREADGROUP, each under the name of a consumer."""
    clients = [server.client(socket_timeout=None) for _ in names]

    def read(client, name):
        with contextlib.suppress(redis.RedisError):
            client.xreadgroup("g", name, {key: ">"}, block=20_000)

    threads = [
        threading.Thread(target=read, args=pair, daemon=True)
        for pair in zip(clients, names, strict=True)
    ]
    for thread in threads:
        thread.start()
    with server.client() as r:

        def blocked():
            return [row for row in r.client_list() if "b" in row["flags"]]

        poll(lambda: len(blocked()) == len(names))
        try:
            yield
        finally:
            for row in blocked():
                r.client_unblock(int(row["id"]))
            for thread in threads:
                thread.join()
            for client in clients:
                client.close()


def test_a_reader_blocked_for_longer_than_this_urls_socket_timeout_is_told(server, r, key):
    r.xgroup_create(key, "g", "$", mkstream=True)
    url = f"{server.url}?socket_timeout=1"
    with readers(server, key, "w1"):
        fact = only(look(server, key), "blocked readers").fact
        assert "1 blocked" in fact
        assert "waits 5 s for a reply" in fact  # redis-py's default

        def told():
            return [f for f in bad(examine_deployment(url, key)) if f.name == "blocked readers"]

        (finding,) = poll(told)
        assert (finding.status, finding.failures) == (Status.WARNING, ("F45",))
        assert "streamlab worker" in finding.fix


def test_two_connections_with_one_consumer_name_are_seen_by_their_number():
    with RedisServer(NEWEST, persistence="everysec") as server, server.client() as r:
        r.xgroup_create("tasks", "g", "$", mkstream=True)
        with readers(server, "tasks", "w1", "w2"):
            assert not named(look(server), "consumer names")
        r.xgroup_delconsumer("tasks", "g", "w2")
        with readers(server, "tasks", "w1", "w1"):
            finding = only(look(server), "consumer names")
            assert (finding.status, finding.failures) == (Status.WARNING, ("F23",))
            assert not named(look(server, "tasks"), "consumer names")  # others may have some


# -- nothing is written, and what is not permitted is unknown --------------------------------------


@pytest.fixture
def user(server, r):
    """Make a user with some rights; returns the URL with its password."""
    made = []

    def make(*rules: str):
        made.append(f"user{len(made)}")
        r.execute_command("ACL", "SETUSER", made[-1], "reset", "on", ">secret", *rules)
        return f"unix://{made[-1]}:secret@{server.socket}"

    yield make
    r.acl_deluser(*made)


ASKED = (
    "auth config config|get info scan type pttl memory memory|usage xpending xrange "
    "xinfo xinfo|stream xinfo|groups xinfo|consumers client client|list client|setinfo"
)


def test_a_user_who_may_only_read_examines_all_and_nothing_changes(server, r, key, user):
    url = user(*READER)
    for state in [*STATES, dead_consumers]:
        if state not in {missing, kept_though_done, holes}:
            state(r, f"{key}-{state.__name__}")
    keys = r.keys(f"{key}-*")
    with server.client(decode_responses=False) as raw:
        before = {name: raw.dump(name) for name in keys}
        r.config_resetstat()
        examinations = [examine_deployment(url, name, min_idle_ms=10) for name in [*keys, None]]
        called = {name.removeprefix("cmdstat_") for name in r.info("commandstats")}
        assert called <= {*ASKED.split(), "config|resetstat"}
        assert {name: raw.dump(name) for name in keys} == before  # idle times and counts with it
    for examination in examinations:
        assert not examination.unexamined
        assert "not permitted" not in "\n".join(examination.lines())


def test_what_is_not_permitted_is_unknown_and_the_rest_goes_on(r, key, user):
    abandoned(r, key)
    examination = examine_deployment(user("~*", "+xinfo", "+xpending"), key)
    unknown = {f.name for f in examination.findings if f.status is Status.UNKNOWN}
    assert unknown >= {"version", "eviction", "memory", "persistence", "disk", "replication"}
    assert unknown >= {"connections", "idle connections", "stream", "blocked readers"}
    assert [f.name for f in bad(examination)] == ["abandoned entries"]
    assert only(examination, "eviction").fact == "unknown: INFO is not permitted"
    assert "memory unknown: MEMORY USAGE is not permitted" in only(examination, "stream").fact


def test_settings_that_may_not_be_asked_for_are_not_guessed(r, key, user):
    add(r, key, 1)
    examination = examine_deployment(user("~*", "+@read", "+info"), key)
    assert "unknown" in only(examination, "persistence").fact
    assert only(examination, "idle connections").status is Status.UNKNOWN
    assert "CONFIG GET is not permitted" in only(examination, "idle connections").fact


def test_a_stream_that_may_not_be_examined_is_not_a_good_one(r, key, user):
    add(r, key, 1)
    examination = examine_deployment(user("~other*", "+@read", "+info"), key)
    assert examination.unexamined == (key,)
    assert examination.exit_code in {1, 2}  # 1: the shared server writes nothing to disk
    assert replace(examination, findings=()).exit_code == 2
    blind = examine_deployment(user("~*", "+info"))
    assert blind.unexamined == ("*",)
    assert "SCAN is not permitted" in only(blind, "streams").fact


# -- bounds -----------------------------------------------------------------------------------


def test_a_long_pending_list_is_looked_at_up_to_a_bound_and_that_is_told(
    server, r, key, monkeypatch
):
    monkeypatch.setattr(deployment, "_MOST_PENDING", 2_500)
    add(r, key, 4_000)
    r.xgroup_create(key, "g", "0")
    age(r, key, hand_out(r, key, 4_000))
    examination = look(server, key)
    for name in ("pending", "abandoned entries"):
        assert "of the first 2,500 of 4,000 pending" in only(examination, name).fact
    monkeypatch.setattr(deployment, "_MOST_PENDING", 4_000)
    assert "the look stopped" not in "\n".join(look(server, key).lines())


def test_more_ids_than_a_line_holds_are_mended_by_repeating_it(server, r, key):
    add(r, key, pending.MOST_IDS + 50)
    r.xgroup_create(key, "g", "0")
    hand_out(r, key, 1_000)
    r.xtrim(key, maxlen=0, approximate=False)
    run_fix(server, only(look(server, key), "pending and gone").fix)
    finding = only(look(server, key), "pending and gone")
    assert "50 pending entries" in finding.fact
    run_fix(server, finding.fix)
    assert not named(look(server, key), "pending and gone")


def test_every_stream_of_the_database_is_examined_up_to_a_bound(oldest, key, monkeypatch):
    with oldest.client() as r:
        for n in range(3):
            abandoned(r, f"{key}-{n}")
        facts = [f.fact for f in named(look(oldest), "abandoned entries")]
        assert sum(fact.startswith(f"'{key}-") for fact in facts) == 3
        monkeypatch.setattr(deployment, "_MOST_STREAMS", 2)
        assert "the search stopped at 2 streams" in only(look(oldest), "streams").fact


def test_a_database_without_streams_says_so():
    with RedisServer(NEWEST, persistence="everysec") as server:
        assert only(look(server), "streams").fact == "database 0 holds no stream"


# -- names, passwords, payloads ----------------------------------------------------------------

ODD = "a \x1b[31mb'\"\\$(c)\n\x00\udcff\u202e\N{SNOWMAN}"


def test_odd_names_are_escaped_and_their_fixes_still_mend(server, key):
    name = key + ODD
    with server.client(encoding_errors="surrogateescape") as r:
        add(r, name, 3)
        r.xgroup_create(name, "g" + ODD, "0")
        hand_out(r, name, 3, consumer=ODD, group="g" + ODD)
        finding = poll(lambda: named(look(server, name, min_idle_ms=1), "abandoned entries"))[0]
        text = "\n".join(look(server, name, min_idle_ms=1).lines()).replace("\n", "")
        assert text.isprintable()
        assert json.dumps(look(server, name).as_dict()).isascii()
        run_fix(server, finding.fix)
        (owner,) = r.xpending(name, "g" + ODD)["consumers"]
        assert owner == {"name": "streamlab-doctor", "pending": 3}


@pytest.mark.parametrize("state", STATES)
def test_payloads_are_never_told(state, oldest, key):
    if state in {kept_though_done, holes}:
        return  # of the same kind as the others, and slow to make
    with oldest.client() as r:
        state(r, key)
    examination = look(oldest, key)
    assert PAYLOAD not in json.dumps(examination.as_dict())
    assert PAYLOAD not in "\n".join(examination.lines())


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("redis://h", "redis-cli -h h -p 6379 PING"),
        ("redis://h:1/2", "redis-cli -h h -p 1 -n 2 PING"),
        ("redis://h:1?db=3", "redis-cli -h h -p 1 -n 3 PING"),
        (
            "rediss://bob:x@h:1/0?ssl_ca_certs=/a",
            "redis-cli -h h -p 1 --tls --cacert /a --user bob",
        ),
        ("unix://:x@/tmp/s?db=1", "redis-cli -s /tmp/s -n 1 PING"),
    ],
)
def test_a_fix_says_where_the_server_is_and_never_the_password(url, line):
    shell = Shell(RedisUrl(url))
    assert shell.redis("PING").startswith(line)
    worker = shell.worker("a b", "g")
    assert worker.endswith("--stream 'a b' --group g")
    assert "x@" not in worker


# -- the command line ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def healthy():
    with RedisServer(NEWEST, persistence="everysec", tcp=True) as server, server.client() as r:
        queue = TaskQueue(r, "tasks")
        queue.enqueue("a task")
        Worker(queue, lambda _: None).run(max_tasks=1)
        abandoned(r, "bad")
        yield server


def test_the_command_ends_with_0_for_health_and_1_for_a_problem(healthy):
    good = streamlab("doctor", str(healthy.url), "tasks")
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stdout.splitlines()[-1].endswith(" ok")
    sick = streamlab("doctor", str(healthy.url), "bad", "--json")
    assert sick.returncode == 1
    told = json.loads(sick.stdout)
    assert told["ok"] is False
    assert told["counts"]["problem"] == 1
    worst = told["findings"][0]
    assert worst["failures"] == ["F01"]
    assert worst["status"] == "problem"
    assert worst["fix"].startswith("redis-cli -h 127.0.0.1 -p ")
    assert (
        "problem  abandoned entries [F01]: 'bad'"
        in streamlab("doctor", str(healthy.url), "bad").stdout
    )


def test_what_the_command_prints_holds_no_password(healthy):
    for options in ((), ("--json",)):
        answer = streamlab("doctor", str(healthy.url), *options)
        assert RedisUrl(healthy.url).password not in answer.stdout + answer.stderr


def test_env_takes_the_url_from_the_variable_so_that_ps_does_not_show_it(healthy, monkeypatch):
    assert "STREAMLAB_REDIS_URL is not set" in streamlab("doctor", "env").stderr
    monkeypatch.setenv("STREAMLAB_REDIS_URL", str(healthy.url))
    assert streamlab("doctor", "env", "tasks").returncode == 0


def test_the_threshold_of_the_command_is_the_readers_to_choose(healthy):
    ages = ("--min-idle-ms", str(10**9))
    assert streamlab("doctor", str(healthy.url), "bad", *ages).returncode == 0


def test_the_help_tells_the_threshold_and_the_exit_codes():
    text = " ".join(streamlab("doctor", "--help").stdout.split())
    assert str(deployment.MIN_IDLE_MS) in text
    assert "Exit code 1: a problem, tasks are or may be lost" in text


def free_place(healthy):
    return f"127.0.0.1:{healthy.url.rsplit(':', 1)[1]}"


@pytest.mark.parametrize(
    ("make_url", "words"),
    [
        (lambda _: "redis://:pa55word@127.0.0.1:1/0", "start that server, or correct the address"),
        (lambda h: f"redis://:pa55word@{free_place(h)}", "correct the user and the password"),
        (lambda h: f"redis://{free_place(h)}", "correct the user and the password"),
        (lambda _: "http://:pa55word@h", "its scheme is not one of"),
        (lambda _: "redis://:pa55word@h/0?socket_timeout=x", "what follows the ?"),
        (lambda _: f"unix:///nowhere?password={quote('pa55word')}", "start that server"),
    ],
)
def test_what_could_not_be_examined_is_one_line_with_exit_code_2(make_url, words, healthy):
    answer = streamlab("doctor", make_url(healthy))
    assert answer.returncode == 2, answer.stdout
    assert words in answer.stderr
    assert answer.stderr.startswith("streamlab: ")
    assert answer.stderr.count("\n") == 1
    assert "pa55word" not in answer.stderr + answer.stdout


def test_a_threshold_below_1_ms_is_refused(newest):
    with pytest.raises(BadArgumentError, match="min_idle_ms must be >= 1, got 0"):
        look(newest, min_idle_ms=0)


def test_a_server_that_is_gone_is_an_error_of_ours():
    with RedisServer(NEWEST) as server:
        server.kill()
        with pytest.raises(ServerError, match="start that server"):
            look(server)


def test_without_redis_py_the_doctor_still_says_what_is_missing():
    answer = run_python(
        "-c",
        "import sys; sys.modules['redis'] = None; sys.argv = ['streamlab', 'doctor']\n"
        "from streamlab.cli import main; main()",
    )
    assert answer.stdout.startswith("ok       Python: ")
    assert "Traceback" not in answer.stderr
