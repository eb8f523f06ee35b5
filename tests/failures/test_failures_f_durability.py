"""F51 to F56: what a crash, a failover, a cluster leave of a stream, and what streams lack."""

from __future__ import annotations

import contextlib
import os
import time
from urllib.parse import urlsplit

import pytest
import redis
from support import NEWEST, OLDEST, handed_over, poll

from streamlab.errors import ServerStartError
from streamlab.faults import Action, Proxy, Rule
from streamlab.faults.server import crash
from streamlab.server import RedisServer
from streamlab.server.conf import free_port

BOTH = pytest.mark.parametrize("version", [NEWEST, OLDEST])


def fill(r, stream):
    """Three tasks; `ann` holds the first two."""
    for number in (1, 2, 3):
        r.xadd(stream, {"data": str(number)}, id=f"{number}-1")
    r.xgroup_create(stream, "workers", id="0")
    r.xreadgroup("workers", "ann", {stream: ">"}, count=2)


def go_on(r, stream):
    """Two more commands with their replies: an acknowledgement and a task."""
    assert r.xack(stream, "workers", "1-1") == 1
    assert r.xadd(stream, {"data": "4"}, id="4-1") == "4-1"


def ids(r, stream):
    return [entry_id for entry_id, _ in r.xrange(stream)]


def pending(r, stream):
    return [p["message_id"] for p in r.xpending_range(stream, "workers", "-", "+", 100)]


# -- it dies -----------------------------------------------------------------------------------


@pytest.mark.failure("F51")
@BOTH
def test_a_killed_server_that_writes_nothing_to_disk_loses_streams_and_lists_alike(version):
    with RedisServer(version) as server, server.client() as r:
        fill(r, "tasks")
        r.rpush("jobs", "x")
        assert r.dbsize() == 2
        crash(server)
        assert r.dbsize() == 0


@pytest.mark.failure("F51")
@BOTH
def test_a_snapshot_brings_acknowledged_work_back_and_gives_a_lost_tasks_id_away(version):
    with RedisServer(version) as server, server.client() as r:
        fill(r, "tasks")
        r.save()
        go_on(r, "tasks")
        assert r.info("persistence")["rdb_changes_since_last_save"] == 2
        assert pending(r, "tasks") == ["2-1"]
        crash(server)
        assert ids(r, "tasks") == ["1-1", "2-1", "3-1"]
        assert pending(r, "tasks") == ["1-1", "2-1"]
        assert r.xadd("tasks", {"data": "another"}, id="4-1") == "4-1"


@pytest.mark.failure("F51")
@BOTH
@pytest.mark.parametrize("persistence", ["everysec", "always"])
def test_with_an_append_only_file_a_killed_process_loses_nothing_replied_to(version, persistence):
    with RedisServer(version, persistence=persistence) as server, server.client() as r:
        fill(r, "tasks")
        go_on(r, "tasks")
        handed_over(r)
        crash(server)
        assert ids(r, "tasks") == ["1-1", "2-1", "3-1", "4-1"]
        assert pending(r, "tasks") == ["2-1"]


@pytest.mark.failure("F51")
@BOTH
def test_an_append_only_file_that_ends_early_undoes_an_ack_and_an_add_without_an_error(version):
    with RedisServer(version, persistence="everysec") as server, server.client() as r:
        fill(r, "tasks")
        handed_over(r)
        [aof] = [path for path in server.folder.rglob("*.aof") if "base" not in path.name]
        on_disk = aof.stat().st_size
        go_on(r, "tasks")
        assert pending(r, "tasks") == ["2-1"]
        handed_over(r)
        server.kill()
        os.truncate(aof, on_disk + 3)  # what the machine's death may leave
        server.restart()
        assert ids(r, "tasks") == ["1-1", "2-1", "3-1"]
        assert pending(r, "tasks") == ["1-1", "2-1"]


@pytest.mark.failure("F51")
def test_waitaof_says_whether_the_own_connections_writes_are_on_disk():
    for persistence, at_once in (("everysec", 0), ("always", 1)):
        with RedisServer(NEWEST, persistence=persistence) as server, server.client() as r:
            r.xadd("tasks", {"data": "1"})
            assert r.waitaof(1, 0, 5_000) == [1, 0]
            with server.client() as other:
                other.xadd("tasks", {"data": "2"})
                assert other.waitaof(1, 0, 1) == [at_once, 0]
                assert r.waitaof(1, 0, 1) == [1, 0]  # of what r wrote


# -- another takes over ------------------------------------------------------------------------


