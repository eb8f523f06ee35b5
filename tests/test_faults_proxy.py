"""The proxy: unseen until told; then each action's promise, looked up on the server itself."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from support import poll

from streamlab.errors import BadArgumentError, StreamlabError
from streamlab.faults import Action, ConsumerProcess, Proxy, Rule
from streamlab.server import RedisServer

PROTOCOLS = (2, 3)


@pytest.fixture
def proxy(server):
    with Proxy(server.socket) as running:
        yield running


@pytest.fixture(params=PROTOCOLS)
def client(proxy, request):
    """Through the proxy; what fails is not tried again."""
    with connected(proxy, protocol=request.param) as through:
        yield through


def connected(proxy, **options):
    options = {"decode_responses": True, "retry": None} | options
    return redis.Redis.from_url(str(proxy.url), **options)


@contextlib.contextmanager
def connection_lost(match="closed|reset|Broken pipe|Connection refused"):
    began = time.monotonic()
    with pytest.raises(redis.ConnectionError, match=match):
        yield
    assert time.monotonic() - began < 4  # it was told, and did not wait for a timeout


def pending(r, key):
    return [entry["message_id"] for entry in r.xpending_range(key, "workers", "-", "+", 100)]


def with_pending(r, key, count):
    """A stream of which `count` entries, 1-0, 2-0 and so on, are pending under consumer ``c``."""
    r.xgroup_create(key, "workers", "0", mkstream=True)
    for number in range(1, count + 1):
        r.xadd(key, {"n": number}, id=f"{number}-0")
    r.xreadgroup("workers", "c", {key: ">"}, count=count)
    assert len(pending(r, key)) == count


# -- unseen ----------------------------------------------------------------------------------------

SHAPES = [
    b"PING\r\n*1\r\n$4\r\nPING\r\n\r\nECHO 'a b'\r\n*0\r\nNOSUCH x\r\n",
    b"XADD {key} 1-0 f v\r\nXADD {key} 2-0 f v\r\nXRANGE {key} - +\r\nXLEN {key}\r\n",
    b"XGROUP CREATE {key} g 0\r\nXREADGROUP GROUP g c STREAMS {key} >\r\nXPENDING {key} g\r\n",
    b"XREADGROUP GROUP g c BLOCK 30 STREAMS {key} >\r\nXACK {key} g 1-0 2-0 3-0\r\n",
    b"XINFO STREAM {key}\r\nGET {key}\r\nBLPOP nothing 0.02\r\nMGET a b\r\n",
    b"MULTI\r\nXLEN {key}\r\nXADD {key} 0-0 f v\r\nGET {key}\r\nEXEC\r\nMULTI\r\nDISCARD\r\n",
    b"EVAL 'return {1,{2,{3,redis.status_reply(string.rep(KEYS[1],3000))}}}' 1 abc\r\n",
    b"EVAL 'redis.setresp(3); return {double=3.5}' 0\r\nEVAL 'return false' 0\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9\r\n\r\n\x00\xff$1\r\n\n\r\nGET a\r\nDEL a {key}\r\n",
    b"CLIENT REPLY SKIP\r\nPING\r\nPING b\r\nCLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\n",
    b"SUBSCRIBE a b\r\nPING\r\nPUBLISH a x\r\nUNSUBSCRIBE\r\nPUBLISH a x\r\nPING\r\n",
]


def answers(path, script: bytes, step: int) -> bytes:
    """All that the server says to `script`, sent `step` bytes at a time, until it closes."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(str(path))
        with contextlib.suppress(BrokenPipeError):
            for at in range(0, len(script), step):
                raw.sendall(script[at : at + step])
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while part := raw.recv(65536):
                said += part
    said = re.sub(rb"\$2\r\nid\r\n:\d+\r\n", b"", said)  # HELLO tells the connection's number
    return re.sub(rb"(inactive|idle|seen-time|active-time)\r\n:-?\d+", rb"\1", said)


@pytest.mark.parametrize("hello", [b"", b"HELLO 3\r\n"])
def test_every_shape_of_command_gets_the_same_bytes_as_without_a_proxy(server, proxy, key, hello):
    script = hello + b"".join(SHAPES).replace(b"{key}", key.encode()) + b"QUIT\r\n"
    direct = answers(server.socket, script, len(script))
    assert direct.count(b"\r\n") > 100
    for step in (len(script), 1000, 7):
        assert answers(urlsplit(str(proxy.url)).path, script, step) == direct


