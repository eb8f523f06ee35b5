"""Two results folders: faster, slower, cannot tell; and what is not compared at all."""

from __future__ import annotations

import functools
import json
from collections import Counter

import numpy as np
import pytest
from results import MACHINE, SETTINGS, VERSIONS, capacity, floor, latency, written

from streamlab.errors import BenchError
from streamlab.load.settings import Load
from streamlab.measure.change import Verdict, changed
from streamlab.measure.compare import compare


@pytest.fixture
def folder(tmp_path):
    """Makes results folders: ``folder("before", runs, machine=...)``."""
    return functools.partial(written, tmp_path)


def verdicts(comparison):
    return {(one.case, one.figure): one.verdict for one in comparison.changes}


def test_what_is_faster_slower_and_the_same_is_told_apart(folder):
    before = folder("a", capacity() + capacity(case="2 consumers") + latency())
    after = folder("b", capacity(1.3) + capacity(case="2 consumers") + latency(1.0, p99=1.5))
    found = compare(before, after)
    assert verdicts(found) == {
        ("1 consumer", "tasks/s"): Verdict.FASTER,
        ("2 consumers", "tasks/s"): Verdict.CANNOT_TELL,
        ("1 consumer, at 500/s", "p50 µs"): Verdict.CANNOT_TELL,
        ("1 consumer, at 500/s", "p99 µs"): Verdict.SLOWER,
    }
    first = found.changes[0]
    assert (first.before, first.after) == (1000, 1300)
    assert first.ratio == pytest.approx(1.3)
    assert 1.27 < first.interval.low <= 1.3 <= first.interval.high < 1.33
    assert first.rests_on == "seconds and bare loop"
    assert [one.figure for one in found.slower] == ["p99 µs"]
    assert [one.figure for one in found.faster] == ["tasks/s"]


def test_the_table_and_the_dictionary_say_the_same(folder):
    before = folder("a", capacity() + latency(valid=False))
    found = compare(before, folder("b", capacity(1.3) + latency()))
    lines = found.lines()
    assert " ".join(lines[0].split()) == "before after ratio 95 % interval to bare verdict"
    assert lines[1].startswith("bare loop ")
    assert any(
        "1.300" in line and line.endswith("faster: by seconds and bare loop") for line in lines
    )
    assert "1 faster, 0 slower, of 5 figures." in lines
    assert "Left out as invalid: 5 runs before, 0 after." in lines
    told = json.loads(json.dumps(found.to_dict()))
    assert told["changes"][0]["verdict"] == "faster"
    assert told["left_out"] == [5, 0]


def test_invalid_runs_count_for_nothing(folder):
    wild = capacity(9, valid=False, reason="saturated")
    found = compare(folder("a", capacity() + wild), folder("b", capacity() + wild))
    assert found.changes[0].ratio == 1
    assert found.changes[0].runs == (5, 5)
    assert found.left_out == (5, 5)


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        (capacity(1.3)[:2], "fewer than 3 valid figures on a side: 5 and 2"),
        (capacity(1.3, valid=False), "fewer than 3 valid figures on a side: 5 and 0"),
        (capacity(1.005), "the interval contains 1"),
        (capacity(1.015, spread=[1 + s / 1000 for s in range(5)]), "a difference below 2%"),
        (capacity(1.3, load=Load(work_ms=2)), "other settings: work_ms 1.0 before, 2.0 after"),
    ],
)
def test_why_nothing_can_be_told_is_said(folder, runs, reason):
    steady = capacity(spread=[1 + s / 1000 for s in range(5)]) if "2%" in reason else capacity()
    found = compare(folder("a", steady), folder("b", runs))
    assert (found.changes[0].verdict, found.changes[0].reason) == ("cannot tell", reason)


def test_a_faster_machine_is_not_a_faster_package(folder):
    before = folder("a", capacity() + latency())
    after = folder("b", capacity(1.25) + latency(0.8), floor=floor(bare=0.8))
    found = compare(before, after)
    assert set(verdicts(found).values()) == {Verdict.CANNOT_TELL}
    assert "by seconds alone faster, but the bare loop leaves " in found.changes[0].reason
    assert [one.verdict for one in found.machine] == ["faster", "faster"]
    assert not found.faster
    assert found.changes[0].to_bare == pytest.approx(1)


def test_a_gain_beyond_the_machines_own_is_told(folder):
    after = folder("b", capacity(1.6), floor=floor(bare=0.8))
    (change,) = compare(folder("a", capacity()), after).changes
    assert (change.verdict, change.to_bare) == ("faster", pytest.approx(1.28))


