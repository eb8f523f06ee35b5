from dataclasses import replace

import pytest

from streamlab.load.life import Life
from streamlab.measure.account import Account
from streamlab.measure.figures import OpenLoop
from streamlab.measure.gates import Facts, judge, saturated
from streamlab.measure.histogram import LatencyHistogram

CLEAN = Account()


def histogram(samples=1000, latency_us=4000):
    made = LatencyHistogram()
    made.record(latency_us, samples)
    return made


LOOP = OpenLoop(
    corrected=histogram(),
    uncorrected=histogram(),
    parts_us={},
    rate_off=0.0,
    sent_per_s=500.0,
    throughput_per_s=500.0,
    own_lag_p99_us=200.0,
    lag_p99_us=300.0,
    sent=1000,
    growth=0.0,
    in_system=2.0,
    little=2.0,
    out_of_order=0,
)
LIVES = {"producer": Life(0.1, 0, 10.0), "consumer-1": Life(0.2, 100, 10.0)}
GOOD = Facts(CLEAN, lives=LIVES, rate_per_s=500.0, open_loop=LOOP)


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
        ({"overacked": 5}, "5 acknowledged more often than done"),
        ({"unacked": 6}, "6 done and never acknowledged"),
    ],
)
def test_a_task_that_is_not_accounted_for_makes_a_run_invalid(count, reason):
    assert judge(replace(GOOD, account=replace(CLEAN, **count))) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rate_off": -0.02, "sent_per_s": 490.0}, "sent 490.0/s instead of 500.0/s (-2.0%)"),
        ({"rate_off": None}, "nothing was sent at 500/s"),
        ({"out_of_order": 3}, "clocks disagree: 3 tasks were done before they were due, or sent"),
        (
            {"in_system": 2.5},
            "Little's law does not hold: 2.5 tasks in the system, but X * W is 2",
        ),
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
        {"rate_off": -0.009},
        {"in_system": 2.05},
        {"in_system": 0.004, "little": 0.012},
        {"own_lag_p99_us": 999.0, "corrected": histogram(latency_us=100)},
        {"own_lag_p99_us": 1900.0},
        {"growth": 50.0},
        {"growth": -300.0},
    ],
)
def test_a_figure_within_its_bound_does_not(change):
    assert judge(replace(GOOD, open_loop=replace(LOOP, **change))) == ""


def test_a_producer_without_time_to_spare_makes_a_run_invalid():
    busy = {"producer": Life(0.9, 0, 10.0)}
    assert judge(replace(GOOD, lives=busy)) == (
        "the generator is the bottleneck: it used 90% of a core"
    )


@pytest.mark.parametrize("step_ms", [50.0, -50.0, 12.0])
def test_a_clock_that_was_set_makes_a_run_invalid(step_ms):
    lives = LIVES | {"consumer-1": Life(0.2, round(step_ms * 1e6), 10.0)}
    assert judge(replace(GOOD, lives=lives)) == (
        f"a clock was set during the run: by {step_ms:+.1f} ms, as consumer-1 saw it"
    )


def test_a_clock_that_is_slewed_does_not():
    lives = LIVES | {"consumer-1": Life(0.2, 5_000_000, 10.0)}  # 500 ppm
    assert judge(replace(GOOD, lives=lives)) == ""


def test_what_a_planned_fault_leaves_undone_is_no_reason():
    facts = replace(GOOD, account=replace(CLEAN, unacked=3), disturbed=True)
    assert judge(facts) == judge(replace(facts, open_loop=replace(LOOP, in_system=9.0))) == ""


def test_a_process_that_died_is_named():
    assert (
        judge(replace(GOOD, endings=("consumer 2 ended by SIGKILL",)))
        == "consumer 2 ended by SIGKILL"
    )


def test_a_backlog_without_a_middle_is_too_short():
    assert judge(Facts(CLEAN, throughput_per_s=None)) == "too few tasks for a middle"


def test_all_reasons_are_given():
    facts = Facts(
        replace(CLEAN, lost=1), ("x",), rate_per_s=500.0, open_loop=replace(LOOP, growth=900.0)
    )
    assert judge(facts) == "1 lost; x; saturated: the backlog grew by 900 of 1000 tasks"
    assert saturated(facts)
