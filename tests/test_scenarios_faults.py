"""Experiments on commands and faults, tiny, on real servers; and the study that runs them all."""

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
import typer
from support import ROOT, poll, run_python

from streamlab.bench.commands import LEAST_CALLS, Command, command_run
from streamlab.bench.experiment import size_named
from streamlab.bench.study import Study
from streamlab.load.settings import Load
from streamlab.measure.folder import Results
from streamlab.measure.hdr_log import CORRECTED, write_log
from streamlab.measure.judged import Asked
from streamlab.measure.runs import Mode, Run
from streamlab.server.reader import URL_VARIABLE

NAMES = ("pending_list", "trimming", "polling", "crash", "stall", "soak")


def scenario(name):
    """What a scenario's file defines."""
    return runpy.run_path(str(ROOT / f"loadtests/scenarios/{name}.py"), run_name=name)


def measured(name, out):
    """A tiny run of an experiment, read from its folder."""
    experiment = scenario(name)["EXPERIMENT"]
    with Study(experiment, size_named("tiny"), out) as study:
        experiment.measure(study)
    return Results.read(out)


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_named_as_its_file_and_says_how_it_is_run_and_how_long_it_takes(name):
    told = scenario(name)
    assert told["EXPERIMENT"].name == name
    assert f"python loadtests/scenarios/{name}.py --size" in told["__doc__"]
    for part in ("Question:", "Method:", "Expect:", "at full"):
        assert part in told["__doc__"], part


# -- one command ----------------------------------------------------------------------------------


@pytest.fixture
def r(newest):
    with newest.client() as client:
        yield client


def test_a_round_trip_is_from_the_call_to_its_end_and_the_servers_time_is_within_it(r, key):
    def call():
        time.sleep(0.002)
        r.xadd(key, {"data": "x"})

    run = command_run(r, Command(name="xadd", call=call), Asked(case="x", seconds=0.05), Load())
    assert (run.mode, run.valid) == (Mode.COMMAND, True)
    assert run.max_us >= run.p50_us >= 2_000
    assert run.p99_us is None  # of a few dozen calls
    assert 0 < run.server_task_us < run.max_us
    assert run.throughput_per_s <= 500
    r.delete(key)


def test_however_slow_a_command_is_its_median_is_known(r, key):
    calls = []

    def call():
        calls.append(r.xlen(key))
        time.sleep(0.01)

    run = command_run(r, Command(name="xlen", call=call), Asked(case="x", seconds=0.001), Load())
    assert run.valid
    assert run.p50_us >= 10_000
    assert len(calls) < 2 * LEAST_CALLS


def test_the_calls_of_a_pipeline_are_counted_one_by_one(r, key):
    def call():
        with r.pipeline(transaction=False) as pipe:
            for _ in range(10):
                pipe.xlen(key)
            pipe.execute()

    command = Command(name="xlen", call=call, each=10)
    run = command_run(r, command, Asked(case="x", seconds=0.2), Load())
    assert run.valid
    assert run.throughput_per_s * run.p50_us / 1e6 > 3  # ten calls a round trip, or nearly


def test_a_command_that_somebody_else_calls_too_is_not_timed(r, key):
    command = Command(name="xlen", call=lambda: r.xlen(key), before=lambda: r.xlen(key))
    run = command_run(r, command, Asked(case="x", seconds=0.01), Load())
    assert not run.valid
    assert re.search(r"counted \d+ calls of xlen instead of \d+: who else", run.reason)


# -- experiments on commands ----------------------------------------------------------------------


@pytest.mark.parametrize("which", ["newest", "oldest"])
def test_each_command_is_timed_at_each_length_of_the_pending_list(
    request, tmp_path, monkeypatch, which
):
    server = request.getfixturevalue(which)
    monkeypatch.setenv(URL_VARIABLE, str(server.url))
    results = measured("pending_list", tmp_path)
    names = {"XREADGROUP >", "XREADGROUP CLAIM", "XACK", "XPENDING", "XPENDING - + 10"}
    names |= {"XPENDING IDLE", "XAUTOCLAIM", "XINFO STREAM", "XINFO GROUPS"}
    if which == "oldest":
        names.remove("XREADGROUP CLAIM")
    cases = {f"{name}: {size}" for name in names for size in ("100", "1,000")}
    assert {run.case for run in results.runs} == cases == set(results.manifest["cases"])
    assert [run.reason for run in results.runs] == [""] * len(cases)
    assert all(run.max_us >= run.server_task_us >= 0 for run in results.runs)
    memory = results.manifest["memory"]["1,000"]
    assert 20 < memory["pending_bytes_per_entry"] < 500
    with server.client() as client:
        assert client.keys("streamlab-bench-*") == []


def test_what_was_timed_is_not_timed_again(tmp_path):
    before = measured("pending_list", tmp_path)
    began_s = time.monotonic()
    after = measured("pending_list", tmp_path)
    assert after.runs == before.runs
    assert after.manifest["memory"] == before.manifest["memory"]
    assert time.monotonic() - began_s < 5