@pytest.mark.parametrize(
    "wrong", [b"*1\r\n$x\r\nPING\r\n", b"*1\r\nPING\r\n", b"XX 'y\r\n", b"x" * 100_000, b"*+1\r\n"]
)
def test_bytes_that_are_no_command_get_the_servers_own_answer(server, proxy, wrong):
    script = b"PING\r\n" + wrong
    direct = answers(server.socket, script, len(script))
    assert b"-ERR Protocol error" in direct
    for step in (len(script), 5000):
        assert answers(urlsplit(str(proxy.url)).path, script, step) == direct


def test_a_value_of_8_mib_passes_both_ways(client, key):
    value = os.urandom(4 * 1024 * 1024).hex()
    assert client.set(key, value) is True
    assert client.get(key) == value
    client.delete(key)


def test_a_pipeline_of_10000_passes_while_its_client_reads_nothing(client):
    with client.pipeline(transaction=False) as pipe:
        for number in range(10_000):
            pipe.echo(f"{number}" * 50)
        assert pipe.execute() == [f"{number}" * 50 for number in range(10_000)]


def test_messages_that_are_pushed_pass(r, client, key):
    with client.pubsub() as channel:
        channel.subscribe(key)
        assert poll(lambda: channel.get_message(timeout=1))["type"] == "subscribe"
        for text in ("a", "b" * 100_000):
            assert r.publish(key, text) == 1
            assert poll(lambda: channel.get_message(timeout=1))["data"] == text


def test_a_blocked_read_gets_what_comes_and_then_its_timeout(r, client, key):
    client.xgroup_create(key, "g", "$", mkstream=True)
    threading.Timer(0.1, r.xadd, (key, {"f": "late"})).start()
    assert "late" in str(client.xreadgroup("g", "c", {key: ">"}, block=4000))
    assert not client.xreadgroup("g", "c", {key: ">"}, block=20)


def test_a_client_that_goes_is_gone_for_the_server_too(r, client, key):
    client.client_setname(key)
    assert [c["name"] for c in r.client_list()].count(key) == 1
    client.close()
    poll(lambda: key not in [c["name"] for c in r.client_list()])


def test_a_client_that_stops_reading_while_blocked_is_gone_for_the_server_too(r, proxy, key):
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(urlsplit(str(proxy.url)).path)
        raw.sendall(b"CLIENT SETNAME %s\r\nBLPOP %s 0\r\n" % (key.encode(), key.encode()))
        poll(lambda: [c for c in r.client_list() if c["name"] == key and "b" in c["flags"]])
    poll(lambda: key not in [c["name"] for c in r.client_list()])


def test_over_tcp_on_both_sides_all_is_the_same(key):
    with RedisServer(tcp=True) as server:
        parts = urlsplit(str(server.url))
        with Proxy(("127.0.0.1", parts.port), listen=0) as proxy:
            assert re.fullmatch(r"redis://127\.0\.0\.1:\d+/0", proxy.url)
            with connected(proxy, password=parts.password) as client:
                assert client.set(key, "x" * 10**6)
                assert client.get(key) == "x" * 10**6
                rule = Rule(command="GET", action=Action.DROP_REPLY)
                armed = proxy.add(rule)
                with connection_lost():
                    client.get(key)
                assert armed.wait(1).args == (key.encode(),)


def test_through_a_proxy_a_pipeline_takes_less_than_six_times_as_long(newest, key):
    def seconds(client):
        with client.pipeline(transaction=False) as pipe:
            for _ in range(5000):
                pipe.xadd(key, {"task_id": "0" * 36, "data": "x" * 100, "created_at": "0"})
            began = time.perf_counter()
            pipe.execute()
            return time.perf_counter() - began

    with Proxy(newest.socket) as proxy, connected(proxy) as client, newest.client() as direct:
        ratio = min(seconds(client) for _ in range(3)) / min(seconds(direct) for _ in range(3))
        direct.delete(key)
    print(f"5,000 XADDs in a pipeline take {ratio:.1f} times as long through a proxy")
    assert ratio < 6


