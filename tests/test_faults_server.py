"""What a server's death, emptiness, shortage, standstill and wrong clock do to a stream."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
import redis
from support import NEWEST, OLDEST, handed_over, poll

from streamlab.errors import BadArgumentError, NotOurServerError, ServerError
from streamlab.faults.clock import ServerClock
from streamlab.faults.server import (
    crash,
    delete_key,
    destroy_group,
    flush,
    memory_limit,
    paused,
    snapshot,
)
from streamlab.server import RedisServer

BOTH = pytest.mark.parametrize("version", [NEWEST, OLDEST])
HOUR_S, HOUR_MS = 3600, 3_600_000


def fill(r, stream, *, done=1, held=1, unread=1):
    """A stream and group with finished, pending and unread entries; their ids, in order."""
    r.xgroup_create(stream, "workers", id="0", mkstream=True)
    ids = [r.xadd(stream, {"data": str(n)}) for n in range(done + held + unread)]
    if done + held:
        r.xreadgroup("workers", "one", {stream: ">"}, count=done + held)
    if done:
        assert r.xack(stream, "workers", *ids[:done]) == done
    return ids


def pending(r, stream):
    return [entry["message_id"] for entry in r.xpending_range(stream, "workers", "-", "+", 1000)]


def unread(r, stream):
    return [i for _, entries in r.xreadgroup("workers", "two", {stream: ">"}) for i, _ in entries]


class Blocked:
    """A reader that waits in XREADGROUP, in a thread; then its answer, and after how long."""

    def __init__(self, server, stream, *, block_ms=3_000) -> None:
        self.answer, self.block_ms = None, block_ms
        with server.client() as r:
            before = r.info("clients")["blocked_clients"]
            self._thread = threading.Thread(target=self._read, args=(server, stream), daemon=True)
            self._thread.start()
            poll(lambda: r.info("clients")["blocked_clients"] > before, what="the block")

    def _read(self, server, stream):
        began = time.monotonic()
        with server.client(retry=None, socket_timeout=5) as r:
            try:
                self.answer = r.xreadgroup("workers", "blk", {stream: ">"}, block=self.block_ms)
            except redis.RedisError as exc:
                self.answer = exc
        self.waited_s = time.monotonic() - began

    def wait(self):
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.answer


@pytest.fixture(params=[NEWEST, OLDEST])
def own(request):
    """A server of the test's own, since these faults are for all keys."""
    with RedisServer(request.param) as server, server.client() as r:
        yield server, r


# -- ids before minus ids after ----------------------------------------------------------------


@pytest.mark.parametrize("decode", [True, False])
def test_a_snapshot_has_every_id_over_many_pages_and_none_of_a_missing_key(server, key, decode):
    with server.client(decode_responses=decode) as r:
        assert snapshot(r, key) == frozenset()
        ids = {f"1-{n}" for n in range(1, 2502)}
        with r.pipeline(transaction=False) as pipe:
            for n in range(1, 2502):
                pipe.xadd(key, {"data": "x"}, id=f"1-{n}")
            pipe.execute()
        assert snapshot(r, key) == ids
        r.xdel(key, "1-1", "1-2501")
        assert ids - snapshot(r, key) == {"1-1", "1-2501"}
        r.delete(key)


# -- it dies -----------------------------------------------------------------------------------


@BOTH
def test_without_persistence_a_crash_loses_acknowledged_adds_groups_and_pending(version):  # F51
    with RedisServer(version) as server, server.client() as r:
        ids = fill(r, "tasks")
        assert pending(r, "tasks") == [ids[1]]
        before = snapshot(r, "tasks")
        crash(server)
        assert before - snapshot(r, "tasks") == set(ids)
        with pytest.raises(redis.ResponseError, match="NOGROUP"):
            unread(r, "tasks")


