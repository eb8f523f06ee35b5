from dataclasses import replace

import pytest

from streamlab.bench.figures import Account, OpenLoop
from streamlab.bench.gates import Facts, judge, saturated
from streamlab.bench.latency import LatencyHistogram

CLEAN = Account(lost=0, duplicated=0, unexpected=0, pending=0, unread=0)


def histogram(samples=1000, latency_us=4000):
    made = LatencyHistogram()
    made.record(latency_us, samples)
    return made


LOOP = OpenLoop(
    corrected=histogram(),
    uncorrected=histogram(),
    sent_per_s=500.0,
    throughput_per_s=500.0,
    own_lag_p99_us=200.0,
    producer_cpu=0.1,
    sent=1000,
    growth=0.0,
)
GOOD = Facts(CLEAN, rate_per_s=500.0, open_loop=LOOP)


def test_a_run_in_which_nothing_is_wrong_is_valid():
    assert judge(GOOD) == ""
    assert judge(Facts(CLEAN, throughput_per_s=100.0)) == ""


def test_a_duplicate_is_allowed():
    assert judge(replace(GOOD, account=replace(CLEAN, duplicated=3))) == ""


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        ({"lost": 2}, "2 lost"),
        ({"unexpected": 1}, "1 done that nobody sent"),
        ({"pending": 3}, "3 still pending at the end"),
        ({"unread": 4}, "4 still unread at the end"),
    ],
)
def test_a_task_that_is_not_accounted_for_makes_a_run_invalid(count, reason):
    assert judge(replace(GOOD, account=replace(CLEAN, **count))) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sent_per_s": 490.0}, "sent 490.0/s instead of 500/s (-2.0%)"),
        ({"sent_per_s": None}, "sent 0.0/s instead of 500/s (-100.0%)"),
        ({"producer_cpu": 0.9}, "the generator is the bottleneck: it used 90% of a core"),
        (
            {"own_lag_p99_us": 2500.0},
            "the generator is the bottleneck: its own send lag has a p99 of 2500 µs",
        ),
        ({"growth": 80.0}, "saturated: the backlog grew by 80 of 1000 tasks"),
        ({"corrected": histogram(999)}, "too few samples: 999 of the 1000 that a p99 needs"),
    ],
)
def test_a_figure_out_of_its_bound_makes_a_run_invalid(change, reason):
    assert judge(replace(GOOD, open_loop=replace(LOOP, **change))) == reason


@pytest.mark.parametrize(
    "change",
    [
        {"sent_per_s": 496.0},
        {"own_lag_p99_us": 999.0, "corrected": histogram(latency_us=100)},
        {"own_lag_p99_us": 1900.0},
        {"growth": 50.0},
        {"growth": -300.0},
    ],
)
def test_a_figure_within_its_bound_does_not(change):
    assert judge(replace(GOOD, open_loop=replace(LOOP, **change))) == ""


def test_a_process_that_died_is_named():
    assert (
        judge(replace(GOOD, endings=("consumer 2 ended by SIGKILL",)))
        == "consumer 2 ended by SIGKILL"
    )


def test_a_backlog_without_a_middle_is_too_short():
    assert judge(Facts(CLEAN, throughput_per_s=None)) == "too few tasks for a middle"


def test_all_reasons_are_given():
    facts = Facts(replace(CLEAN, lost=1), ("x",), 500.0, replace(LOOP, growth=900.0))
    assert judge(facts) == "1 lost; x; saturated: the backlog grew by 900 of 1000 tasks"
    assert saturated(facts)
