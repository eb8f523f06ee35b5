"""The committed results of a real run: whole, readable, believable; we are not worse than they."""

import re

import pytest
from support import ROOT, streamlab

from streamlab.measure.folder import Results
from streamlab.measure.runs import Mode
from streamlab.report.words import answer

BASELINES = ROOT / "loadtests" / "baselines"
SCENARIOS = sorted(
    path.stem
    for path in (ROOT / "loadtests" / "scenarios").glob("*.py")
    if "EXPERIMENT" in path.read_text()
)


def test_each_scenario_has_a_baseline_and_nothing_else_has():
    assert sorted(path.name for path in BASELINES.iterdir() if path.is_dir()) == SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_baseline_is_whole_and_says_where_it_comes_from(name):
    results = Results.read(BASELINES / name)
    facts = results.manifest
    assert facts["experiment"] == name
    assert facts["machine"]["cores"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*", facts["date"])
    assert {"redis", "redis-py", "python", "streamlab"} <= set(facts["versions"])
    assert len({run.repeat for run in results.runs}) >= 1
    for run in results.of(Mode.LATENCY):
        assert results.details(run) is not None, run.name
    assert answer(results)
    judged = [run for run in results.runs if run.mode is not Mode.SEARCH]
    assert all(run.valid == (not run.reason) for run in judged)
    assert sum(run.valid for run in judged) >= len(judged) / 2
    assert str(ROOT) not in (BASELINES / name / "manifest.json").read_text()


def test_the_package_beside_a_bare_loop_is_not_worse_than_its_baseline():
    """Ratios of one run to another's ratios, not seconds: this may be another machine.

    Other tests run beside it, which costs the two sides differently: hence not the 0.25 of
    `make regress`.
    """
    ran = streamlab(
        "bench", "regress", str(BASELINES / "consumers"), "--tolerance", "1.5", "--rounds", "3"
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("not worse") == 2
    worse = streamlab("bench", "regress", str(BASELINES / "nothing-here"))
    assert worse.returncode == 2
    assert "holds no results" in worse.stderr