# -- kills -----------------------------------------------------------------------------------------

CONSUMER = """
import os, redis
url, key, protocol = os.environ["URL"], os.environ["KEY"], int(os.environ["PROTOCOL"])
r = redis.Redis.from_url(url, protocol=protocol, retry=None)
r.xreadgroup("workers", "c", {key: ">"}, count=5)
for number in range(1, 6):
    r.xack(key, "workers", f"{number}-0")
    print(number, flush=True)
"""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("action", "left"),
    [
        (Action.KILL_BEFORE, ["3-0", "4-0", "5-0"]),
        (Action.KILL_AFTER, ["4-0", "5-0"]),
    ],
)
def test_a_kill_at_the_third_xack_comes_before_or_after_the_server_has_it(
    r, proxy, key, tmp_path, action, left, protocol
):
    r.xgroup_create(key, "workers", "0", mkstream=True)
    for number in range(1, 6):
        r.xadd(key, {"n": number}, id=f"{number}-0")
    consumer = ConsumerProcess(
        [sys.executable, "-c", CONSUMER],
        env={"URL": str(proxy.url), "KEY": key, "PROTOCOL": str(protocol)},
        stdout=tmp_path / "out",
    )
    seen = []

    def kill():
        seen.append(pending(r, key))
        consumer.kill()
        seen.append(consumer.alive)

    armed = proxy.add(Rule(command="xack", nth=3, action=action, on_fire=kill))
    with consumer:
        firing = armed.wait(30)
        assert consumer.wait(0) == -9
    assert seen == [left, False]
    assert pending(r, key) == left
    assert (tmp_path / "out").read_text() == "1\n2\n"  # it never heard of the third
    assert firing.command == "XACK"
    assert firing.args == (key.encode(), b"workers", b"3-0")
    assert 0 < time.monotonic_ns() - firing.at_ns < 30e9
    poll(lambda: not proxy_connections(proxy))


def open_descriptors():
    return len(list(Path("/dev/fd").iterdir()))


def proxy_connections(proxy):
    return proxy._board._links


@pytest.mark.parametrize("action", [Action.KILL_BEFORE, Action.KILL_AFTER])
def test_a_kill_in_the_middle_of_a_pipeline_is_as_exact(r, proxy, client, key, action):
    with_pending(r, key, 5)
    killed = []
    rule = Rule(command="XACK", nth=3, action=action, on_fire=lambda: killed.append(1))
    armed = proxy.add(rule)
    with client.pipeline(transaction=False) as pipe, connection_lost():
        for number in range(1, 6):
            pipe.xack(key, "workers", f"{number}-0")
        pipe.execute()
    assert armed.wait(1).args[2] == b"3-0"
    assert killed == [1]
    # Those before it are answered, and those behind it never reach the server.
    done = 2 if action is Action.KILL_BEFORE else 3
    assert pending(r, key) == [f"{number}-0" for number in range(done + 1, 6)]


def test_a_kill_must_know_how():
    with pytest.raises(BadArgumentError, match=r"kill-after must be told how.+on_fire=consumer"):
        Rule(command="XACK", action=Action.KILL_AFTER)


# -- replies ---------------------------------------------------------------------------------------


def test_an_xadd_whose_reply_is_dropped_is_on_the_stream(r, proxy, client, key):
    armed = proxy.add(Rule(command="XADD", action=Action.DROP_REPLY))
    with connection_lost():
        client.xadd(key, {"f": "v"}, id="7-0")
    assert armed.wait(1).args[:2] == (key.encode(), b"7-0")
    assert [entry for entry, _ in r.xrange(key)] == ["7-0"]
    assert client.xadd(key, {"f": "v"}, id="8-0") == "8-0"  # a rule fires once


def test_a_reply_dropped_in_a_pipeline_comes_after_those_before_it(r, proxy, client, key):
    armed = proxy.add(Rule(command="XADD", nth=2, action=Action.DROP_REPLY))
    connection = client.connection_pool.get_connection()
    words = [("XADD", key, f"{n}-0", "f", "v") for n in range(1, 5)]
    connection.send_packed_command(connection.pack_commands(words))
    assert connection.read_response() in ("1-0", b"1-0")
    with connection_lost():
        connection.read_response()
    client.connection_pool.release(connection)
    armed.wait(1)
    assert [entry for entry, _ in r.xrange(key)] == ["1-0", "2-0"]


