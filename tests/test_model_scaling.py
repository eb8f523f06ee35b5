"""The scaling law: what is found, how surely, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from streamlab.errors import BadArgumentError
from streamlab.model.scaling import PUBLISHED, fit

COUNTS = (1, 2, 4, 8, 16, 32)


def usl(n, lam=1000.0, sigma=0.05, kappa=0.001):
    """Gunther's formula, written once more."""
    return lam * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0))


def noisy(seed, *, noise=0.03, repeats=3, counts=COUNTS, **law):
    rng = np.random.default_rng(seed)
    n = [count for count in counts for _ in range(repeats)]
    return n, [usl(count, **law) * math.exp(rng.normal(0, noise)) for count in n]


@pytest.mark.parametrize("seed", range(5))
def test_sigma_and_kappa_are_recovered_from_noisy_runs(seed):
    law = fit(*noisy(seed, noise=0.02, repeats=5))
    assert law.lambda_per_s == pytest.approx(1000, rel=0.05)
    assert law.sigma == pytest.approx(0.05, abs=0.012)
    assert law.kappa == pytest.approx(0.001, rel=0.3)
    assert law.peak == pytest.approx(30.8, rel=0.15)
    assert (law.largest, law.trusted) == (32, True)
    assert law.r_squared > 0.98


@pytest.mark.parametrize(
    ("lam", "sigma", "kappa"),
    [(1000, 0.05, 0.001), (3, 0.0, 0.01), (1e6, 0.9, 0.0), (50, 0.3, 0.2), (7, 0.0, 0.0)],
)
def test_figures_without_noise_give_back_their_own_law(lam, sigma, kappa):
    law = fit(COUNTS, [usl(n, lam, sigma, kappa) for n in COUNTS], draws=100)
    assert law.lambda_per_s == pytest.approx(lam, rel=1e-4)
    assert law.sigma == pytest.approx(sigma, abs=1e-4)
    assert law.kappa == pytest.approx(kappa, abs=1e-5)
    assert law.miss < 1e-4
    assert (law.sigma == 0, law.kappa == 0) == (sigma == 0, kappa == 0)


@pytest.mark.parametrize(("repeats", "kappa"), [(3, 0.001), (1, 0.001), (3, 0.0)])
def test_the_intervals_cover_the_truth_in_about_95_of_100_draws(repeats, kappa):
    hits = dict.fromkeys(("lambda", "sigma", "kappa", "peak"), 0)
    peak = math.sqrt(0.95 / kappa) if kappa else math.inf
    for seed in range(100):
        law = fit(*noisy(seed, repeats=repeats, kappa=kappa), draws=100, seed=seed)
        hits["lambda"] += 1000 in law.lambda_interval
        hits["sigma"] += 0.05 in law.sigma_interval
        hits["kappa"] += kappa in law.kappa_interval
        hits["peak"] += peak in law.peak_interval
    print(hits)
    assert min(hits.values()) >= 85


def sigma_width(repeats, off):
    n, per_s = noisy(3, noise=0.01, repeats=repeats)
    law = fit(n, [x * off[count] for count, x in zip(n, per_s, strict=True)])
    return law.sigma_interval.high - law.sigma_interval.low


def test_more_runs_narrow_the_intervals_of_a_law_that_they_follow_and_of_no_other():
    straight = dict.fromkeys(COUNTS, 1)
    bent = {1: 1, 2: 1.06, 4: 0.94, 8: 1.06, 16: 0.94, 32: 1}
    assert sigma_width(3, bent) > 4 * sigma_width(3, straight)
    assert sigma_width(30, straight) < 0.6 * sigma_width(3, straight)
    assert sigma_width(30, bent) > 0.75 * sigma_width(3, bent)


def test_without_kappa_the_peak_is_infinite_and_the_law_says_that_none_shows():
    law = fit(COUNTS, [usl(n, kappa=0) for n in COUNTS])
    assert (law.kappa, law.peak) == (0, math.inf)
    assert "no peak shows within the 32 consumers that were measured" in law.caveats
    assert json.loads(json.dumps(law.facts()))["peak"] is None


def test_a_throughput_that_never_grows_peaks_at_one_consumer():
    law = fit(COUNTS, [500.0] * 6)
    assert (round(law.sigma, 3), law.kappa, law.r_squared) == (1, 0, None)
    assert fit(COUNTS, [900.0 / n for n in COUNTS]).peak == 1


