"""Group E, connections and keys (F45 to F50): real servers, sockets, processes and clocks."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import MaxConnectionsError, NoPermissionError
from redis.retry import Retry
from support import NEWEST, OLDEST, VERSIONS, poll

from streamlab import TaskQueue, Worker
from streamlab.errors import BadArgumentError, GroupMissingError, WrongTypeError
from streamlab.faults import Action, ConsumerProcess, Proxy, Rule
from streamlab.faults.clock import ServerClock
from streamlab.faults.server import crash, paused
from streamlab.server import RedisServer

GROUP = "workers"
NOT_TOLD = ("6.",)  # versions that leave a blocked reader waiting when its key goes


def add(r, key, *numbers: int):
    for number in numbers:
        task = {"task_id": f"t{number}", "data": f"task {number}", "created_at": "0"}
        r.xadd(key, task, id=f"{number}-1")


def pending(r, key):
    """The pending ids, each with its holder."""
    found = r.xpending_range(key, GROUP, "-", "+", 100)
    return {entry["message_id"]: entry["consumer"] for entry in found}


def blocked(r, count=1):
    poll(lambda: r.info("clients")["blocked_clients"] == count, what=f"{count} blocked")


def timed_read(client, key, block_ms):
    """What a blocking read answers or raises, and after how many seconds."""
    began = time.monotonic()
    try:
        reply = client.xreadgroup(GROUP, "ann", {key: ">"}, block=block_ms)
    except redis.RedisError as exc:
        reply = exc
    return reply, time.monotonic() - began


@pytest.fixture
def at_zero(r, key):
    """A group at the beginning of a stream that is still empty."""
    r.xgroup_create(key, GROUP, "0", mkstream=True)
    return key


@pytest.fixture
def threads():
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture(params=VERSIONS)
def own(request):
    """A server of the test's own, with a group, for what is done to a whole server."""
    with (
        RedisServer(request.param, persistence="always") as server,
        server.client(retry=None) as r,
    ):
        r.xgroup_create("tasks", GROUP, "0", mkstream=True)
        yield server, r


# -- F45: BLOCK and the socket timeout ---------------------------------------------------------


@pytest.mark.failure("F45")
def test_a_block_longer_than_the_socket_timeout_is_sent_again_unseen_until_an_entry_comes(
    server, r, at_zero
):
    def connections():
        return r.info("stats")["total_connections_received"]

    path = str(server.socket)
    with redis.Redis(unix_socket_path=path, socket_timeout=0.1, decode_responses=True) as hasty:
        before = connections()
        timer = Timer(0.5, add, (r, at_zero, 1))
        timer.start()
        reply, waited_s = timed_read(hasty, at_zero, 200)
        timer.join()
    assert [entry_id for entry_id, _ in reply[0][1]] == ["1-1"]
    assert waited_s > 0.4  # BLOCK said 0.2
    assert connections() - before >= 3


@pytest.mark.failure("F45")
def test_a_client_without_retries_raises_timeout_error_and_that_is_no_connection_error(
    server, at_zero
):
    with server.client(socket_timeout=0.1, retry=None) as honest:
        error, waited_s = timed_read(honest, at_zero, 2000)
    assert isinstance(error, redis.TimeoutError)
    assert not isinstance(error, redis.ConnectionError)
    assert waited_s < 1


@pytest.mark.failure("F45")
def test_the_worker_derives_its_block_from_the_socket_timeout_or_refuses_it(server, key):
    assert redis.Redis().connection_pool.make_connection().socket_timeout == 5
    with server.client(socket_timeout=2) as r:
        queue = TaskQueue(r, key)
        assert Worker(queue, print).settings.block_ms == 1500
        with pytest.raises(BadArgumentError, match="block_ms must be <= socket_timeout"):
            Worker(queue, print, block_ms=2000)


READER = """
import redis, sys
url, name, key, block_ms, timeout_s = sys.argv[1:]
r = redis.Redis.from_url(url, socket_timeout=float(timeout_s) or None)
start = "0"
while True:
    try:
        reply = r.xreadgroup("workers", name, {key: start}, block=int(block_ms))
        for entry_id, _ in reply[0][1] if reply else []:
            r.xack(key, "workers", entry_id)
        start = ">"
    except (redis.ConnectionError, redis.TimeoutError) as error:
        print(type(error).__name__, flush=True)
        start = "0"
"""