def test_a_big_reply_and_an_error_are_dropped_like_any_other(r, proxy, client, key):
    r.set(key, "x" * 10**6)
    for command in ("GET", "XLEN"):
        proxy.add(Rule(command=command, action=Action.DROP_REPLY))
        with connection_lost():
            client.execute_command(command, key)
    r.delete(key)


def test_in_a_transaction_each_command_counts_and_execs_reply_is_the_transactions(
    r, proxy, client, key
):
    def transaction():
        with client.pipeline(transaction=True) as pipe:
            pipe.xadd(key, {"f": "v"})
            pipe.xadd(key, {"f": "v"})
            return pipe.execute()

    queued = proxy.add(Rule(command="XADD", nth=2, action=Action.DROP_REPLY))
    with connection_lost():
        transaction()
    assert queued.fired.is_set()
    assert r.xlen(key) == 0  # its QUEUED was dropped; EXEC never came
    executed = proxy.add(Rule(command="EXEC", action=Action.DROP_REPLY))
    with connection_lost():
        transaction()
    assert executed.fired.is_set()
    assert r.xlen(key) == 2
    assert len(transaction()) == 2


def test_a_script_is_met_by_the_name_that_calls_it(r, proxy, client, key):
    script = client.register_script("return redis.call('XADD', KEYS[1], '*', 'f', 'v')")
    script(keys=[key])
    armed = proxy.add(Rule(command="EVALSHA", action=Action.DROP_REPLY))
    with connection_lost():
        script(keys=[key])
    assert armed.wait(1).command == "EVALSHA"
    assert r.xlen(key) == 2


@pytest.mark.parametrize("passed", [0, 1, 5, 1000])
def test_a_reply_torn_after_n_bytes_is_a_lost_connection(r, proxy, client, key, passed):
    r.xadd(key, {"f": "x" * 2000})
    client.ping()
    armed = proxy.add(Rule(command="XRANGE", action=Action.CUT_AFTER_BYTES, after_bytes=passed))
    with connection_lost():
        client.xrange(key)
    armed.wait(1)


def test_exactly_n_bytes_of_a_torn_reply_arrive(r, proxy, key):
    proxy.add(Rule(command="ECHO", action=Action.CUT_AFTER_BYTES, after_bytes=6))
    script = b"PING\r\nECHO 12345\r\nSET %s 1\r\n" % key.encode()
    said = answers(urlsplit(str(proxy.url)).path, script, len(script))
    assert said == b"+PONG\r\n$5\r\n12"
    assert not r.exists(key)


@pytest.mark.parametrize("passed", [0, 10, 30])
def test_a_torn_command_never_runs(r, proxy, client, key, passed):
    rule = Rule(command="SET", action=Action.CUT_AFTER_BYTES, after_bytes=passed, of="command")
    proxy.add(rule)
    with connection_lost():
        client.set(key, "x" * 1000)
    poll(lambda: not proxy_connections(proxy))
    assert not r.exists(key)


# -- commands --------------------------------------------------------------------------------------


def test_a_command_that_is_cut_never_runs(r, proxy, client, key):
    armed = proxy.add(Rule(command="SET", nth=2, action=Action.CUT))
    assert client.set(key, "first")
    with connection_lost():
        client.set(key, "second")
    assert armed.wait(1).args == (key.encode(), b"second")
    assert r.get(key) == "first"
    assert client.set(key, "third")


@pytest.mark.parametrize("of", ["command", "reply"])
def test_a_delay_holds_the_command_or_its_reply_and_nothing_else(r, proxy, client, key, of):
    client.ping()
    rule = Rule(command="SET", action=Action.DELAY, delay_s=1.0, of=of)
    armed = proxy.add(rule)
    began = time.monotonic()
    setter = threading.Thread(target=client.set, args=(key, "x"), daemon=True)
    setter.start()
    armed.wait(2)
    assert bool(r.exists(key)) is (of == "reply")
    with connected(proxy) as another:
        assert another.ping()
    assert setter.is_alive()
    setter.join()
    assert time.monotonic() - began >= 1.0
    assert r.get(key) == "x"