def test_retrograde_figures_are_called_so():
    law = fit(COUNTS, [usl(n, kappa=0.01) for n in COUNTS])
    assert 9 < law.peak < 11
    (words,) = [text for text in law.caveats if "retrograde" in text]
    assert "more consumers finish less" in words
    assert "with 8 consumers" in words
    assert "with 32" in words


def test_a_fall_within_the_scatter_of_the_runs_is_not_called_retrograde():
    n = [1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8]
    x = [100, 101, 99, 180, 182, 178, 300, 340, 260, 290, 250, 330]
    assert not [text for text in fit(n, x).caveats if "retrograde" in text]


def test_a_peak_beyond_what_was_measured_is_said_to_be_beyond():
    counts = (1, 2, 4, 8, 16, 24)
    law = fit(counts, [usl(n) for n in counts])
    assert "the peak, 30.8 consumers, lies beyond the 24 that were measured" in law.caveats


def test_a_poor_fit_and_a_superlinear_gain_are_named_and_not_trusted():
    law = fit(COUNTS, [100, 260, 600, 700, 720, 3000])
    assert any(text.startswith("poor fit: at ") for text in law.caveats)
    assert any("no gain from company" in text for text in law.caveats)
    assert not law.trusted


def test_fewer_than_six_counts_are_not_trusted_and_repeats_do_not_make_up_for_them():
    law = fit(*noisy(1, repeats=9, counts=COUNTS[:5]))
    assert not law.trusted
    assert law.sigma_interval is not None
    assert "only 5 different counts: a plan needs 6 or more" in law.caveats


def test_a_prediction_is_marked_beyond_the_largest_count_and_refused_beyond_twice_it():
    law = fit(*noisy(1))
    inside, beyond = law.predict(np.int64(32)), law.predict(64)
    assert (inside.extrapolated, beyond.extrapolated) == (False, True)
    assert inside.per_s == pytest.approx(usl(32), rel=0.05)
    assert inside.per_s in inside.interval
    assert inside.interval == law.band(32)
    with pytest.raises(
        BadArgumentError, match=r"must be <= 64, twice .* \(32\), got 64.5: measure"
    ):
        law.predict(64.5)
    for wrong in (0.5, math.nan, math.inf, -1):
        with pytest.raises(BadArgumentError, match="consumers must be"):
            law.band(wrong)


def test_the_same_seed_gives_the_same_intervals():
    one, same, other = (fit(*noisy(1), seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.sigma_interval != other.sigma_interval


@pytest.mark.parametrize(
    ("name", "sigma", "kappa", "peak"),
    [
        ("streaq", 0.3393, 0.005292, 11.2),
        ("SAQ", 0.2440, 0.003478, 14.7),
        ("taskiq", 0.2741, 0.018435, 6.3),
    ],
)
def test_streaqs_published_table_is_met_exactly_and_has_no_intervals(name, sigma, kappa, peak):
    law = PUBLISHED.law(name)
    for count, per_s in zip(PUBLISHED.counts, PUBLISHED.per_s[name], strict=True):
        assert law.predict(count).per_s == pytest.approx(per_s, rel=1e-6)
    assert (law.sigma, law.kappa) == pytest.approx((sigma, kappa), rel=1e-3)  # solved by hand
    assert law.peak == pytest.approx(peak, abs=0.05)
    assert law.lambda_interval is law.peak_interval is law.band(20) is law.r_squared is None
    assert "passes through all of them" in law.caveats[0]
    assert any("with 10 consumers to" in text and "with 40" in text for text in law.caveats)
    assert not law.trusted


@pytest.mark.parametrize(
    ("counts", "per_s", "words"),
    [
        ((1, 2, 4), (1, 2), "each throughput needs its count, got 3 counts, 2 rates"),
        ((1, 1, 4), (1, 2, 3), "needs three different counts, got 2: measure more"),
        ((), (), "three different counts, got 0"),
        ((0, 2, 4), (1, 2, 3), "a count must be a whole number >= 1, got 0"),
        ((1.5, 2, 4), (1, 2, 3), "whole number >= 1, got 1.5"),
        ((math.nan, 2, 4), (1, 2, 3), "whole number >= 1, got nan"),
        ((1, 2, 4), (1, math.nan, 3), "finite and > 0 tasks/s, got nan: leave that run out"),
        ((1, 2, 4), (1, 0, 3), "finite and > 0 tasks/s, got 0"),
    ],
)
def test_what_is_no_measurement_is_refused(counts, per_s, words):
    with pytest.raises(BadArgumentError, match=words):
        fit(counts, per_s)