def follow(replica, master, port=None):
    to = master.get_connection_kwargs()
    master.config_set("repl-diskless-sync-delay", 0)
    replica.config_set("masterauth", to["password"])
    replica.replicaof("127.0.0.1", port or to["port"])
    poll(lambda: replica.info("replication")["master_link_status"] == "up", what="the sync")

    def online():  # the master learns of it a moment later
        return master.info("replication").get("slave0", {}).get("state") == "online"

    poll(online, what="the replica's word that it is there")


@pytest.fixture(params=[NEWEST, OLDEST])
def pair(request):
    """A master, its replica, and the line between them, which can be cut."""
    with (
        RedisServer(request.param, tcp=True, persistence="everysec") as master,
        RedisServer(request.param, tcp=True) as replica,
        Proxy(("127.0.0.1", urlsplit(master.url).port), listen=0) as line,
        master.client() as m,
        replica.client() as s,
    ):
        follow(s, m, urlsplit(line.url).port)
        yield master, m, s, line


@pytest.mark.failure("F52")
def test_a_failover_loses_an_acknowledged_add_and_undoes_an_ack_and_wait_knows(pair):
    master, m, s, line = pair
    fill(m, "tasks")
    assert m.wait(1, 5_000) == 1
    assert pending(s, "tasks") == ["1-1", "2-1"]  # the replica has group and holders as well
    line.half_open()
    go_on(m, "tasks")
    assert m.wait(1, 50) == 0
    master.kill()
    s.replicaof("NO", "ONE")
    assert ids(s, "tasks") == ["1-1", "2-1", "3-1"]
    assert pending(s, "tasks") == ["1-1", "2-1"]


@pytest.mark.failure("F52")
@pytest.mark.parametrize("pair", [NEWEST], indirect=True)  # 6.2 takes 5 s for the second sync
def test_an_old_master_that_comes_back_as_a_replica_erases_what_it_alone_knew(pair):
    master, m, s, line = pair
    fill(m, "tasks")
    assert m.wait(1, 5_000) == 1
    line.half_open()
    go_on(m, "tasks")
    master.kill()
    s.replicaof("NO", "ONE")
    master.restart()
    assert ids(m, "tasks") == ["1-1", "2-1", "3-1", "4-1"]
    follow(m, s)
    assert ids(m, "tasks") == ids(s, "tasks") == ["1-1", "2-1", "3-1"]
    master.kill()  # a server that still writes its first append-only file ignores SIGTERM


@pytest.mark.failure("F52")
def test_wait_counts_only_what_its_own_connection_wrote(pair):
    master, m, _, line = pair
    with master.client() as other:
        other.xadd("notes", {"data": "1"})
        assert other.wait(1, 5_000) == 1
        line.half_open()
        m.xadd("tasks", {"data": "1"})
        assert m.wait(1, 50) == 0
        assert other.wait(1, 50) == 1


@pytest.mark.failure("F52")
def test_a_master_told_to_have_a_replica_refuses_all_work_while_it_has_none(pair):
    _, m, _, line = pair
    fill(m, "tasks")
    m.config_set("min-replicas-to-write", 1)
    m.xadd("tasks", {"data": "4"}, id="4-1")
    line.refuse()
    line.cut()
    poll(lambda: m.info("replication")["connected_slaves"] == 0, what="the loss of the replica")
    for refused in (
        lambda: m.xadd("tasks", {"data": "5"}),
        lambda: m.xreadgroup("workers", "ann", {"tasks": ">"}),
        lambda: m.xack("tasks", "workers", "1-1"),
    ):
        with pytest.raises(redis.ResponseError, match="NOREPLICAS"):
            refused()
    assert ids(m, "tasks")[-1] == "4-1"


@pytest.mark.failure("F53")
def test_a_replica_shows_and_does_no_work_not_even_a_read_of_the_own_pending_entries(pair):
    _, m, s, _ = pair
    fill(m, "tasks")
    assert m.wait(1, 5_000) == 1
    assert ids(s, "tasks") == ["1-1", "2-1", "3-1"]
    assert s.xpending("tasks", "workers")["pending"] == 2
    for command in (
        "XADD tasks * data x",
        "XREADGROUP GROUP workers ann STREAMS tasks >",
        "XREADGROUP GROUP workers ann STREAMS tasks 0",
        "XACK tasks workers 1-1",
        "XAUTOCLAIM tasks workers zoe 0 0",
    ):
        with pytest.raises(redis.exceptions.ReadOnlyError):
            s.execute_command(*command.split())
    assert pending(m, "tasks") == ["1-1", "2-1"]