@pytest.mark.failure("F45")
def test_on_a_half_open_connection_block_0_waits_for_ever_and_a_timeout_recovers(
    server, r, at_zero, tmp_path
):
    def reader(proxy, name, block_ms, timeout_s):
        words = [proxy.url, name, at_zero, str(block_ms), str(timeout_s)]
        return ConsumerProcess([sys.executable, "-c", READER, *words], stdout=tmp_path / name)

    with (
        Proxy(server.socket) as dead,
        Proxy(server.socket) as mended,
        reader(dead, "ann", 0, 0) as ann,
    ):
        blocked(r)
        dead.half_open()
        add(r, at_zero, 1)
        poll(lambda: pending(r, at_zero) == {"1-1": "ann"})
        with reader(mended, "bob", 1000, 1.2) as bob:
            blocked(r)
            mended.half_open()
            add(r, at_zero, 2)
            poll(lambda: pending(r, at_zero) == {"1-1": "ann", "2-1": "bob"})
            poll(lambda: "TimeoutError" in (tmp_path / "bob").read_text())
            mended.half_open(half_open=False)
            poll(lambda: pending(r, at_zero) == {"1-1": "ann"})
            assert bob.alive
        assert ann.alive
        assert (tmp_path / "ann").read_text() == ""


# -- F46: Redis restarts -----------------------------------------------------------------------


@pytest.mark.failure("F46")
def test_a_client_with_backoff_outwaits_a_restart_and_one_without_gets_an_error(own):
    server, r = own
    waits = Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.02), 30)
    with server.client(retry=waits) as patient:
        patient.ping()
        server.kill()
        timer = Timer(0.2, server.restart)
        timer.start()
        with pytest.raises(redis.ConnectionError):
            r.ping()
        assert patient.ping() is True
        timer.join()


def die_at_the_first_delivery(server, proxy):
    """The server is killed when it has answered an XREADGROUP, and the answer is lost."""
    rule = Rule(
        command="XREADGROUP", action=Action.DROP_REPLY, on_fire=lambda: crash(server, down_s=0.1)
    )
    return proxy.add(rule)


@pytest.mark.failure("F46")
def test_a_consumer_that_only_reconnects_loses_sight_of_what_was_delivered(own):
    server, r = own
    add(r, "tasks", 1, 2)
    with Proxy(server.socket) as proxy:
        armed = die_at_the_first_delivery(server, proxy)
        path = urlsplit(str(proxy.url)).path
        with redis.Redis(unix_socket_path=path, decode_responses=True) as retrying:
            assert retrying.xreadgroup(GROUP, "ann", {"tasks": ">"}, block=50) == []
        assert armed.fired.is_set()
    assert pending(r, "tasks") == {"1-1": "ann", "2-1": "ann"}


@pytest.mark.failure("F46")
def test_the_worker_outlives_a_restart_unaided_and_does_what_it_never_saw(own):
    server, r = own
    add(r, "tasks", 1, 2)
    done = []
    with Proxy(server.socket) as proxy:
        armed = die_at_the_first_delivery(server, proxy)
        queue = TaskQueue(redis.Redis.from_url(proxy.url), "tasks")
        report = Worker(queue, lambda task: done.append(task.entry_id)).run(max_tasks=2)
        assert armed.fired.is_set()
    assert report.reconnects >= 1
    assert (sorted(done), report.done) == (["1-1", "2-1"], 2)
    assert pending(r, "tasks") == {}


# -- F47: the pool -----------------------------------------------------------------------------


@pytest.mark.failure("F47")
def test_blocked_readers_use_up_a_pool_so_that_a_finished_task_cannot_be_acknowledged(
    server, r, at_zero, threads
):
    add(r, at_zero, 1)
    assert r.xreadgroup(GROUP, "ann", {at_zero: ">"})
    pool = redis.ConnectionPool.from_url(str(server.url), max_connections=2)
    with redis.Redis.from_pool(pool) as shared:
        readers = [threads.submit(timed_read, shared, at_zero, 800) for _ in range(2)]
        blocked(r, 2)
        with pytest.raises(MaxConnectionsError):
            shared.xack(at_zero, GROUP, "1-1")
        assert issubclass(MaxConnectionsError, redis.ConnectionError)
        assert pending(r, at_zero) == {"1-1": "ann"}
        assert [reader.result()[0] for reader in readers] == [[], []]
        assert shared.xack(at_zero, GROUP, "1-1") == 1


