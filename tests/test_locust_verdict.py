"""What Locust's users count and judge by, without Locust: each violation is named."""

from __future__ import annotations

import itertools
import sys

import pytest
from support import ROOT

sys.path.insert(0, str(ROOT / "loadtests"))  # as Locust does for its script

from swarm.clock import Reading
from swarm.options import OPTIONS
from swarm.page import page
from swarm.printed import figures, printed
from swarm.reasons import Ending
from swarm.settings import Settings
from swarm.tally import Tally
from swarm.verdict import judge
from swarm.whole import Whole

MS = 1_000_000  # ns
CLEAN = Ending(pending=(frozenset(),), unread=(frozenset(),))


def settings(**given):
    return Settings.of({one.name: one.default for one in OPTIONS} | given)


def counted(tasks=1200, rate_per_s=200, *, work_ms=2.0, late_ms=None, own_ms=0.0):
    """A tally of a clean test, with each task's lateness as `late_ms` has it."""
    tally = Tally("t")
    for number in range(tasks):
        due = 10**12 + round(number * 1e9 / rate_per_s)
        sent = due + round((late_ms(number) if late_ms else 0.05) * MS)
        tally.send(due, sent, sent - round(own_ms * MS))
        tally.acknowledged.append(number)
        tally.do(number, (due, sent, sent + round(work_ms * MS)))
    tally.begun = 1
    return tally


def whole_of(*tallies: Tally, groups=1):
    whole = Whole("t", groups)
    for number, tally in enumerate(tallies):
        whole.add(tally.encode(), f"process {number}")
    return whole