@BOTH
@pytest.mark.parametrize("persistence", ["everysec", "always"])
def test_with_an_append_only_file_the_death_of_the_process_loses_nothing_replied_to(
    version, persistence
):
    with RedisServer(version, persistence=persistence) as server, server.client() as r:
        ids = fill(r, "tasks")
        handed_over(r)
        crash(server)
        assert snapshot(r, "tasks") == set(ids)
        assert pending(r, "tasks") == [ids[1]]  # what was acknowledged stays done
        assert unread(r, "tasks") == [ids[2]]


@BOTH
@pytest.mark.parametrize("persistence", ["everysec", "always"])
def test_a_crash_under_load_loses_no_reply_but_those_whose_write_was_put_off(version, persistence):
    replied, started = [], threading.Event()

    def load(server):
        with server.client(retry=None) as r, contextlib.suppress(redis.ConnectionError):
            while len(replied) < 1_000_000:
                with r.pipeline(transaction=False) as pipe:
                    for _ in range(50):
                        pipe.xadd("tasks", {"data": "x" * 100})
                    replied.extend(pipe.execute())
                started.set()

    with RedisServer(version, persistence=persistence) as server, server.client() as r:
        thread = threading.Thread(target=load, args=(server,), daemon=True)
        thread.start()
        assert started.wait(10)
        sure = len(replied)
        handed_over(r)
        crash(server)
        thread.join(10)
        assert not thread.is_alive()
        kept = snapshot(r, "tasks")
        lost = [entry_id for entry_id in replied if entry_id not in kept]
        assert kept.issuperset(replied[:sure])
        put_off = len(lost) if persistence == "everysec" else 0
        assert lost == replied[len(replied) - put_off :]  # the last ones, if any


@BOTH
def test_from_an_older_snapshot_finished_work_comes_back_and_a_later_add_is_lost(version):  # F51
    with RedisServer(version) as server, server.client() as r:
        first, held = fill(r, "tasks", done=0, held=2, unread=0)
        r.save()
        r.xack("tasks", "workers", first)
        late = r.xadd("tasks", {"data": "late"})
        assert pending(r, "tasks") == [held]
        before = snapshot(r, "tasks")
        crash(server)
        assert before - snapshot(r, "tasks") == {late}
        assert pending(r, "tasks") == [first, held]


@BOTH
@pytest.mark.parametrize("end", [crash, RedisServer.restart])
def test_a_blocked_reader_is_cut_off_by_a_restart_and_can_read_on_after_it(version, end):  # F46
    with RedisServer(version, persistence="always") as server, server.client() as r:
        (held,) = fill(r, "tasks", done=0, held=1, unread=0)
        reader = Blocked(server, "tasks")
        end(server)
        assert isinstance(reader.wait(), redis.ConnectionError)
        assert reader.waited_s < reader.block_ms / 1000
        assert pending(r, "tasks") == [held]
        new = r.xadd("tasks", {"data": "new"})
        assert unread(r, "tasks") == [new]


def test_a_crashed_server_is_down_for_as_long_as_was_asked():
    with RedisServer() as server, server.client(retry=None) as r:
        began, pid = time.monotonic(), server.pid
        thread = threading.Thread(target=crash, args=(server,), kwargs={"down_s": 0.3}, daemon=True)
        thread.start()
        poll(lambda: not server.running)
        with pytest.raises(redis.ConnectionError):
            r.ping()
        thread.join(10)
        assert time.monotonic() - began >= 0.3
        assert r.ping() is True
        assert server.pid != pid


@pytest.mark.parametrize("down_s", [-1, float("nan")])
def test_a_time_below_zero_is_refused_and_the_server_lives(newest, down_s):
    with pytest.raises(BadArgumentError, match="down_s must be >= 0, got"):
        crash(newest, down_s=down_s)
    assert newest.running


# -- it is emptied -----------------------------------------------------------------------------