def test_on_a_half_open_connection_the_client_waits_for_its_own_timeout(r, proxy, key):
    with connected(proxy, socket_timeout=0.3) as client:
        client.client_setname(key)
        armed = proxy.add(Rule(command="SET", action=Action.HALF_OPEN))
        with pytest.raises(redis.TimeoutError):
            client.set(key, "x")
        assert armed.fired.is_set()
        assert not r.exists(key)
        # The client has closed its side; the server does not know.
        assert key in [c["name"] for c in r.client_list()]
        assert client.ping()  # a new connection
        proxy.clear()
        poll(lambda: key not in [c["name"] for c in r.client_list()])


def test_a_client_of_a_half_open_connection_is_told_when_that_is_cleared(proxy, client):
    proxy.add(Rule(command="PING", action=Action.HALF_OPEN))
    threading.Timer(0.2, proxy.clear).start()
    with connection_lost():
        client.ping()


def test_the_server_may_close_a_half_open_connection_and_the_client_does_not_learn_of_it(r, proxy):
    with connected(proxy, socket_timeout=0.3) as client:
        number = client.client_id()
        armed = proxy.add(Rule(command="PING", nth=1, action=Action.HALF_OPEN))
        threading.Thread(
            target=lambda: armed.wait(2) and r.client_kill_filter(_id=number), daemon=True
        ).start()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        assert str(number) not in [c["id"] for c in r.client_list()]


# -- which command ---------------------------------------------------------------------------------


def test_a_rule_counts_from_when_it_was_added_over_all_connections(proxy, key):
    with connected(proxy) as one, connected(proxy) as two:
        one.ping()
        armed = proxy.add(Rule(command="ping", nth=3, action=Action.CUT))
        two.ping()
        one.ping()
        one.get(key)
        assert (armed.seen, armed.fired.is_set(), armed.firing) == (2, False, None)
        with connection_lost():
            two.ping()
        assert armed.wait(1).connection == 2
        assert one.ping()


def test_a_star_counts_any_command(proxy, client, key):
    client.ping()
    armed = proxy.add(Rule(command="*", nth=3, action=Action.CUT))
    client.ping()
    client.xlen(key)
    with connection_lost():
        client.get(key)
    assert armed.wait(1).command == "GET"


def test_a_name_may_have_a_sub_command(r, proxy, client, key):
    proxy.add(Rule(command="xgroup destroy", action=Action.CUT))
    client.xgroup_create(key, "g", mkstream=True)
    with connection_lost():
        client.xgroup_destroy(key, "g")
    assert [group["name"] for group in r.xinfo_groups(key)] == ["g"]


def test_two_rules_work_side_by_side_and_on_one_command(r, proxy, client, key):
    late = proxy.add(Rule(command="XADD", nth=2, action=Action.DELAY, delay_s=0.2))
    lost = proxy.add(Rule(command="XADD", nth=2, action=Action.DROP_REPLY))
    cut = proxy.add(Rule(command="XLEN", action=Action.CUT))
    client.xadd(key, {"f": "v"})
    with connection_lost():
        client.xlen(key)
    began = time.monotonic()
    with connection_lost():
        client.xadd(key, {"f": "v"})
    assert time.monotonic() - began >= 0.2
    assert all(armed.fired.is_set() for armed in (late, lost, cut))
    assert r.xlen(key) == 2


def test_the_rules_of_one_proxy_are_nothing_to_another(server, proxy):
    with Proxy(server.socket) as other, connected(proxy) as hit, connected(other) as spared:
        armed = proxy.add(Rule(command="PING", action=Action.CUT))
        assert spared.ping()
        other.half_open()
        with connection_lost():
            hit.ping()
        assert armed.firing is not None
        assert hit.ping()


def test_no_rule_sees_a_connection_that_has_subscribed(proxy, client, key):
    armed = proxy.add(Rule(command="*", nth=50, action=Action.CUT))
    with client.pubsub() as channel:
        channel.subscribe(key)
        poll(lambda: channel.get_message(timeout=1))
        before = armed.seen
        for _ in range(60):
            channel.ping()
        assert armed.seen == before


