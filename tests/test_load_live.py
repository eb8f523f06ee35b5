"""Runs on real processes and a real server; tiny, and with bounds that a busy machine keeps."""

import contextlib
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import redis
from loads import judged
from support import poll

from streamlab.errors import BenchError
from streamlab.load import children
from streamlab.load.disturb import Kill, Stall
from streamlab.load.rig import Rig
from streamlab.load.settings import Ack, Load, Reader, Recover, Sender
from streamlab.measure.account import Account, account
from streamlab.measure.figures import middle_throughput_per_s, open_loop_figures, recovery_ms
from streamlab.measure.tasks import Tasks
from streamlab.model.theory import lindley

WORKER = Load(work_ms=0)
LOOP = Load(work_ms=0, reader=Reader.LOOP, sender=Sender.XADD)


@pytest.fixture
def rig(newest, key):
    with newest.client() as client:
        yield Rig(newest, client, key)


LOADS = {
    "the package's own": replace(WORKER, consumers=2),
    "redis-py alone": LOOP,
    "acknowledged in batches": replace(LOOP, count=50, ack_batch=50, schedule="bursts:25"),
    "not acknowledged": replace(LOOP, ack=Ack.NOACK),
    "acknowledged and deleted": replace(LOOP, ack=Ack.XACKDEL),
    "the same in two commands": replace(LOOP, ack=Ack.XACK_XDEL),
    "polled": replace(LOOP, poll_ms=1.0),
    "three groups": replace(LOOP, groups=3),
    "at random": replace(WORKER, schedule="exponential", work_ms=0.5, work_shape="exponential"),
    "claimed": replace(LOOP, recover=Recover.CLAIM, min_idle_ms=1000),
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_an_open_loop_accounts_for_every_task_in_every_group(rig, load):
    seen = rig.open_loop(load, 200, 0.4)
    assert sorted(seen.effects["number"]) == list(range(100 * load.groups))
    assert account(seen) == Account()
    assert seen.endings == ()
    tasks = Tasks.of(seen)
    assert not tasks.out_of_order().any()
    assert len(tasks) == (seen.tasks - seen.measured_from) * load.groups > 70
    assert set(seen.lives) == {
        "producer",
        *(f"consumer-{n + 1}" for n in range(len(seen.lives) - 1)),
    }
    assert len(seen.lives) == 1 + load.groups * load.consumers
    assert seen.share.commands["xadd"].calls == 100
    assert seen.samples
    assert rig.client.exists(rig.stream) == 0


@pytest.mark.parametrize("load", [replace(WORKER, consumers=2), replace(LOOP, ack="xack+xdel")])
def test_an_open_loop_works_on_the_oldest_server(oldest, key, load):
    with oldest.client() as client:
        seen = Rig(oldest, client, key).open_loop(load, 200, 0.3)
    assert account(seen) == Account()
    assert seen.share.commands["xadd"].up_to_us == {}  # 6.2 has no LATENCY HISTOGRAM
    assert {sample.lag for sample in seen.samples} == {None}


def test_the_server_is_asked_what_its_share_was(rig):
    share = rig.open_loop(replace(LOOP, payload_bytes=10_000), 400, 0.5).share
    added = share.commands["xadd"]
    assert added.calls == 250
    assert max(added.up_to_us.values()) == 250
    assert sorted(added.up_to_us.values()) == list(added.up_to_us.values())
    assert 0 < added.usec_per_call < 1000
    assert share.task_us(250) > added.usec_per_call
    assert share.memory_grown_bytes > 250 * 9_000


@pytest.mark.parametrize("work_ms", [1, 5])
def test_capacity_of_one_consumer_is_the_inverse_of_its_service_time(rig, work_ms):
    """Service: from the handler's beginning to the next one's, in a batch: nothing lies between."""
    seen = rig.drain(Load(work_ms=work_ms), round(600 / work_ms))
    effects = np.sort(seen.effects, order="started_ns")
    same_batch = np.diff(effects["received_ns"]) == 0
    service_s = np.diff(effects["started_ns"])[same_batch].mean() / 1e9
    assert service_s >= work_ms / 1000
    per_s = middle_throughput_per_s(seen.effects["done_ns"])
    assert 0.85 <= per_s * service_s <= 1.05


def test_a_stall_of_the_server_is_seen_by_every_task_it_delayed(rig):
    seen = rig.open_loop(WORKER, 800, 1.5, disturbances=(Stall(at_s=1.0, for_s=0.35),))
    loop = open_loop_figures(seen)
    assert loop.corrected.max_us >= 340_000
    assert loop.corrected.quantile_us(0.99) >= 200_000
    # The producer was waiting for one reply: from when they were sent, the others were quick.
    assert loop.uncorrected.quantile_us(0.99) < loop.corrected.quantile_us(0.99) / 2
    assert account(seen).lost == 0
    assert [one.what for one in seen.incidents] == ["stopped", "continued"]


def test_a_rate_beyond_capacity_is_called_saturated(rig):
    run = judged(rig.open_loop(Load(work_ms=10), 300, 0.6), rate=300)
    assert not run.valid
    assert "saturated" in run.reason
    assert run.p99_us is None
    assert run.lost == 0


@pytest.mark.parametrize("recover", [Recover.XAUTOCLAIM, Recover.CLAIM])
def test_what_a_killed_consumer_held_is_done_by_another_after_min_idle(rig, recover):
    load = replace(LOOP, consumers=2, work_ms=15, recover=recover, min_idle_ms=300)
    kill = Kill(from_s=0.5, every_s=0.5, until_s=1.2)
    seen = rig.open_loop(load, 60, 1.5, disturbances=(kill,))
    assert {one.what for one in seen.incidents} == {"killed"}
    assert len(seen.incidents) == 2
    found = account(seen)
    assert (found.lost, found.pending, found.unread) == (0, 0, 0)
    assert seen.endings == ()  # it was planned
    held = sum(one.held for one in seen.incidents)
    assert len(recovery_ms(seen)) == 2
    if held:
        assert max(recovery_ms(seen)) >= 300 / 3  # it was idle for a while at the kill


def test_what_is_said_of_a_run_with_a_killed_consumer_is_true(rig, monkeypatch):
    started = []
    start = children.Children.start

    def note(self, role, job):
        started.append(start(self, role, job))
        return started[-1]

    monkeypatch.setattr(children.Children, "start", note)

    def kill():
        victim = poll(lambda: started[0] if len(started) == 3 else None)
        effects = victim.job.path("effects")
        poll(lambda: effects.exists() and effects.stat().st_size > 0)
        victim.process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    seen = rig.open_loop(Load(work_ms=20, consumers=2), 60, 1.0)
    killer.join()
    run = judged(seen, rate=60)
    done = set(seen.effects["number"].tolist())
    assert done | set(seen.pending) | set(seen.unread) == set(range(seen.tasks))
    assert run.lost == 0
    assert not run.valid
    assert "consumer-1 ended by SIGKILL" in run.reason
    assert ("still pending" in run.reason) == bool(seen.pending)


def test_a_reader_that_takes_what_is_not_its_own_makes_tasks_lost(rig, newest):
    """NOACK by a stranger: delivered, on no pending list, done by nobody."""
    over = threading.Event()

    def thief():
        with newest.client() as client:
            while not over.is_set():
                with contextlib.suppress(redis.ResponseError):  # there is no stream yet, or no more
                    client.xreadgroup(
                        "workers", "thief", {rig.stream: ">"}, count=1, block=20, noack=True
                    )
                time.sleep(0.002)

    thread = threading.Thread(target=thief)
    thread.start()
    try:
        run = judged(rig.open_loop(replace(WORKER, work_ms=2), 200, 0.5), rate=200)
    finally:
        over.set()
        thread.join()
    assert run.lost > 0
    assert f"{run.lost} lost" in run.reason


def test_a_run_of_more_than_a_million_tasks_is_refused(rig):
    with pytest.raises(
        BenchError, match="a run is of at most 1000000 tasks, got 100000/s for 60 s"
    ):
        rig.open_loop(LOOP, 100_000, 60)


def test_waits_at_random_arrivals_are_those_of_a_queue_with_one_server(rig):
    """Lindley's recursion over what was measured: each arrival, and each service time."""
    load = replace(LOOP, work_ms=3, schedule="exponential", seed=5)
    seen = rig.open_loop(load, 200, 1.6)
    tasks = Tasks.of(replace(seen, measured_from=0))
    # A server is free again when it has acknowledged.
    waits_ns = lindley(tasks.added, tasks.acked - tasks.started)
    measured_ms, exact_ms = (tasks.started - tasks.added).mean() / 1e6, waits_ns.mean() / 1e6
    assert exact_ms > 0.5
    # On a busy machine a consumer that was idle wakes up late, which the recursion cannot know.
    assert 0.9 * exact_ms <= measured_ms <= 1.15 * exact_ms + 2