def test_a_flush_takes_the_stream_and_its_group_and_every_other_key(own):  # F48
    server, r = own
    ids = fill(r, "tasks")
    r.set("other", "1")
    before = snapshot(r, "tasks")
    flush(server)
    assert before - snapshot(r, "tasks") == set(ids)
    assert r.dbsize() == 0
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        unread(r, "tasks")


@pytest.mark.parametrize("empty", [flush, lambda server: delete_key(server, "tasks")])
def test_a_reader_blocked_while_the_key_goes_hears_of_it_at_once_but_on_6_2(own, empty):  # F48
    server, r = own
    fill(r, "tasks", unread=0)
    reader = Blocked(server, "tasks", block_ms=600)
    empty(server)
    if server.version == OLDEST:
        assert reader.wait() == []
        assert reader.waited_s >= 0.6
    else:
        assert str(reader.wait()).startswith("NOGROUP")


def test_a_deleted_stream_is_gone_with_its_group_and_other_keys_stay(server, r, key):  # F48
    ids = fill(r, key)
    r.set(f"{key}:other", "1")
    before = snapshot(r, key)
    assert delete_key(server, key) is True
    assert before - snapshot(r, key) == set(ids)
    assert r.get(f"{key}:other") == "1"
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        unread(r, key)
    assert delete_key(server, key) is False


def test_a_destroyed_group_leaves_the_entries_and_forgets_which_were_done(server, r, key):  # F18
    ids = fill(r, key)
    before = snapshot(r, key)
    assert destroy_group(server, key, "workers") is True
    assert snapshot(r, key) == before
    assert r.xinfo_groups(key) == []
    assert destroy_group(server, key, "workers") is False
    r.xgroup_create(key, "workers", id="0")
    assert pending(r, key) == []
    assert unread(r, key) == ids  # the finished one too


def test_a_reader_blocked_in_a_destroyed_group_gets_nogroup(server, r, key):  # F18
    fill(r, key, unread=0)
    reader = Blocked(server, key)
    destroy_group(server, key, "workers")
    assert "NOGROUP" in str(reader.wait())
    assert reader.waited_s < reader.block_ms / 1000


# -- it is short of memory ---------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl"])
def test_a_full_server_that_may_not_evict_refuses_adds_and_takes_acks(own, policy):  # F37
    server, r = own
    _, held, last = fill(r, "tasks")
    before = snapshot(r, "tasks")
    with memory_limit(server, policy, spare_bytes=-100_000) as limit:
        assert r.config_get("maxmemory") == {"maxmemory": str(limit)}
        with pytest.raises(redis.OutOfMemoryError):
            r.xadd("tasks", {"data": "x"})
        assert unread(r, "tasks") == [last]
        assert r.xack("tasks", "workers", held, last) == 2
        assert snapshot(r, "tasks") == before
    assert pending(r, "tasks") == []
    assert r.xadd("tasks", {"data": "x"}) in snapshot(r, "tasks") - before


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_a_full_server_that_may_evict_loses_the_whole_stream_with_its_group(own, policy):  # F37
    server, r = own
    ids = fill(r, "tasks", unread=1000)
    before = snapshot(r, "tasks")
    with memory_limit(server, policy, spare_bytes=-1_000_000):
        poll(lambda: not r.exists("tasks"), what="the eviction")
    assert before - snapshot(r, "tasks") == set(ids)
    assert r.info("stats")["evicted_keys"] == 1
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        unread(r, "tasks")


def test_within_a_larger_limit_nothing_is_evicted_and_adds_go_on(own):
    server, r = own
    fill(r, "tasks")
    before = snapshot(r, "tasks")
    with memory_limit(server, "allkeys-lru", spare_bytes=50_000_000):
        r.xadd("tasks", {"data": "x"})
    assert before < snapshot(r, "tasks")