@pytest.mark.failure("F53")
def test_a_server_that_becomes_a_replica_turns_away_who_waits_in_a_read_and_hangs_up(pair):
    _, m, s, line = pair
    s.replicaof("NO", "ONE")
    s.xgroup_create("tasks", "workers", id="0", mkstream=True)
    reader = s.connection_pool.make_connection()
    reader.connect()
    block = ("BLOCK", 30_000, "STREAMS", "tasks", ">")
    reader.send_command("XREADGROUP", "GROUP", "workers", "ann", *block)
    poll(lambda: s.info("clients")["blocked_clients"] == 1, what="the block")
    began = time.monotonic()
    follow(s, m, urlsplit(line.url).port)
    with pytest.raises(redis.ResponseError, match="UNBLOCKED"):
        reader.read_response()
    assert time.monotonic() - began < 15
    with pytest.raises(redis.ConnectionError):
        reader.read_response()


# -- a cluster ---------------------------------------------------------------------------------


def cluster_node(version):
    """A node, not yet with slots; its bus takes the port 10,000 above its own."""
    for _ in range(20):
        with contextlib.suppress(ServerStartError):  # one of the two ports was taken after all
            port = free_port() - 10_000
            return RedisServer(version, tcp=True, port=port, config={"cluster-enabled": "yes"})
    pytest.fail("no pair of ports for a cluster node")


@pytest.fixture(scope="module", params=[NEWEST, OLDEST])
def cluster(request):
    """Clients of two nodes; the second has the upper half of the slots."""
    with (
        cluster_node(request.param) as first,
        cluster_node(request.param) as second,
        first.client() as a,
        second.client() as b,
    ):
        a.execute_command("CLUSTER ADDSLOTS", *range(8_192))
        b.execute_command("CLUSTER ADDSLOTS", *range(8_192, 16_384))
        a.execute_command("CLUSTER MEET", "127.0.0.1", urlsplit(second.url).port)
        for client in (a, b):
            poll(lambda client=client: is_whole(client), what="the cluster")
        yield a, b


def is_whole(client):
    info = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_slots_assigned"] == "16384"


@pytest.mark.failure("F54")
def test_a_stream_lives_on_one_node_however_many_there_are(cluster, key):
    a, b = cluster
    stream = f"{{tasks}}:{key}"
    assert b.execute_command("CLUSTER KEYSLOT", stream) == 9114
    for number in range(1, 101):
        b.xadd(stream, {"data": str(number)}, id=f"{number}-1")
    assert (a.dbsize(), b.xlen(stream)) == (0, 100)
    with pytest.raises(redis.exceptions.MovedError, match="9114"):
        a.xadd(stream, {"data": "x"})


@pytest.mark.failure("F54")
def test_several_keys_in_one_command_need_one_hash_tag(cluster):
    _, b = cluster
    untagged, tagged = ("tasks", "tasks:dead"), ("tasks", "{tasks}:dead")
    slots = {name: b.execute_command("CLUSTER KEYSLOT", name) for name in {*untagged, *tagged}}
    assert slots == {"tasks": 9114, "{tasks}:dead": 9114, "tasks:dead": 5955}
    with pytest.raises(redis.exceptions.ClusterCrossSlotError):
        b.execute_command("XREAD", "STREAMS", *untagged, "0", "0")
    with pytest.raises(redis.exceptions.ClusterCrossSlotError):
        b.eval("return #KEYS", 2, *untagged)
    assert b.execute_command("XREAD", "STREAMS", *tagged, "0", "0") == []
    assert b.eval("return #KEYS", 2, *tagged) == 2


# -- what IDMP lets through --------------------------------------------------------------------


def send(r, stream, iid, *, pid="shop", data="x"):
    return r.xadd(stream, {"data": data}, idmp=(pid, iid))


@pytest.fixture
def n(newest):
    with newest.client() as client:
        yield client


@pytest.mark.failure("F55")
def test_idmp_drops_a_repeated_send_and_also_another_task_under_the_same_name(n, key):
    first = send(n, key, "t-1", data="charge Ada")
    assert send(n, key, "t-1", data="charge Ada") == first
    assert send(n, key, "t-1", data="charge Bo") == first
    assert n.xrange(key) == [(first, {"data": "charge Ada"})]
    assert send(n, key, "t-1", pid="the same shop, started anew") != first


@pytest.mark.failure("F55")
def test_idmp_does_not_keep_an_entry_from_being_delivered_and_done_twice(n, key):
    assert send(n, key, "t-1") == send(n, key, "t-1")
    n.xgroup_create(key, "workers", id="0")
    [[_, [(entry_id, _)]]] = n.xreadgroup("workers", "ann", {key: ">"})
    _, [(again, _)], *_ = n.xautoclaim(key, "workers", "zoe", min_idle_time=0)
    assert again == entry_id
    assert n.xlen(key) == 1


