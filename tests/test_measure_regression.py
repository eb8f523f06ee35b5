"""A baseline's ratios against those of today: worse, not worse, or too little to tell."""

from __future__ import annotations

import functools

import pytest
from results import floor, written

from streamlab.errors import BenchError
from streamlab.measure.compare import regressions


@pytest.fixture
def folder(tmp_path):
    """Makes results folders: ``folder("before", runs, machine=...)``."""
    return functools.partial(written, tmp_path)


def test_a_ratio_that_is_wholly_beyond_the_limit_is_a_regression(folder):
    baseline = folder("a", [])
    latency_, throughput = regressions(baseline, folder("b", [], floor=floor(3.0, ours=1.4)))
    assert (latency_.worse, throughput.worse) == (True, True)
    assert "worse: all of the interval" in latency_.words
    assert "the limit is 1.62, 25% worse than the baseline's 1.3" in latency_.words
    same = regressions(baseline, folder("c", [], floor=floor(3.0, ours=1.2)))
    assert [one.worse for one in same] == [False, False]
    tuned = regressions(baseline, folder("d", [], floor=floor(ours=1.2)), tolerance=0.1)
    assert [one.worse for one in tuned] == [True, True]


def test_a_scatter_that_reaches_back_to_the_limit_is_no_regression(folder):
    wild = floor(ours=1.5, spread=(0.6, 0.9, 1.0, 1.1, 1.2))
    assert not any(one.worse for one in regressions(folder("a", []), folder("b", [], floor=wild)))


def test_too_few_rounds_or_no_floor_judge_nothing(folder):
    two = floor(ours=9, spread=(1.0, 1.01))
    (one, _) = regressions(folder("a", []), folder("b", [], floor=two))
    assert one.worse is None
    assert "cannot tell, 2 rounds are fewer than 3" in one.words
    with pytest.raises(BenchError, match="has no p50_ratios in its floor: measure again"):
        regressions(folder("c", []), folder("d", [], floor={}))
