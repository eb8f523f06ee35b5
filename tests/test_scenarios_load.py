"""Six experiments in ``loadtests/scenarios/``, tiny: their rows, their report, going on."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import NEWEST, OLDEST, ROOT, run_python

from streamlab.bench.experiment import SIZES
from streamlab.bench.study import Study
from streamlab.measure.folder import Results
from streamlab.measure.runs import Mode
from streamlab.report.page import write_report
from streamlab.server.capabilities import capabilities_of

NAMES = ("consumers", "fixed_rate", "batches", "payload", "persistence", "groups")
# How many cases of which a tiny one measures the capacity, and the latency.
TINY = {
    "consumers": (1, 1),
    "fixed_rate": (1, 2),
    "batches": (4, 4),
    "payload": (2, 2),
    "persistence": (3, 3),
    "groups": (1, 1),
}
CAPACITY, LATENCY = 0, 1


def script(name):
    """The module of a scenario, which is run by its path."""
    path = ROOT / "loadtests/scenarios" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"scenario_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(name, out):
    """A scenario's own runs, without the report."""
    experiment = script(name).EXPERIMENT
    with Study(experiment, SIZES["tiny"], out) as study:
        experiment.measure(study)
    return Results.read(out)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of each scenario, measured four at a time: tiny figures are looked at by nobody."""
    root = tmp_path_factory.mktemp("scenarios")
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda name: measured(name, root / name), NAMES)
        return dict(zip(NAMES, found, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_case_has_its_runs_and_nothing_is_lost(results, name):
    mine = results[name]
    for mode, at in ((Mode.CAPACITY, CAPACITY), (Mode.LATENCY, LATENCY)):
        times = Counter(run.case for run in mine.of(mode))
        assert len(times) == TINY[name][at]
        assert set(times) <= set(mine.manifest["cases"])
        assert set(times.values()) == {SIZES["tiny"].repeats}
    assert {run.case for run in mine.runs} == set(mine.manifest["cases"])
    assert [(run.lost, run.duplicated) for run in mine.runs] == [(0, 0)] * len(mine.runs)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_time_nothing_is_measured_again(results, name):
    before = results[name]
    rows = (before.path / "runs.csv").read_text()
    after = measured(name, before.path)
    assert (before.path / "runs.csv").read_text() == rows
    assert {**after.manifest, "resumed": None} == {**before.manifest, "resumed": None}


@pytest.mark.parametrize("name", NAMES)
def test_its_report_has_a_figure_of_each_of_its_charts(results, name):
    page = write_report(results[name]).read_text()
    assert results[name].manifest["question"] in page
    assert page.count("<img") >= 1


def test_a_scenario_is_a_script_that_goes_on_with_its_folder(results, tmp_path):
    out = shutil.copytree(results["fixed_rate"].path, tmp_path / "out")
    words = ("loadtests/scenarios/fixed_rate.py", "--size", "tiny", "--out", str(out), "--json")
    ran = run_python(*words)
    assert ran.returncode in (0, 1), ran.stderr  # 1: no valid run, on a machine that is too busy
    rows = list(csv.DictReader((out / "runs.csv").read_text().splitlines()))
    assert json.loads(ran.stdout)["runs"] == rows
    assert rows == [run.row() for run in results["fixed_rate"].runs]
    assert (out / "report.html").exists()
    command = Results.read(out).manifest["command"]
    assert command == "python loadtests/scenarios/fixed_rate.py --size tiny"


@pytest.mark.parametrize("name", NAMES)
def test_its_docstring_says_what_why_how_long_and_how_to_run_it(name):
    told = script(name).__doc__
    parts = ("Question:", "Method:", "Expect:", "Sizes:", "Time at full: about")
    places = [told.index(part) for part in (*parts, f"python loadtests/scenarios/{name}.py")]
    assert places == sorted(places)


def test_a_count_is_loaded_with_a_share_of_the_rate_that_its_search_found(results):
    mine = results["consumers"]
    (latency,) = mine.of(Mode.LATENCY)
    tried = {run.rate_per_s for run in mine.of(Mode.SEARCH)}
    assert latency.share == 0.5
    assert any(latency.rate_per_s == pytest.approx(rate / 2, rel=1e-3) for rate in tried)
    assert mine.manifest["floor"]["p50_ratios"]


def test_one_rate_for_all_counts_is_a_share_of_one_consumers_capacity(results):
    mine = results["fixed_rate"]
    (capacity,) = mine.of(Mode.CAPACITY)
    assert capacity.consumers == 1
    (rate_per_s,) = {run.rate_per_s for run in mine.of(Mode.LATENCY)}
    assert rate_per_s == pytest.approx(0.6 * capacity.throughput_per_s, rel=0.01)


def test_a_batch_of_ten_is_acknowledged_by_one_call_for_ten_tasks(results):
    mine = results["batches"]
    for run in mine.of(Mode.LATENCY):
        server = mine.details(run).server
        calls = {name: told["calls"] for name, told in server.items()}
        acks = {"xack": "xack", "xack+xdel": "xdel", "xackdel": "xackdel"}.get(run.load.ack)
        if acks is None:
            assert not {"xack", "xackdel"} & set(calls)
        else:
            # A read that finds nothing for 100 ms sends what is there.
            assert 0.08 * calls["xadd"] <= calls[acks] <= 0.3 * calls["xadd"]
    told = mine.manifest["acks"]
    assert set(told) == {case for case in mine.manifest["cases"] if "NOACK" not in case}


def test_what_an_old_server_lacks_is_left_out_and_said(results):
    batches = script("batches")
    old, new = capabilities_of(OLDEST), capabilities_of(NEWEST)
    cases = batches.loads_of(old, tiny=True)
    assert [case for case in batches.loads_of(new, tiny=True) if case not in cases] == [
        "COUNT 10, ack 10, XACKDEL"
    ]
    assert "XACKDEL" in batches.left_out(old)["left_out"]
    assert "left_out" not in results["batches"].manifest


def test_the_grid_of_batches_never_acknowledges_more_than_it_reads():
    cases = script("batches").loads_of(frozenset({"XACKDEL"}), tiny=False)
    assert len(cases) == 15
    assert all(load.ack_batch <= load.count for load in cases.values())
    assert {load.ack for load in cases.values()} == {"xack", "noack", "xackdel", "xack+xdel"}


def test_an_entry_takes_its_payload_and_little_more(results):
    taken = results["payload"].manifest["memory"]
    assert 100 < taken["100 B"]["bytes_per_entry"] < 160
    assert 10_000 < taken["10 kB"]["bytes_per_entry"] < 13_000


def test_each_persistence_has_a_server_of_its_own_and_the_disk_is_told(results):
    mine = results["persistence"]
    assert {run.case: run.persistence for run in mine.runs} == {
        "no persistence": "none",
        "everysec": "everysec",
        "always": "always",
    }
    assert mine.manifest["disk"]["fdatasync_p50_us"] > 0
    assert sum("fdatasync of" in caveat for caveat in mine.manifest["caveats"]) == 1


def test_each_group_gets_every_task(results):
    mine = results["groups"]
    for run in mine.of(Mode.LATENCY):
        server = mine.details(run).server
        assert server["xack"]["calls"] >= 0.95 * run.load.groups * server["xadd"]["calls"]