@pytest.mark.failure("F55")
def test_after_the_duration_of_idmp_the_duplicate_is_back(n, key):
    n.xadd(key, {"data": "first"})
    n.xcfgset(key, idmp_duration=1)
    first = send(n, key, "t-1")
    assert send(n, key, "t-1") == first
    poll(lambda: send(n, key, "t-1") != first, what="the expiry")
    assert n.xlen(key) == 3


@pytest.mark.failure("F55")
def test_a_name_that_many_others_followed_is_new_to_idmp_again(n, key):
    n.xadd(key, {"data": "first"})
    n.xcfgset(key, idmp_maxsize=2)
    first = send(n, key, "t-1")
    send(n, key, "t-2")
    assert send(n, key, "t-1") == first
    send(n, key, "t-3")
    assert send(n, key, "t-1") != first


@pytest.mark.failure("F55")
def test_a_changed_setting_makes_idmp_forget_all_names(n, key):
    first = send(n, key, "t-1")
    n.xcfgset(key, idmp_duration=100)  # what it was
    assert send(n, key, "t-1") == first
    n.xcfgset(key, idmp_duration=50)
    assert send(n, key, "t-1") != first


# -- no delay, no priority ---------------------------------------------------------------------


MOVE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 100)
for _, data in ipairs(due) do
    redis.call('XADD', KEYS[2], '*', 'data', data)
    redis.call('ZREM', KEYS[1], data)
end
return #due
"""


def payloads(r, stream):
    return [fields["data"] for _, fields in r.xrange(stream)]


@pytest.mark.failure("F56")
def test_an_entry_with_an_id_in_the_future_is_delivered_at_once_and_dates_all_after_it(r, key):
    r.xadd(key, {"data": "later"}, id="9999999999999-1")
    r.xgroup_create(key, "workers", id="0")
    [[_, [(entry_id, _)]]] = r.xreadgroup("workers", "ann", {key: ">"})
    assert entry_id == "9999999999999-1"
    assert r.xadd(key, {"data": "now"}) == "9999999999999-2"


@pytest.mark.failure("F56")
def test_a_sorted_set_and_a_script_deliver_what_is_due_in_order_and_once(r, key):
    later, move = f"{key}:later", r.register_script(MOVE)
    r.zadd(later, {"c": 300, "a": 100, "b": 200})
    assert move(keys=[later, key], args=[99]) == 0
    assert [move(keys=[later, key], args=[200]) for _ in range(2)] == [2, 0]
    assert payloads(r, key) == ["a", "b"]
    assert r.zrange(later, 0, -1) == ["c"]


@pytest.mark.failure("F56")
def test_a_mover_cut_off_between_its_two_steps_delivers_twice(server, r, key):
    later = f"{key}:later"
    r.zadd(later, {"a": 100})

    def mover(client):
        for data in client.zrangebyscore(later, "-inf", 100):
            client.xadd(key, {"data": data})
            client.zrem(later, data)

    with Proxy(server.socket) as proxy, redis.Redis.from_url(proxy.url) as client:
        proxy.add(Rule(command="ZREM", action=Action.CUT))
        with pytest.raises(redis.ConnectionError):
            mover(client)
    assert r.zcard(later) == 1
    mover(r)
    assert payloads(r, key) == ["a", "a"]
    assert r.zcard(later) == 0


@pytest.mark.failure("F56")
def test_a_count_over_two_streams_gives_of_both_so_priority_needs_a_read_for_each(r, key):
    urgent, normal = f"{key}:urgent", f"{key}:normal"
    for stream in (urgent, normal):
        for number in (1, 2):
            r.xadd(stream, {"data": stream}, id=f"{number}-1")
        r.xgroup_create(stream, "workers", id="0")

    def read(streams):
        reply = r.xreadgroup("workers", "ann", dict.fromkeys(streams, ">"), count=1)
        return [stream for stream, _ in reply]

    assert read([urgent, normal]) == [urgent, normal]
    assert r.xpending(normal, "workers")["pending"] == 1
    order = [read([urgent]) or read([normal]) for _ in range(3)]
    assert order == [[urgent], [normal], []]


@pytest.mark.failure("F56")
def test_maxcount_serves_the_streams_in_the_order_in_which_they_are_named(n, key):
    urgent, normal = f"{key}:urgent", f"{key}:normal"
    for stream in (normal, urgent):
        n.xadd(stream, {"data": "x"})
        n.xgroup_create(stream, "workers", id="0")
    streams = {urgent: ">", normal: ">"}
    seen = [n.xreadgroup("workers", "ann", streams, max_count=1, block=50) for _ in range(3)]
    assert [[stream for stream, _ in reply] for reply in seen] == [[urgent], [normal], []]