def test_a_push_is_not_the_reply_that_a_rule_waits_for(r, proxy, key):
    """With tracking (RESP3), a message arrives while the client is blocked."""
    armed = proxy.add(Rule(command="BLPOP", action=Action.DROP_REPLY))
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(urlsplit(str(proxy.url)).path)
        script = f"HELLO 3\r\nCLIENT TRACKING ON\r\nGET {key}\r\nBLPOP {key}:list 5\r\n"
        raw.sendall(script.encode())
        poll(lambda: "b" in "".join(c["flags"] for c in r.client_list()), what="the blocked read")
        r.set(key, "x")
        said = b""
        while b"invalidate" not in said:
            said += raw.recv(65536)
        assert not armed.fired.is_set()
        r.rpush(f"{key}:list", "popped")
        assert raw.recv(65536) == b""
    assert armed.wait(1).command == "BLPOP"
    assert not r.exists(f"{key}:list")
    r.delete(key)


def test_a_rule_that_does_not_fire_says_how_many_it_has_seen(proxy, client):
    armed = proxy.add(Rule(command="PING", nth=3, action=Action.CUT))
    client.ping()
    assert repr(armed) == "<ArmedRule cut at PING 3, seen 1>"
    with pytest.raises(StreamlabError, match=r"cut at PING number 3 did not fire .+ 1 seen"):
        armed.wait(0.01)


def test_what_on_fire_raises_is_told_and_the_connection_is_cut(r, proxy, client, key, caplog):
    def fail():
        msg = "no such consumer"
        raise LookupError(msg)

    armed = proxy.add(Rule(command="SET", action=Action.KILL_BEFORE, on_fire=fail))
    with connection_lost():
        client.set(key, "x")
    with pytest.raises(StreamlabError, match=r"on_fire of .+ failed: LookupError\('no such cons"):
        armed.wait(1)
    poll(lambda: "a connection through a proxy failed" in caplog.text)
    assert not r.exists(key)


