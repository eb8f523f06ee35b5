import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.errors import BenchError
from streamlab.measure.histogram import LatencyHistogram, samples_needed

LATENCIES = st.lists(st.integers(0, 3_600_000_000), max_size=60)


def recorded(values):
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(value)
    return histogram


def all_of(histogram):
    return histogram.count, histogram.max_us, histogram.quantile_us(0.5), histogram.encode()


@settings(deadline=None)
@given(st.lists(LATENCIES, min_size=1, max_size=4))
def test_merging_processes_equals_recording_all_in_one(parts):
    merged = LatencyHistogram()
    for part in parts:
        merged.add(LatencyHistogram.decode(recorded(part).encode()))
    assert all_of(merged) == all_of(recorded(value for part in parts for value in part))


@settings(deadline=None)
@given(st.lists(st.integers(0, 3_600_000_000), min_size=20, max_size=60))
def test_the_median_is_within_a_thousandth_of_the_sorted_samples(values):
    index = max(1, int(len(values) * 0.5 + 0.5)) - 1
    exact = sorted(values)[index]
    assert exact <= recorded(values).quantile_us(0.5) <= exact * 1.001 + 1


def test_nanoseconds_are_rounded_to_microseconds():
    histogram = LatencyHistogram.of_ns(np.array([1_499, 1_500, 2_400]))
    assert (histogram.count, histogram.max_us) == (3, 2)


@pytest.mark.parametrize("value", [-1, 3_600_000_001, 10**15])
def test_a_latency_that_cannot_be_counted_is_an_error(value):
    with pytest.raises(BenchError, match=f"got {value}"):
        LatencyHistogram().record(value)


@pytest.mark.parametrize(
    ("quantile", "samples"), [(0.5, 20), (0.9, 100), (0.99, 1000), (0.999, 10_000)]
)
def test_a_quantile_is_published_when_ten_samples_lie_beyond_it(quantile, samples):
    assert samples_needed(quantile) == samples
    assert recorded([5] * (samples - 1)).quantile_us(quantile) is None
    assert recorded([5] * samples).quantile_us(quantile) == 5


def test_an_empty_histogram_knows_nothing():
    assert LatencyHistogram().max_us is None
    assert LatencyHistogram().quantile_us(0.5) is None