def test_a_clean_test_is_to_be_trusted_and_its_reports_add_up_to_the_same_in_any_number():
    one, parts = counted(), [Tally("t") for _ in range(3)]
    for number, report in zip(range(1200), itertools.cycle(parts), strict=False):
        due = 10**12 + round(number * 1e9 / 200)
        report.do(number, (due, due + MS // 20, due + MS // 20 + 2 * MS))
    sends = counted()
    sends.stages, sends.done = {}, sends.done[:0]
    told = [
        figures(whole, settings(), judge(whole, settings(), CLEAN))
        for whole in (whole_of(one), whole_of(sends, *parts))
    ]
    assert told[0]["verdict"] == told[1]["verdict"] == "to be trusted"
    for part in ("latency", "counts", "rate"):
        assert told[0][part] == told[1][part]
    assert told[0]["counts"] == dict.fromkeys(("twice", "lost", "pending", "unread"), 0) | {
        "sent": 1200,
        "done": 1200,
    }
    assert told[0]["latency"][0]["p99_us"] == pytest.approx(2050, rel=0.001)
    assert told[0]["latency"][1]["p99_us"] == pytest.approx(2000, rel=0.001)


def lost(tally):
    tally.done.remove(7)


def moved(tally):
    tally.begun = 2


def refused(tally):
    tally.failed["XADD: out of memory"] += 3


def elsewhere(tally):
    tally.reading = Reading("another boot")


def stepped(tally):
    tally.reading = Reading("this boot", step_ns=-40 * MS)


def reversed_in_time(tally):
    tally.do(3, (10**12, 10**12, 10**12 - MS))


@pytest.mark.parametrize(
    ("change", "ending", "reason"),
    [
        (lost, {}, "1 tasks were lost"),
        (moved, {}, "the schedule was begun 2 times"),
        (refused, {}, "3 commands failed: XADD: out of memory"),
        (elsewhere, {}, "latencies compare different clocks, of 2 hosts"),
        (stepped, {}, "a clock was set during the test: by -40.0 ms, as process 0 saw it"),
        (reversed_in_time, {}, "clocks disagree: 1 tasks were done before they were sent"),
        (None, {"complete": False}, "what is lost is not known"),
        (None, {"pending": (frozenset({1}),)}, "1 tasks were not done in the end"),
        (None, {"backlog": 150}, "saturated: 150 of 1200 tasks were waiting"),
        (None, {"faults": ("the server could not be asked",)}, "the server could not be asked"),
    ],
)
def test_each_violation_is_named_and_makes_the_exit_code_1(change, ending, reason):
    tally, other = counted(), Tally("t")
    tally.reading = other.reading = Reading("this boot")
    if change:
        change(tally)
    defaults = {name: getattr(CLEAN, name) for name in ("pending", "unread")}
    verdict = judge(whole_of(tally, other), settings(), Ending(**defaults | ending))
    assert verdict.exit_code == 1
    assert len(verdict.reasons) == 1
    assert reason in verdict.reasons[0]


@pytest.mark.parametrize(
    ("late_ms", "own_ms", "reason"),
    [
        (lambda number: number * 0.1, 0.0, "not steady"),  # 2 % too slow
        (lambda number: 200 - number * 0.1, 0.0, "too fast"),
        (lambda _: 30.0, 30.0, "generator late: its own send lag has a p99 of 30"),
    ],
)
def test_a_rate_that_was_not_held_and_a_late_generator_are_named(late_ms, own_ms, reason):
    whole = whole_of(counted(late_ms=late_ms, own_ms=own_ms))
    verdict = judge(whole, settings(), CLEAN)
    assert verdict.exit_code == 1
    assert reason in " ".join(verdict.reasons)


def test_one_late_task_is_no_slower_rate():
    whole = whole_of(counted(late_ms=lambda number: 400.0 * (number == 1199)))
    assert judge(whole, settings(), CLEAN).reasons == ()


@pytest.mark.parametrize(
    ("given", "tasks", "ending", "code", "text"),
    [
        ({"slo_tail_ms": 3}, 1200, {}, 0, "limit p99 <= 3 ms: kept (2.0"),
        ({"slo_tail_ms": 2, "slo_median_ms": 3}, 1200, {}, 3, "limit p99 <= 2 ms: NOT KEPT (2.0"),
        ({"slo_tail_ms": 3}, 900, {}, 1, "p99 <= 3 ms cannot be judged: 900 samples of the 1000"),
        ({"slo_lost": 0}, 900, {}, 0, "limit lost <= 0: kept (0)"),
        ({"slo_lost": 0}, 900, {"complete": False}, 1, "limit lost <= 0: unknown (unknown)"),
    ],
)
def test_a_limit_that_is_not_kept_is_3_and_one_that_cannot_be_judged_is_1(
    given, tasks, ending, code, text
):
    whole, asked = whole_of(counted(tasks)), settings(**given)
    defaults = {name: getattr(CLEAN, name) for name in ("pending", "unread")}
    verdict = judge(whole, asked, Ending(**defaults | ending))
    assert verdict.exit_code == code
    assert text in printed(figures(whole, asked, verdict), asked)


def test_losses_within_a_stated_limit_are_accepted_and_beyond_it_the_exit_code_is_3():
    tally = counted()
    for number in (5, 6):
        tally.done.remove(number)
    codes = [judge(whole_of(tally), settings(slo_lost=most), CLEAN).exit_code for most in (2, 1)]
    assert codes == [0, 3]


def test_every_task_is_accounted_for_in_each_group():
    tally = Tally("t")
    for number in range(4):
        tally.send(number * MS, number * MS, 0)
        tally.acknowledged.append(number)
        tally.do(2 * number, (number * MS, number * MS, (number + 1) * MS))
    tally.do(2 * 3 + 1, (0, 0, MS))
    ending = Ending(
        pending=(frozenset(), frozenset({1})), unread=(frozenset(), frozenset({2})), backlog=3
    )
    first, second = judge(whole_of(tally, groups=2), settings(groups=2), ending).groups
    assert (first.done, first.lost, first.pending, first.unread) == (4, 0, 0, 0)
    assert (second.done, second.lost, second.pending, second.unread) == (1, 1, 1, 1)


def test_a_late_report_of_the_last_test_is_not_counted_in_this_one():
    whole = Whole("another")
    whole.add(counted(10).encode(), "process 0")
    assert whole.sent.distinct == 0


def test_the_figures_of_a_running_test_do_not_say_that_nothing_is_lost():
    told = figures(whole_of(counted()), settings(), None, ((0, None),))
    assert told["counts"]["lost"] is told["counts"]["unread"] is told["verdict"] is None


def test_the_page_escapes_what_it_shows():
    told = figures(
        whole_of(counted(30)), settings(), judge(whole_of(counted(30)), settings(), CLEAN)
    )
    locust = dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "max_ms"), 2) | {"tasks": 30}
    told |= {"test": "t", "state": "stopped", "server": "<script>", "locust": locust}
    told["verdict"] = "not <b>"
    text = page(told)
    assert "&lt;script&gt;" in text
    assert "not &lt;b&gt;" in text
    assert "<b>\u2248" not in text
