"""The spread of a few runs: what a bootstrap interval can say of them, and what it cannot."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from streamlab.errors import BadArgumentError
from streamlab.measure.spread import (
    coverage,
    false_alarms,
    interval,
    quotient_interval,
    ratio_interval,
)


def test_an_interval_needs_three_runs_and_never_leaves_them():
    assert interval([1.0, 2.0]) is None
    assert ratio_interval([1, 2, 3], [1, 2]) is None
    found = interval([10, 11, 15])
    assert (found.low, found.high) == (10, 15)
    assert str(found) == "10 to 15"
    assert interval([5] * 6).low == 5


def test_the_interval_of_ten_runs_lies_within_theirs_and_holds_their_median():
    runs = np.random.default_rng(1).normal(100, 5, 10).tolist()
    found = interval(runs)
    assert min(runs) < found.low <= statistics.median(runs) <= found.high < max(runs)
    mean = interval(runs, statistic=np.mean, confidence=0.5)
    assert mean.low < statistics.fmean(runs) < mean.high


def test_a_common_factor_cancels_in_a_quotient():
    a, b = [10, 11, 12, 13], [5, 6, 7, 8]
    doubled = [2 * x for x in b]
    plain, cleaned = ratio_interval(a, b), quotient_interval([a, b], [b, doubled])
    assert plain.low > 1
    assert cleaned.low < 1.0 < cleaned.high


@pytest.mark.parametrize(("runs", "share"), [(3, 0.75), (5, 0.9375), (6, 0.96875)])
def test_the_least_and_the_greatest_run_hold_the_median_as_often_as_order_statistics_say(
    runs, share
):
    assert coverage(runs) == share
    drawn = np.random.default_rng(1).exponential(1, (20_000, runs))
    held = (drawn.min(axis=1) <= math.log(2)) & (drawn.max(axis=1) >= math.log(2))
    assert held.mean() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: interval([1, 2, math.nan]), "values must be finite numbers in a row"),
        (lambda: interval([1, 2, 3], confidence=95), "confidence must lie between 0 and 1"),
        (lambda: interval([1, 2, 3], draws=5), "draws must be a whole number in 100"),
        (lambda: ratio_interval([1, 2, 0], [1, 2, 3]), "values of a ratio must be > 0, got 0"),
    ],
)
def test_values_without_an_interval_are_refused(call, words):
    with pytest.raises(BadArgumentError, match=words):
        call()


@pytest.mark.parametrize(("runs", "share"), [(3, 0.10), (4, 0.07), (5, 0.04), (9, 0.04)])
def test_chance_sets_equals_apart_as_often_as_is_said(runs, share):
    assert false_alarms(runs) == share
    rng = np.random.default_rng(runs)
    pairs = [rng.lognormal(0, 0.1, (2, runs)) for _ in range(300)]
    apart = sum(1 not in ratio_interval(a, b, draws=400) for a, b in pairs)
    assert apart / 300 == pytest.approx(share, abs=0.04)
