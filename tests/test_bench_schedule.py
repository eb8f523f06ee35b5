from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from streamlab.bench.payload import number_of, payload_of
from streamlab.bench.schedule import due_ns, paced

RATES = st.floats(0.01, 100_000)


class Clock:
    """A clock that advances with each look and each sleep."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 1_000
        return self.now_ns

    def sleep(self, seconds):
        self.now_ns += round(seconds * 1e9)


@given(st.integers(0, 1_000_000), st.integers(0, 2**60), RATES)
def test_the_ith_task_is_due_i_intervals_after_t0_without_drift(number, t0_ns, rate):
    exact = t0_ns + number * 1_000_000_000 / Fraction(rate)
    assert abs(due_ns(number, t0_ns, rate) - exact) <= 1 + exact * Fraction(1, 2**52)


@given(st.lists(st.integers(0, 10**9), max_size=30), st.floats(1, 10_000))
def test_no_task_is_early_and_none_is_skipped_whatever_stalls(stalls, rate):
    clock, yielded = Clock(), []
    for number in paced(len(stalls), 0, rate, clock=clock, sleep=clock.sleep):
        assert clock.now_ns >= due_ns(number, 0, rate)
        yielded.append(number)
        clock.now_ns += stalls[number]
    assert yielded == list(range(len(stalls)))


def test_a_late_task_is_sent_at_once():
    clock, slept = Clock(), []
    tasks = paced(1000, 0, 1000.0, clock=clock, sleep=slept.append)
    clock.now_ns = 10**10
    list(tasks)
    assert slept == []


@given(st.integers(0, 10**12 - 1), st.integers(12, 300))
def test_a_payload_has_its_length_and_its_number(number, payload_bytes):
    text = payload_of(number, payload_bytes)
    assert len(text.encode()) == payload_bytes
    assert number_of(text) == number