def test_each_way_to_trim_keeps_its_bound_and_a_limit_below_a_node_keeps_none(tmp_path):
    results = measured("trimming", tmp_path)
    assert all(run.valid for run in results.runs), [run.reason for run in results.runs]
    assert {run.case for run in results.runs} == set(results.manifest["cases"])
    assert len(results.runs) == 9
    grown = {case.partition(":")[0]: n for case, n in results.manifest["grown_by"].items()}
    assert grown["XADD MAXLEN = N"] == grown["100 x XADD MAXLEN = N"] == 0
    for about in ("MAXLEN ~ N", "MAXLEN ~ N LIMIT 100", "MINID ~ N ago"):
        assert 0 <= grown[f"XADD {about}"] < 100  # a node
    assert 0 <= grown["100 x XADD MAXLEN ~ N"] < 100
    for unbounded in ("XADD", "100 x XADD", "XADD MAXLEN ~ N LIMIT 10"):
        assert grown[unbounded] >= LEAST_CALLS
    lowered = results.manifest["lowered"]
    assert lowered["XADD MAXLEN = N"]["calls"] == 1
    assert lowered["XADD MAXLEN ~ N LIMIT 100"]["calls"] > 5


def test_an_empty_block_lasts_until_the_servers_timer_and_a_poll_costs_commands(tmp_path):
    results = measured("polling", tmp_path)
    open_loops = results.of(Mode.LATENCY)
    assert {run.case for run in open_loops} == {"BLOCK", "poll 10 ms"}
    assert all(run.lost == 0 for run in open_loops)
    (empty,) = results.of(Mode.COMMAND)
    assert (empty.case, empty.load.block_ms, empty.valid) == ("empty BLOCK: 10", 10, True)
    assert empty.p50_us > 50_000  # hz 10
    assert results.manifest["cost"] == {}  # so few tasks are no valid run
    believed = replace(results, runs=tuple(replace(run, valid=True) for run in results.runs))
    cost = scenario("polling")["costs"](believed)
    assert 1.1 <= cost["BLOCK, 100/s"]["commands_per_task"] <= 5  # 2, and empty ones at the end
    assert cost["poll 10 ms, 100/s"]["commands_per_task"] > 1.1
    assert all(row["consumer_cpu"] > 0 for row in cost.values())


# -- experiments on faults ------------------------------------------------------------------------


def test_every_kill_is_noted_and_what_was_held_is_done_by_others_after_min_idle(tmp_path):
    results = measured("crash", tmp_path)
    min_idle_ms = results.manifest["min_idle_ms"]
    runs = {run.case: run for run in results.runs}
    control = runs.pop("nothing recovers")
    assert set(runs) == {"CLAIM, kills", "worker, kills"}
    for run in (control, *runs.values()):
        details = results.details(run)
        killed = [one for one in details.incidents if one["what"] == "killed"]
        assert len(killed) == run.kills >= 1
        assert len({one["name"] for one in killed}) == run.kills
        assert not {one["name"] for one in killed} & set(details.cpu_shares)
        assert sum(one["held"] for one in killed) == run.held
        assert (run.lost, "ended by" in run.reason) == (0, False)
    for run in runs.values():
        assert "pending" not in run.reason
        assert "unread" not in run.reason
        assert run.recovery_ms <= min_idle_ms + 4_000  # 250 ms on a quiet machine
    if control.held:
        assert "still pending at the end" in control.reason


def test_a_stall_is_in_the_corrected_percentiles_where_theory_has_it_and_not_in_the_naive(tmp_path):
    results = measured("stall", tmp_path)
    (run,) = (run for run in results.runs if "stall" in run.case and run.case != "no stall")
    theory = results.manifest["theory"]
    assert theory["p99_us"] == 229_000
    assert theory["max_us"] <= run.max_us <= theory["max_us"] + 400_000
    assert run.p99_us >= 0.85 * theory["p99_us"]
    assert run.uncorrected_p99_us < 0.6 * run.p99_us
    assert run.lost == 0
    assert [one["what"] for one in results.details(run).incidents] == ["stopped", "continued"]


@pytest.mark.parametrize(("stall_s", "seconds"), [(1.0, 10.0), (0.25, 2.1), (0.5, 3.0)])
def test_theory_says_of_a_stall_what_a_list_of_its_latencies_does(stall_s, seconds):
    """An oracle that knows no formula: each task by itself, on a server that takes no time."""
    due_s = np.arange(round(seconds * 10_000)) / 10_000
    began_s = seconds / 2
    ended_s = began_s + stall_s
    hit = (due_s >= began_s) & (due_s < ended_s)
    latency_us = 1e6 * np.where(hit, ended_s - due_s, 0)
    told = scenario("stall")["theory"](stall_s, seconds)
    for name, quantile in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1)):
        assert told[name] == pytest.approx(np.quantile(latency_us, quantile), abs=300), name


