"""``streamlab chaos`` as a person runs it, and what each kind of fault may cost."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from support import NEWEST, OLDEST, ROOT, poll, streamlab

from streamlab.chaos import ChaosSettings, FaultKind, run_chaos
from streamlab.errors import BadArgumentError, ChaosError
from streamlab.faults.nemesis import schedule
from streamlab.server.conf import Persistence

SMALL = ("--tasks", "200", "--workers", "2")
BASE = ChaosSettings(tasks=200, workers=2, seed=3, min_idle_ms=300)
PYTHONPATH = os.environ | {"PYTHONPATH": str(ROOT / "tests")}


# -- the command ---------------------------------------------------------------------------------


def test_a_valid_run_exits_with_0_and_says_what_must_be_0():
    done = streamlab("chaos", "--seed", "3", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "valid: no task is lost, unexpected or stuck" in done.stdout
    assert "seed 3" in done.stdout
    assert "%" in done.stderr  # the bar
    assert "%" not in done.stdout


def test_a_run_that_is_not_valid_exits_with_1_and_prints_the_line_that_replays_it():
    broken = ("--contestant", "broken.f05_ack_on_error:consume", "--poison", "5")
    done = streamlab("chaos", "--seed", "3", *SMALL, "--nemesis", "none", *broken, env=PYTHONPATH)
    assert done.returncode == 1, done.stderr
    assert "not valid: 5 lost" in done.stdout
    assert "the shortest timeline" in done.stdout
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("replay: streamlab ")]
    again = streamlab(*line.removeprefix("replay: streamlab ").split(), env=PYTHONPATH)
    assert again.returncode == 1
    assert "not valid: 5 lost" in again.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--nemesis", "gremlin"), "nemesis must be kinds of faults (kill, "),
        (("--persistence", "often"), "persistence must be one of none, "),
        (("--tasks", "0"), "tasks must be a whole number in 1.."),
        (("--seeds", "0"), "seeds must be >= 1, got 0"),
        (("--versions", "1.2.3"), "1.2.3"),
        (("--contestant", "nothing"), "contestant must be MODULE:FUNCTION"),
        (("--contestant", "no.such:thing"), "does the contestant work?"),
        (("--poison", "300", "--tasks", "200"), "must be <= tasks together"),
    ],
)
def test_a_run_that_cannot_be_is_one_line_and_exit_code_2(options, said):
    done = streamlab("chaos", "--workers", "1", *options)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_json_tells_all_and_a_folder_keeps_the_ledgers_of_one_run_only(tmp_path):
    out = tmp_path / "kept"
    done = streamlab("chaos", "--seed", "4", *SMALL, "--json", "--out", str(out))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (run,) = answer["runs"]
    assert answer["valid"] is run["verdict"]["valid"] is True
    assert (run["seed"], run["verdict"]["lost"], run["verdict"]["attempted"]) == (4, 0, 200)
    assert list(out.rglob("producer.ledger"))
    again = streamlab("chaos", "--seed", "4", *SMALL, "--out", str(out))
    assert again.returncode == 2
    assert "has ledgers of another run: name a new folder" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_run_that_is_ended_in_the_middle(number):
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlab", "chaos", "--tasks", "20000"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    me = psutil.Process(process.pid)

    def alive(one):
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE

    def consumers():
        family = [one for one in me.children(recursive=True) if alive(one)]
        return [one for one in family if "streamlab.chaos.contestant" in one.cmdline()]

    poll(lambda: len(consumers()) >= 4, what="four consumers")
    family = me.children(recursive=True)
    process.send_signal(number)
    process.wait(20)
    poll(lambda: not any(map(alive, family)), what="the end of all")


# -- what may be lost ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
@pytest.mark.parametrize(
    "kinds",
    [
        (FaultKind.KILL, FaultKind.PAUSE, FaultKind.CUT, FaultKind.DROP_REPLY, FaultKind.RESTART),
        (FaultKind.DELAY, FaultKind.HALF_OPEN, FaultKind.SERVER_PAUSE, FaultKind.FULL),
    ],
    ids=["harmful", "slow"],
)
def test_nothing_is_lost_while_the_server_keeps_what_it_acknowledged(version, kinds):
    settings = dataclasses.replace(
        BASE, version=version, nemesis=kinds, poison=3, flaky=10, deadly=1, tasks=400
    )
    verdict = run_chaos(settings).verdict
    assert verdict.valid, str(verdict)
    assert (verdict.lost, verdict.stuck, verdict.server_lost) == (0, 0, 0)


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_with_a_key_of_its_own_no_effect_is_seen_twice(version):
    verdict = run_chaos(dataclasses.replace(BASE, version=version, idempotent=True)).verdict
    assert verdict.valid, str(verdict)
    assert (verdict.duplicated, verdict.lost) == (0, 0)


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
@pytest.mark.parametrize(
    ("kind", "persistence"),
    [
        (FaultKind.RESTART, Persistence.NONE),
        (FaultKind.FLUSH, Persistence.ALWAYS),
        (FaultKind.DELETE_KEY, Persistence.ALWAYS),
    ],
)
def test_what_the_server_lost_is_told_apart_from_what_the_queue_lost(version, kind, persistence):
    settings = dataclasses.replace(
        BASE, version=version, nemesis=(kind,), persistence=persistence, work_ms=20
    )
    verdict = run_chaos(settings).verdict
    assert verdict.valid, str(verdict)
    assert verdict.lost == 0
    assert verdict.server_lost > 0


def test_a_destroyed_group_is_made_again_and_repeats_rather_than_loses():
    verdict = run_chaos(dataclasses.replace(BASE, nemesis=(FaultKind.DESTROY_GROUP,))).verdict
    assert verdict.valid, str(verdict)
    assert verdict.duplicated > 0


def test_a_used_folder_is_refused(tmp_path):
    (tmp_path / "a.ledger").touch()
    with pytest.raises(ChaosError, match="has ledgers of another run"):
        run_chaos(BASE, folder=tmp_path)


# -- the schedule --------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_faults_and_another_draws_others():
    def draw(seed, **more):
        return schedule(seed, tuple(FaultKind), seconds=30, consumers=["a", "b"], **more)

    assert draw(1) == draw(1) != draw(2)
    assert {fault.kind for fault in draw(1)} == set(FaultKind)
    assert [f.at_s for f in draw(1)] == sorted(f.at_s for f in draw(1))
    assert all(0 <= fault.at_s < 30 for fault in draw(1))
    apart = draw(1, combined=False)
    assert all(a.at_s + a.lasts_s <= b.at_s for a, b in itertools.pairwise(apart))
    assert {f.target for f in draw(1)} == {"a", "b", "server"}
    producers = schedule(
        1, (FaultKind.DROP_REPLY, FaultKind.KILL), seconds=60, consumers=["a"], producers=["p"]
    )
    assert {f.kind for f in producers if f.target == "p"} == {FaultKind.DROP_REPLY}
    assert not schedule(1, (), seconds=5, consumers=["a"])
    with pytest.raises(BadArgumentError, match="need consumers and times > 0"):
        schedule(1, (FaultKind.CUT,), seconds=0, consumers=["a"])