@pytest.mark.failure("F47")
def test_a_worker_opens_connections_of_its_own_and_leaves_the_readers_pool_alone(
    server, r, at_zero, threads
):
    pool = redis.ConnectionPool.from_url(str(server.url), max_connections=1)
    with redis.Redis.from_pool(pool) as shared:
        shared.ping()
        worker = Worker(TaskQueue(shared, at_zero), print, threads=2)
        running = threads.submit(worker.run, idle_ms=500)
        blocked(r, 2)
        assert shared.ping() is True
        assert running.result().done == 0


# -- F48: the key goes -------------------------------------------------------------------------


def told(server, reply, waited_s, block_s, word="NOGROUP"):
    """Whether a blocked reader was answered as its version does when the key goes."""
    if server.version.startswith(NOT_TOLD):
        return reply == [] and waited_s >= block_s
    expected = "UNBLOCKED" if server.version.startswith("7.0") else word
    return str(reply).startswith(expected) and waited_s < block_s


@pytest.mark.failure("F48")
def test_when_the_key_goes_only_the_reader_gets_an_error(r, at_zero):
    add(r, at_zero, 1, 2)
    assert r.xreadgroup(GROUP, "ann", {at_zero: ">"}, count=1)
    assert r.delete(at_zero) == 1
    assert r.xack(at_zero, GROUP, "1-1") == 0
    assert r.xlen(at_zero) == 0
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        r.xreadgroup(GROUP, "ann", {at_zero: ">"})
    add(r, at_zero, 3)  # the producer is told nothing, and its task is given to nobody
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        r.xreadgroup(GROUP, "ann", {at_zero: ">"})
    assert r.xinfo_groups(at_zero) == []


@pytest.mark.failure("F48")
def test_a_reader_blocked_when_the_key_goes_is_told_at_once_from_7_0_on_in_two_wordings(
    server, r, at_zero, threads
):
    with server.client(retry=None) as other:
        reading = threads.submit(timed_read, other, at_zero, 500)
        blocked(r)
        r.delete(at_zero)
        assert told(server, *reading.result(), 0.5)


@pytest.mark.failure("F48")
def test_the_worker_stops_when_its_group_vanishes_or_makes_it_again_where_it_is_told(
    r, at_zero, threads
):
    def accident(regroup_at, number):
        """The stream is lost, and a task added to the new one, while a worker waits."""
        r.delete(at_zero)
        done, queue = [], TaskQueue(r, at_zero)
        worker = Worker(queue, lambda task: done.append(task.data), regroup_at=regroup_at)
        running = threads.submit(worker.run, idle_ms=600)
        blocked(r)
        with r.pipeline(transaction=True) as pipe:
            pipe.delete(at_zero)
            add(pipe, at_zero, number)
            pipe.execute()
        if error := running.exception():
            raise error
        return done, running.result().regrouped

    with pytest.raises(GroupMissingError, match=f"no group 'workers' on stream '{at_zero}'"):
        accident(None, 1)
    assert accident("0", 2) == (["task 2"], 1)
    assert accident("$", 3) == ([], 1)
    assert [entry_id for entry_id, _ in r.xrange(at_zero)] == ["3-1"]


@pytest.mark.failure("F48")
@pytest.mark.parametrize(
    ("start", "given"), [("0", ["1-1", "2-1", "3-1"]), ("$", []), ("1-1", ["2-1", "3-1"])]
)
def test_a_group_made_again_on_its_old_stream_repeats_at_0_and_skips_at_the_end(
    r, at_zero, start, given
):
    add(r, at_zero, 1, 2, 3)
    r.xreadgroup(GROUP, "ann", {at_zero: ">"}, count=2)
    r.xack(at_zero, GROUP, "1-1")  # done; 2-1 is held, 3-1 unread
    r.xgroup_destroy(at_zero, GROUP)
    r.xgroup_create(at_zero, GROUP, start)
    reply = r.xreadgroup(GROUP, "ann", {at_zero: ">"})
    assert [entry_id for _, entries in reply for entry_id, _ in entries] == given


# -- F49: another type -------------------------------------------------------------------------