def test_a_soak_keeps_its_stream_short_and_says_how_memory_and_latency_drift(tmp_path):
    results = measured("soak", tmp_path)
    runs = {run.case: run for run in results.runs}
    assert set(runs) == {"worker, trim()", "loop, XACKDEL", "worker, nothing deleted"}
    assert all(run.lost == 0 for run in runs.values())
    calls = {case: results.details(run).server for case, run in runs.items()}
    assert calls["worker, trim()"]["xtrim"]["calls"] >= 1
    assert calls["loop, XACKDEL"]["xackdel"]["calls"] >= 50
    assert not {"xtrim", "xackdel", "xdel"} & set(calls["worker, nothing deleted"])
    drift = results.manifest["drift"]
    assert set(drift) == set(runs)
    assert drift["worker, trim()"]["memory_bytes"]["points"] >= 3


def test_a_drift_is_found_in_noise_and_none_where_there_is_none():
    drift, rng = scenario("soak")["drift"], np.random.default_rng(1)
    noise = rng.normal(0, 50, 60)
    level = [(float(at), 1000 + float(noise[at])) for at in range(60)]
    assert not drift(level)["moves"]
    rising = [(at, value + 5 * at) for at, value in level]
    rising[30] = (30.0, 1e6)  # one hiccup
    found = drift(rising)
    assert found["moves"]
    assert found["low"] < 300 < found["high"]  # per minute
    assert found["per_minute"] == pytest.approx(300, rel=0.25)


def test_a_window_of_a_soak_has_a_thousand_tasks_and_its_own_p99(tmp_path):
    (tmp_path / "hdr").mkdir()
    due_ns = np.arange(250 * 40, dtype=np.int64) * 4_000_000
    latency_ns = np.where(due_ns < 20e9, 1_000_000, 2_000_000).astype(np.int64)
    write_log(tmp_path / "hdr" / "it.hdr", due_ns, {CORRECTED: latency_ns}, 1e9)
    results = Results(tmp_path, (), {})
    run = Run(mode=Mode.LATENCY, case="it", repeat=1, seconds=40.0, valid=True, name="it")
    points = scenario("soak")["latencies"](results, run)
    assert [at for at, _ in points["p99_us"]] == list(range(0, 40, 4))
    assert [round(us, -1) for _, us in points["p99_us"]] == [1_000] * 5 + [2_000] * 5


# -- the study ------------------------------------------------------------------------------------


@pytest.fixture
def study(monkeypatch):
    """What `loadtests/study.py` defines."""
    monkeypatch.syspath_prepend(str(ROOT / "loadtests"))
    return runpy.run_path(str(ROOT / "loadtests/study.py"), run_name="study")


def test_the_study_runs_every_experiment_there_is(study):
    files = {path.stem for path in (ROOT / "loadtests/scenarios").glob("*.py")}
    assert set(study["SCENARIOS"]) == files


def test_a_study_that_is_interrupted_goes_on_where_it_stopped(tmp_path):
    out, tmp = tmp_path / "out", tmp_path / "tmp"
    tmp.mkdir()
    command = ("loadtests/study.py", "--size", "tiny", "--only", "trimming,pending_list")
    command = (*command, "--out", str(out))
    ran = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    table = out / "pending_list/runs.csv"
    poll(lambda: table.exists() and len(table.read_text().splitlines()) >= 3, timeout_s=60)
    offspring = psutil.Process(ran.pid).children(recursive=True)
    ran.send_signal(signal.SIGINT)
    said = ran.communicate(timeout=30)[1]
    assert ran.returncode == 130, said
    assert "study: interrupted; the same command goes on with it" in said
    poll(lambda: not any(child.is_running() for child in offspring), what="the end of all children")
    assert list(tmp.iterdir()) == []
    before = table.read_text().splitlines()
    again = run_python(*command)
    assert again.returncode == 0, again.stderr
    assert [line.split()[1] for line in again.stdout.splitlines()[:2]] == [
        *("pending_list", "trimming")
    ]
    after = table.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == 19
    index = (out / "index.html").read_text()
    for name in ("pending_list", "trimming"):
        assert f'href="{name}/report.html"' in index
        assert (out / name / "report.html").exists()


def test_an_experiment_that_fails_is_told_and_keeps_no_other_from_being_measured(
    study, tmp_path, capsys
):
    folder = tmp_path / "pending_list"
    with Study(scenario("pending_list")["EXPERIMENT"], size_named("short"), folder):
        pass  # of another size
    with pytest.raises(typer.Exit) as ended:
        study["study"](out=tmp_path, size="tiny", only="trimming,pending_list")
    assert ended.value.exit_code == 2
    first, second, _ = capsys.readouterr().out.splitlines()
    assert "failed" in first
    assert "holds results with another settings" in first
    assert second.split()[:2] == ["2/2", "trimming"]
    assert second.endswith("9 runs")
    assert "Failed:" in (tmp_path / "index.html").read_text()


def test_an_experiment_that_there_is_not_is_refused():
    ran = run_python("loadtests/study.py", "--only", "crash,stal")
    assert ran.returncode == 2
    assert ran.stderr.startswith("study: no experiment is called 'stal': choose from queueing, ")