def test_after_a_memory_limit_the_settings_of_before_are_back_however_it_ended(own):
    server, r = own

    def settings():
        return r.config_get("maxmemory") | r.config_get("maxmemory-policy")

    before = settings()
    with pytest.raises(ZeroDivisionError), memory_limit(server, "allkeys-lru"):
        _ = 1 / (settings() == before)
    assert settings() == before
    with memory_limit(server, "allkeys-lru"):
        crash(server)
        assert settings() == before
    with memory_limit(server, "allkeys-lru"):
        server.kill()
    server.restart()
    assert settings() == before


def test_an_unknown_policy_is_refused_by_the_server_and_changes_nothing(newest):
    with newest.client() as r:
        before = r.config_get("maxmemory*")
        with pytest.raises(redis.ResponseError, match="allkeys-lru"), memory_limit(newest, "all"):
            pass
        assert r.config_get("maxmemory*") == before


# -- it stands still ---------------------------------------------------------------------------


def test_a_paused_server_loses_nothing_and_does_later_what_was_sent_to_it(own):  # F11
    server, r = own
    before = set(fill(r, "tasks"))
    with server.client(socket_timeout=0.2, retry=None) as hasty:
        hasty.ping()  # connected, so that the pause meets the XADD
        with paused(server), pytest.raises(redis.TimeoutError):
            hasty.xadd("tasks", {"data": "outcome unknown"})
    poll(lambda: len(snapshot(r, "tasks") - before) == 1, what="the add without a reply")


def test_what_was_pending_is_idle_for_the_length_of_a_pause(own):  # F26
    server, r = own
    _, held, _ = fill(r, "tasks")
    with paused(server):
        time.sleep(0.3)  # the pause itself
    (entry,) = r.xpending_range("tasks", "workers", "-", "+", 10)
    assert entry["message_id"] == held
    assert entry["time_since_delivered"] >= 300


def test_a_pause_ends_also_by_an_exception_and_outlasts_a_kill(newest):
    with pytest.raises(ZeroDivisionError), paused(newest):
        _ = 1 / 0
    with newest.client() as r:
        assert r.ping() is True
    with RedisServer() as server:
        with paused(server):
            server.kill()
        assert not server.running


# -- its clock is wrong ------------------------------------------------------------------------


@pytest.fixture(params=[NEWEST, OLDEST])
def wound(request):
    """A server and its clock."""
    with (
        ServerClock() as clock,
        RedisServer(request.param, env=clock.env) as server,
        server.client(retry=None) as r,
    ):
        yield clock, server, r


def ahead_s(r):
    seconds, micros = r.time()
    return seconds + micros / 1e6 - time.time()


def ms(entry_id):
    return int(entry_id.split("-")[0])


def test_a_servers_clock_is_true_until_it_jumps_and_jumps_add_up(wound):
    clock, _, r = wound
    assert abs(ahead_s(r)) < 5
    for by_s, offset_s in [(HOUR_S, HOUR_S), (-2 * HOUR_S, -HOUR_S), (0.5, 0.5 - HOUR_S)]:
        clock.jump(by_s)
        assert clock.offset_s == offset_s
        assert abs(ahead_s(r) - offset_s) < 5


def test_when_the_clock_goes_back_the_ms_part_of_new_ids_stands_still(wound):  # F19
    clock, _, r = wound
    first = r.xadd("tasks", {"data": "1"})
    clock.jump(-HOUR_S)
    later = [r.xadd("tasks", {"data": "x"}) for _ in range(3)]
    assert later == [f"{ms(first)}-{int(first.split('-')[1]) + n}" for n in (1, 2, 3)]
    clock.jump(2 * HOUR_S)
    assert ms(r.xadd("tasks", {"data": "2"})) - ms(first) >= HOUR_MS


def test_a_jump_forward_makes_live_work_idle_at_once_so_that_it_is_taken_over(wound):  # F26
    clock, _, r = wound
    _, held, _ = fill(r, "tasks")
    assert r.xautoclaim("tasks", "workers", "two", HOUR_MS)[1] == []
    clock.jump(HOUR_S)
    (entry,) = r.xpending_range("tasks", "workers", "-", "+", 10)
    assert entry["time_since_delivered"] >= HOUR_MS
    assert [i for i, _ in r.xautoclaim("tasks", "workers", "two", HOUR_MS)[1]] == [held]
    (entry,) = r.xpending_range("tasks", "workers", "-", "+", 10)
    assert (entry["consumer"], entry["times_delivered"]) == ("two", 2)