def test_on_fire_may_use_the_proxy(proxy, client):
    proxy.add(Rule(command="PING", action=Action.CUT, on_fire=proxy.half_open))
    with connection_lost():
        client.ping()
    proxy.add(Rule(command="PING", action=Action.CUT, on_fire=proxy.cut))
    proxy.half_open(False)  # noqa: FBT003 - a switch
    with connection_lost():
        client.ping()
    assert client.ping()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"command": " "}, 'command must be a name or "*"'),
        ({"nth": 0}, "nth must be >= 1, got 0"),
        ({"action": Action.DELAY}, "delay_s must be > 0, got 0.0"),
        ({"after_bytes": -1}, "after_bytes must be >= 0, got -1"),
        ({"of": "both"}, "of must be 'command' or 'reply', got 'both'"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(wrong, says):
    with pytest.raises(BadArgumentError, match=re.escape(says)):
        Rule(**{"command": "XACK", "action": Action.CUT} | wrong)


# -- at once ---------------------------------------------------------------------------------------


def test_a_cut_closes_every_connection_and_new_ones_are_welcome(r, proxy, client, key):
    client.client_setname(key)
    blocked = threading.Timer(0.2, proxy.cut)
    blocked.start()
    with connection_lost():
        client.blpop([key], 4)
    poll(lambda: key not in [c["name"] for c in r.client_list()])
    assert client.ping()


def test_while_it_refuses_open_connections_stay_and_new_ones_fail(proxy, client):
    assert client.ping()
    proxy.refuse(True)  # noqa: FBT003 - a switch
    assert client.ping()
    with connected(proxy) as another:
        with connection_lost():
            another.ping()
        proxy.refuse(False)  # noqa: FBT003
        assert another.ping()


def test_while_it_is_half_open_nothing_passes_on_any_connection(r, proxy, key):
    with connected(proxy, socket_timeout=0.2) as client:
        client.ping()
        proxy.half_open(True)  # noqa: FBT003
        for _ in range(2):  # the second on a new connection
            with pytest.raises(redis.TimeoutError):
                client.set(key, "x")
        proxy.half_open(False)  # noqa: FBT003
        assert not r.exists(key)
        assert client.ping()


def test_a_delay_is_added_to_each_round_trip_until_it_is_taken_away(proxy, client):
    client.ping()
    for delay_s in (0.15, 0.0):
        proxy.delay(delay_s)
        began = time.monotonic()
        client.ping()
        assert (time.monotonic() - began >= 0.15) is bool(delay_s)
    with pytest.raises(BadArgumentError, match="delay_s must be >= 0, got -1"):
        proxy.delay(-1)


def test_clear_ends_everything(proxy, client):
    armed = proxy.add(Rule(command="PING", action=Action.CUT))
    proxy.delay(60)
    proxy.refuse()
    proxy.half_open()
    proxy.clear()
    assert client.ping()
    assert not armed.fired.is_set()


# -- the server goes, the proxy goes ---------------------------------------------------------------


def test_a_server_that_is_down_is_a_lost_connection_and_one_that_is_back_is_there():
    with RedisServer() as server, Proxy(server.socket) as proxy, connected(proxy) as client:
        assert client.ping()
        server.kill()
        for _ in range(2):
            with connection_lost():
                client.ping()
        server.restart()
        assert client.ping()


def test_a_paused_server_is_a_timeout():
    with (
        RedisServer() as server,
        Proxy(server.socket) as proxy,
        connected(proxy, socket_timeout=0.2) as client,
    ):
        client.ping()
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert poll(client.ping)


def test_what_closes_leaves_no_thread_no_socket_and_no_folder(server):
    threads, descriptors = threading.active_count(), open_descriptors()
    proxy = Proxy(server.socket)
    path = Path(urlsplit(str(proxy.url)).path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with connected(proxy, socket_timeout=2) as client, connected(proxy) as other:
        other.ping()
        proxy.half_open()
        proxy.add(Rule(command="GET", action=Action.DELAY, delay_s=60))
        threading.Timer(0.2, proxy.close).start()
        with connection_lost():
            client.ping()
        poll(lambda: not path.parent.exists())
        with connection_lost("No such file|refused|closed"):
            client.ping()
    proxy.close()
    poll(lambda: threading.active_count() == threads)
    assert open_descriptors() == descriptors
    with pytest.raises(StreamlabError, match="this proxy is closed: make a new one"):
        proxy.cut()


def test_a_close_does_not_wait_for_a_command_that_is_held(server):
    with Proxy(server.socket) as proxy, connected(proxy) as client:
        client.ping()
        armed = proxy.add(Rule(command="PING", action=Action.DELAY, delay_s=60))

        def wait():
            with connection_lost():
                client.ping()

        held = threading.Thread(target=wait, daemon=True)
        held.start()
        armed.wait(2)
        began = time.monotonic()
        proxy.close()
        assert time.monotonic() - began < 2
        held.join(5)
        assert not held.is_alive()


@pytest.mark.parametrize("listen", [-1, 65536, True])
def test_a_port_that_is_none_is_refused(listen):
    with pytest.raises(BadArgumentError, match=r"listen must be None or a port in 0\.\.65535"):
        Proxy("/x", listen=listen)


def test_a_port_that_is_taken_leaves_nothing_behind(server):
    threads = threading.active_count()
    with Proxy(server.socket, listen=0) as proxy:
        port = urlsplit(str(proxy.url)).port
        with pytest.raises(OSError, match="in use"):
            Proxy(server.socket, listen=port)
    assert threading.active_count() == threads


def test_clients_in_many_threads_and_rules_from_others_do_not_get_in_each_others_way(server):
    def work(proxy, number, failures):
        with connected(proxy) as client:
            for turn in range(100):
                try:
                    if client.echo(f"{number}-{turn}") != f"{number}-{turn}":
                        failures.append("another's reply")
                except redis.ConnectionError:
                    failures.append("lost")

    with Proxy(server.socket) as proxy:
        failures: list[str] = []
        threads = [
            threading.Thread(target=work, args=(proxy, number, failures), daemon=True)
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        armed = [
            proxy.add(Rule(command="ECHO", nth=nth, action=Action.DROP_REPLY)) for nth in (5, 9, 20)
        ]
        for thread in threads:
            thread.join()
    assert all(rule.fired.is_set() for rule in armed)
    assert failures == ["lost"] * 3
