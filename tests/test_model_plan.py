"""The planner: rate, work time and target in; consumers out, with the reason, or a refusal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.errors import BadArgumentError
from streamlab.model import simulation
from streamlab.model.plan import plan
from streamlab.model.scaling import fit
from streamlab.model.theory import erlang_c

COUNTS = (1, 2, 4, 8, 12, 16)


def law(sigma=0.05, kappa=0.001, counts=COUNTS):
    """1,000 tasks/s of one consumer."""
    per_s = [1000 * n / (1 + sigma * (n - 1) + kappa * n * (n - 1)) for n in counts]
    return fit(counts, per_s, draws=100)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(simulation, "TASKS", 20_000)


def test_a_plan_names_the_fewest_consumers_and_says_why():
    found = plan(500, 1, 5, overhead_ms=0.5)
    assert found.consumers == 2
    assert found.utilisation == pytest.approx(0.375)
    assert 1.5 <= found.p50_ms < found.p99_ms <= 5
    assert "2 consumers: each is busy 38% of the time, and the p99 is 3" in found.reason
    assert "with 1 only, each is busy 75% of the time, and the p99 is 14" in found.reason
    assert [one.consumers for one in found.table] == [1, 2]
    assert found.one_dead_p99_ms == found.table[0].p99_ms > 5
    assert "With 3 one may be dead, and the target is kept." in found.reserve
    assert "A pause of 1 s is worked off in 0.6 s." in found.reserve  # 0.375 / (1 - 0.375)
    assert not found.extrapolated


def test_with_exponential_work_the_p99_is_the_one_that_erlang_c_gives():
    rate, mean_ms, servers = 250.0, 10.0, 4  # 2.5 erlangs
    found = plan(rate, mean_ms, 60, overhead_ms=0, work_shape="exponential")
    assert found.consumers == servers
    waiting, free = erlang_c(servers, 2.5), servers - 2.5

    def longer(ms):  # P(wait + service > t) of M/M/c, from Gross and Harris, section 2.3
        alone = math.exp(-ms / mean_ms)
        both = (math.exp(-ms / mean_ms) - math.exp(-free * ms / mean_ms)) / (free - 1)
        return alone + waiting * both

    assert longer(found.p99_ms) == pytest.approx(0.01, rel=0.1)
    assert longer(found.p50_ms) == pytest.approx(0.5, rel=0.02)


def test_a_consumer_alone_has_nobody_to_take_over():
    found = plan(10, 1, 5, overhead_ms=0)
    assert (found.consumers, found.one_dead_p99_ms) == (1, None)
    assert "When one of 1 consumer is dead, nothing is done." in found.reserve


def test_a_count_that_cannot_follow_has_no_p99():
    found = plan(2000, 5, 30, overhead_ms=0)
    assert [one.p99_ms for one in found.table[:10]] == [None] * 10
    assert "the queue grows without end" in found.reason
    assert found.one_dead_p99_ms is None


def test_a_law_stretches_each_task_by_what_contention_costs():
    free, contended = (plan(3000, 0.9, 20, overhead_ms=0.1, law=one) for one in (law(0, 0), law()))
    assert (free.consumers, contended.consumers) == (4, 4)
    assert free.utilisation == pytest.approx(0.75, abs=0.01)
    assert contended.utilisation == pytest.approx(0.75 * (1 + 0.05 * 3 + 0.001 * 12), abs=0.01)


def test_a_count_beyond_the_largest_that_was_measured_is_marked():
    found = plan(6500, 0.9, 50, overhead_ms=0.1, law=law(counts=(1, 2, 3, 4, 6, 8)))
    assert found.extrapolated
    assert found.consumers > 8
    assert "so many were not measured" in found.reason


@pytest.mark.parametrize(
    ("rate", "work", "target", "more", "words"),
    [
        (10, 9, 9.5, {}, "must be >= 10, what a task takes without any waiting, got 9.5: no"),
        (10, 9, 40, {"work_shape": "exponential"}, "46.05, what one task in a hundred takes"),
        (3000, 1, 50, {"most": 4}, "95% of what 4 consumers can finish.*allow more consumers"),
        (9e5, 1, 50, {}, "rate_per_s must be <= 30,400, 95% of what 64 consumers"),
        (1800, 1, 2.01, {"most": 5}, "no number of consumers up to 5 has a p99 of 2.01 ms"),
        (-1, 1, 50, {}, "rate_per_s must be a number"),
        (10, 0, 50, {"overhead_ms": 0}, r"work_ms \+ overhead_ms must be"),
        (10, 1, math.nan, {}, "target_p99_ms must be"),
        (10, 1, 50, {"most": 65}, "most must be a whole number in 1..64"),
        (10, 1, 50, {"work_shape": "odd"}, "work_shape must be one of 'fixed', 'exponential'"),
    ],
)
def test_what_no_consumers_can_do_is_refused_with_the_reason(rate, work, target, more, words):
    with pytest.raises(BadArgumentError, match=words):
        plan(rate, work, target, **{"overhead_ms": 1} | more)


def test_a_rate_beyond_the_laws_peak_is_refused_and_the_peak_is_named():
    with pytest.raises(BadArgumentError, match=r"95% of what 10 consumers.*beyond this peak more"):
        plan(9000, 0.9, 50, overhead_ms=0.1, law=law(0.02, 0.01))


def test_more_than_twice_the_largest_count_measured_is_not_answered():
    flat = law(0, 0, counts=(1, 2, 3, 4, 5, 6))
    with pytest.raises(BadArgumentError, match=r"12 consumers can.*twice the 6 measured"):
        plan(15_000, 0.9, 50, overhead_ms=0.1, law=flat)
    found = plan(11_000, 0.9, 50, overhead_ms=0.1, law=flat)
    assert found.consumers == 12
    assert "One more than 12 is not answered." in found.reserve


def test_a_law_of_other_work_or_of_too_few_counts_carries_no_plan():
    with pytest.raises(BadArgumentError, match="within 20% of the 1 ms that the law gives"):
        plan(100, 5, 50, overhead_ms=0.1, law=law())
    with pytest.raises(BadArgumentError, match="6 or more counts that its curve meets, got 5"):
        plan(100, 0.9, 50, overhead_ms=0.1, law=law(counts=COUNTS[:5]))


def consumers(rate, target):
    return plan(rate, 2, target, overhead_ms=0.2).consumers


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.floats(1, 5000), st.floats(1, 5000)),
    st.tuples(st.floats(3, 50), st.floats(3, 50)),
)
@pytest.mark.usefixtures("quick")
def test_a_higher_rate_or_a_tighter_target_never_needs_fewer(rates, targets):
    (slow, fast), (tight, loose) = sorted(rates), sorted(targets)
    assert consumers(slow, loose) <= consumers(fast, loose) <= consumers(fast, tight)