def test_after_a_jump_back_nothing_grows_idle_and_dead_work_waits(wound):
    clock, _, r = wound
    _, held, _ = fill(r, "tasks")
    poll(lambda: r.xpending_range("tasks", "workers", "-", "+", 1)[0]["time_since_delivered"] > 20)
    clock.jump(-HOUR_S)
    (entry,) = r.xpending_range("tasks", "workers", "-", "+", 10)
    assert entry["time_since_delivered"] == 0
    assert r.xautoclaim("tasks", "workers", "two", 1)[1] == []
    clock.jump(HOUR_S)  # the clock has caught up
    poll(lambda: r.xautoclaim("tasks", "workers", "two", 20)[1])
    assert pending(r, "tasks") == [held]


def test_a_jump_forward_ends_a_blocking_read_early(wound):  # F50
    clock, server, r = wound
    fill(r, "tasks", unread=0)
    reader = Blocked(server, "tasks")
    clock.jump(HOUR_S)
    assert reader.wait() == []
    assert reader.waited_s < reader.block_ms / 1000


def test_a_jump_back_makes_a_blocking_read_outlast_its_time(wound):  # F45, F50
    clock, server, r = wound
    fill(r, "tasks", unread=0)
    reader = Blocked(server, "tasks", block_ms=500)
    clock.jump(-1.0)
    assert reader.wait() == []
    assert reader.waited_s >= 1.4


def test_a_lease_ends_with_the_moved_clock(wound):
    clock, _, r = wound
    r.set("lease", "1", ex=HOUR_S)
    clock.jump(HOUR_S - 10)
    assert 0 < r.ttl("lease") <= 10
    clock.jump(11)
    assert r.get("lease") is None


def test_a_restarted_server_keeps_the_wrong_clock_and_others_never_have_it(wound, newest):
    clock, server, r = wound
    clock.jump(HOUR_S)
    server.restart()
    assert abs(ahead_s(r) - HOUR_S) < 5
    with newest.client() as other:
        assert abs(ahead_s(other)) < 5


def test_a_closed_clock_leaves_no_files_and_may_be_closed_twice():
    with ServerClock() as clock:
        folder = clock._folder
        assert folder.is_dir()
    clock.close()
    assert not folder.exists()


def test_without_a_compiler_the_clock_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="needs a C compiler"):
        ServerClock()


def test_what_the_compiler_says_is_told_and_no_folder_stays(monkeypatch, tmp_path):
    (tmp_path / "cc").write_text("#!/bin/sh\necho no such standard >&2\nexit 1\n")
    (tmp_path / "cc").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ServerError, match=r"could not compile clock\.c, it said: no such standard"):
        ServerClock()
    assert [path.name for path in tmp_path.iterdir()] == ["cc"]


def test_a_path_that_the_loader_would_cut_is_refused(monkeypatch, short_path):
    spaced = short_path / "a b"
    spaced.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spaced))
    with pytest.raises(ServerError, match="set TMPDIR"):
        ServerClock()


# -- none of it to a server that is not ours ---------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        crash,
        flush,
        lambda server: destroy_group(server, "tasks", "workers"),
        lambda server: delete_key(server, "tasks"),
        lambda server: memory_limit(server, "noeviction").__enter__(),
        lambda server: paused(server).__enter__(),
    ],
)
def test_a_server_that_the_lab_did_not_start_is_left_alone(newest, key, fault):
    with newest.client() as r:
        r.set(key, "1")
        with pytest.raises(NotOurServerError, match="start one"):
            fault(r)  # a client of any server, where a RedisServer is wanted
        assert r.get(key) == "1"