def test_the_ratio_to_the_bare_loop_of_the_same_run_is_compared_first(folder):
    found = compare(folder("a", capacity()), folder("b", capacity(), floor=floor(2.0, ours=1.5)))
    assert [one.verdict for one in found.floor] == ["slower", "slower"]
    assert found.slower == list(found.floor)
    assert [line.split()[0] for line in found.lines()[1:6]] == ["bare", "bare", "ours", "ours", "1"]


def test_without_a_bare_loop_seconds_decide_and_that_is_said(folder):
    found = compare(folder("a", capacity(), floor=None), folder("b", capacity(0.7)))
    assert (found.changes[0].verdict, found.changes[0].rests_on) == ("slower", "seconds")
    assert "no bare loop in both: a faster machine looks like a faster package" in found.caveats


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (
            {"machine": MACHINE | {"processor": "P2"}},
            "machine.processor differs: 'P1' before, 'P2'",
        ),
        ({"machine": MACHINE | {"usable_cores": 2}}, "machine.usable_cores differs: 4 before, 2"),
        ({"machine": {}}, "a manifest does not name its machine"),
        ({"experiment": "payload"}, "the experiment differs: 'consumers' before, 'payload' after"),
        ({"settings": SETTINGS | {"counts": [1]}}, "settings.counts differs"),
    ],
)
def test_what_is_not_alike_is_refused_unless_forced(folder, manifest, words):
    before, after = folder("a", capacity()), folder("b", capacity(1.3), **manifest)
    with pytest.raises(BenchError, match=words):
        compare(before, after)
    forced = compare(before, after, force=True)
    assert forced.faster
    assert any(words in caveat for caveat in forced.caveats)


def test_other_versions_and_more_runs_are_caveats_and_not_a_refusal(folder):
    more = {"versions": VERSIONS | {"redis": "8.2.3", "streamlab": "0.4"}}
    more |= {"settings": SETTINGS | {"repeats": 9}}
    found = compare(folder("a", capacity()), folder("b", capacity(), **more))
    assert found.caveats == (
        "settings.repeats differs: 5 before, 9 after",
        "versions.redis differs: '8.10.2' before, '8.2.3' after",
    )


def test_folders_without_a_common_case_are_refused_and_lone_cases_are_named(folder):
    one, two = folder("a", capacity()), folder("b", capacity(case="2 consumers"))
    both = folder("c", capacity() + capacity(case="2 consumers"))
    with pytest.raises(BenchError, match="share no case"):
        compare(one, two)
    assert "only after: 2 consumers" in compare(one, both).caveats
    assert "only before: 2 consumers" in compare(both, one).caveats


@pytest.mark.parametrize(
    ("times", "rate", "verdict"),
    [
        (0.7, 600, "faster"),
        (1.3, 400, "slower"),
        (1.3, 600, "cannot tell"),
        (0.7, 400, "cannot tell"),
    ],
)
def test_at_another_rate_only_what_the_rate_does_not_explain_is_told(folder, times, rate, verdict):
    found = compare(folder("a", latency()), folder("b", latency(times, rate=rate)))
    assert {one.verdict for one in found.changes} == {verdict}
    assert f"at 500/s before, {rate}/s after" in found.changes[0].reason


def test_latencies_at_two_rates_are_held_against_those_at_the_same_rates(folder):
    runs = latency() + latency(2.0, rate=900, p99="none")
    found = compare(folder("a", runs), folder("b", runs[::-1]))
    assert {one.ratio for one in found.changes} == {1}
    assert "not shown, without a valid run on either side: 1 figures" in found.caveats


def test_equals_on_a_machine_that_drifts_are_rarely_told_apart():
    rng, found = np.random.default_rng(3), Counter()
    for _ in range(150):
        drift = np.exp(rng.normal(0, 0.1))
        before, after = rng.lognormal(0, 0.03, 3), drift * rng.lognormal(0, 0.03, 3)
        bare = rng.lognormal(0, 0.03, 3).tolist(), (drift * rng.lognormal(0, 0.03, 3)).tolist()
        asked = ("case", "tasks/s", before.tolist(), after.tolist())
        found["seconds"] += changed(*asked, more_is_better=True).verdict != "cannot tell"
        found["both"] += changed(*asked, more_is_better=True, bare=bare).verdict != "cannot tell"
    print(found)
    assert found["both"] <= 0.06 * 150
    assert found["seconds"] >= 0.4 * 150