@pytest.mark.failure("F49")
def test_wrongtype_does_not_name_the_key_and_the_package_does(r, at_zero, key):
    wrong = f"{key}:wrong"
    r.set(wrong, "quarterly figures")
    for command in (
        lambda: add(r, wrong, 1),
        lambda: r.xgroup_create(wrong, GROUP, "0", mkstream=True),
        lambda: r.xreadgroup(GROUP, "ann", {at_zero: ">", wrong: ">"}),
    ):
        with pytest.raises(redis.ResponseError, match=r"^WRONGTYPE") as caught:
            command()
        assert wrong not in str(caught.value)
    queue = TaskQueue(r, wrong)
    for action in (Worker(queue, print).run, lambda: queue.enqueue("x")):
        with pytest.raises(WrongTypeError, match=f"the key '{wrong}' is not a stream"):
            action()
    assert r.get(wrong) == "quarterly figures"


@pytest.mark.failure("F49")
def test_set_overwrites_a_stream_without_asking_and_an_acl_keeps_it_out(
    server, r, at_zero, threads
):
    add(r, at_zero, 1)
    r.acl_setuser(at_zero, enabled=True, passwords=["+p"], keys=["cache:*"], categories=["+@all"])
    with server.client(username=at_zero, password="p") as web, pytest.raises(NoPermissionError):
        web.set(at_zero, "cached page")
    r.acl_deluser(at_zero)
    assert r.xlen(at_zero) == 1
    r.xreadgroup(GROUP, "ann", {at_zero: ">"})
    with server.client(retry=None) as other:
        reading = threads.submit(timed_read, other, at_zero, 500)
        blocked(r)
        assert r.set(at_zero, "cached page") is True
        assert told(server, *reading.result(), 0.5, "WRONGTYPE")
    assert r.type(at_zero) == "string"


# -- F50: BLOCK is no clock --------------------------------------------------------------------


@pytest.mark.failure("F50")
def test_on_an_idle_server_a_short_block_lasts_until_the_next_tick(own):
    _, r = own
    waited_s = [timed_read(r, "tasks", 10)[1] for _ in range(4)]
    assert max(waited_s) > 0.05
    r.config_set("hz", 100)
    assert min(timed_read(r, "tasks", 10)[1] for _ in range(4)) < 0.05


@pytest.mark.failure("F50")
def test_a_block_outlasts_its_time_while_the_server_stands_still_and_the_socket_does_not(
    own, threads
):
    server, _ = own
    with server.client(socket_timeout=0.3, retry=None) as bounded, server.client() as other:
        readings = [threads.submit(timed_read, client, "tasks", 100) for client in (bounded, other)]
        with server.client() as watching:
            blocked(watching, 2)
        with paused(server):
            time.sleep(0.6)  # the pause itself
        (error, local_s), (reply, waited_s) = [reading.result() for reading in readings]
    assert reply == []
    assert waited_s > 0.55
    assert isinstance(error, redis.TimeoutError)
    assert local_s < 0.5


@pytest.mark.failure("F50")
def test_a_served_sibling_does_not_prolong_a_block(own, threads):
    server, r = own
    clients = [server.client() for _ in range(2)]
    readings = []
    for number, client in enumerate(clients, 1):
        readings.append(threads.submit(timed_read, client, "tasks", 600))
        blocked(r, number)
    time.sleep(0.4)  # most of the sibling's time
    add(r, "tasks", 1)
    (served, _), (nothing, waited_s) = [reading.result() for reading in readings]
    assert [entry_id for entry_id, _ in served[0][1]] == ["1-1"]
    assert nothing == []
    assert 0.6 <= waited_s < 0.9  # another 0.6 s from then on would make it 1.0
    for client in clients:
        client.close()


@pytest.mark.failure("F50")
@pytest.mark.skipif(sys.platform != "linux", reason="a server's clock is moved on Linux only")
@pytest.mark.parametrize("version", [NEWEST, OLDEST])
@pytest.mark.parametrize(
    ("block_ms", "by_s", "least_s", "most_s"), [(200, -0.5, 0.65, 3), (3000, 3600, 0, 2)]
)
def test_a_block_follows_the_servers_clock_wherever_that_jumps(
    threads, version, block_ms, by_s, least_s, most_s
):
    with (
        ServerClock() as clock,
        RedisServer(version, env=clock.env) as server,
        server.client() as r,
        server.client() as other,
    ):
        r.xgroup_create("tasks", GROUP, "0", mkstream=True)
        reading = threads.submit(timed_read, other, "tasks", block_ms)
        blocked(r)
        clock.jump(by_s)
        reply, waited_s = reading.result()
        assert reply == []
        assert least_s <= waited_s < most_s
