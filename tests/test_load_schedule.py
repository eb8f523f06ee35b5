from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.errors import BadArgumentError
from streamlab.load.pace import MOST_AT_ONCE, paced
from streamlab.load.payload import number_of, payload_of
from streamlab.load.schedule import due_offsets_ns

RATES = st.floats(1, 100_000)
SCHEDULES = ["fixed", "exponential", "bursts:7"]


class Clock:
    """A clock that advances with each look and each sleep."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 1_000
        return self.now_ns

    def sleep(self, seconds):
        self.now_ns += round(seconds * 1e9)


@given(RATES, st.floats(0.01, 0.2))
def test_the_ith_task_of_a_fixed_schedule_is_due_i_intervals_after_t0_without_drift(rate, seconds):
    offsets = due_offsets_ns("fixed", rate, seconds)
    last = len(offsets) - 1
    assert offsets[0] == 0
    assert abs(offsets[last] - last * 1_000_000_000 / Fraction(rate)) <= 1


@settings(deadline=None)
@given(st.sampled_from(SCHEDULES), RATES, st.floats(0.01, 0.2), st.integers(0, 2**63))
def test_every_schedule_has_its_number_of_tasks_in_order(schedule, rate, seconds, seed):
    offsets = due_offsets_ns(schedule, rate, seconds, seed=seed)
    assert len(offsets) == max(1, round(rate * seconds))
    assert (np.diff(offsets) >= 0).all()
    assert offsets[0] >= 0


def test_exponential_gaps_have_the_mean_and_the_spread_of_a_poisson_process_and_a_seed():
    gaps = np.diff(due_offsets_ns("exponential", 1000, 20, seed=3)) / 1e9
    assert gaps.mean() == pytest.approx(0.001, rel=0.03)
    assert gaps.std() == pytest.approx(0.001, rel=0.05)
    again = due_offsets_ns("exponential", 1000, 20, seed=3)
    assert (np.diff(again) / 1e9 == gaps).all()
    assert (due_offsets_ns("exponential", 1000, 20, seed=4) != again).any()


def test_a_burst_is_due_at_once_and_the_mean_rate_stays():
    offsets = due_offsets_ns("bursts:20", 100, 2)
    assert offsets.reshape(10, 20).tolist() == [[n * 200_000_000] * 20 for n in range(10)]


def test_a_trace_keeps_its_rhythm_at_the_rate_asked_for(tmp_path):
    trace = tmp_path / "trace"
    trace.write_text("10.0\n10.1\n10.4\n")  # gaps 0.1 and 0.3: a mean of 0.2
    offsets = due_offsets_ns(f"trace:{trace}", 10, 0.6) / 1e6
    assert offsets.tolist() == [0, 50, 200, 300, 350, 500]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("poisson", "schedule must be 'fixed', .*got 'poisson'"),
        ("bursts:0", "got 'bursts:0'"),
        ("trace:nowhere", "got nowhere: .*No such file"),
    ],
)
def test_a_schedule_that_is_none_is_refused_with_those_that_are(schedule, message):
    with pytest.raises(BadArgumentError, match=message):
        due_offsets_ns(schedule, 10, 1)


@pytest.mark.parametrize("text", ["", "1", "1 1", "2 1", "1 nan", "1 x"])
def test_a_trace_that_does_not_rise_is_refused(tmp_path, text):
    (tmp_path / "trace").write_text(text)
    with pytest.raises(BadArgumentError, match="a trace must"):
        due_offsets_ns(f"trace:{tmp_path / 'trace'}", 10, 1)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 10**9), max_size=30),
    st.sampled_from(SCHEDULES),
    st.floats(1, 10_000),
    st.integers(1, 5),
)
def test_no_task_is_early_and_none_is_skipped_whatever_stalls(stalls, schedule, rate, most):
    clock, sent = Clock(), []
    due = due_offsets_ns(schedule, rate, max(1, len(stalls)) / rate).tolist()
    for numbers in paced(due, most=most, clock=clock, sleep=clock.sleep):
        assert 1 <= len(numbers) <= most
        assert clock.now_ns >= due[numbers[-1]]
        sent += numbers
        clock.now_ns += stalls[numbers[0]] if stalls else 0
    assert sent == list(range(len(due)))


def test_what_fell_due_during_a_stall_is_sent_at_once_and_together():
    clock, slept = Clock(), []
    sending = paced(range(0, 250_000_000, 1_000_000), clock=clock, sleep=slept.append)
    clock.now_ns = 10**10
    assert [len(numbers) for numbers in sending] == [MOST_AT_ONCE, MOST_AT_ONCE, 50]
    assert slept == []


@given(st.integers(0, 10**12 - 1), st.integers(12, 300))
def test_a_payload_has_its_length_and_its_number(number, payload_bytes):
    text = payload_of(number, payload_bytes)
    assert len(text.encode()) == payload_bytes
    assert number_of(text) == number
