"""The parts of the load tests that need no Locust: shapes, clocks, options."""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from support import ROOT

sys.path.insert(0, str(ROOT / "loadtests"))  # as Locust does for its script

from swarm.clock import Clock
from swarm.options import OPTIONS
from swarm.settings import Settings
from swarm.shapes import Shape, arrivals, stages_of
from swarm.tally import Tally

from streamlab.errors import BadArgumentError

MS = 1_000_000  # ns


def settings(**given):
    return Settings.of({one.name: one.default for one in OPTIONS} | given)


# -- shapes and schedules ----------------------------------------------------------------------


def laid_out(schedule, shape, seconds, rate_per_s=1000.0, seed=1, tasks=None):
    some = arrivals(schedule, rate_per_s, stages_of(shape, seconds), seed)
    due, at = zip(
        *itertools.islice((pair for a in some for pair in zip(*a, strict=True)), tasks), strict=True
    )
    return np.array(due) / 1e9, np.array(at)


def test_without_a_shape_the_gaps_are_those_of_the_rate_without_end():
    due_s, at = laid_out("fixed", Shape.NONE, 0, tasks=10_000)
    assert due_s == pytest.approx(np.arange(10_000) / 1000)
    assert set(at) == {0}


@pytest.mark.parametrize(
    ("shape", "rates"),
    [
        (Shape.STEPS, [200, 400, 600, 800, 1000]),
        (Shape.RAMP, [100, 300, 500, 700, 900]),
        (Shape.SPIKE, [200, 1000, 200]),
        (Shape.SOAK, [1000] * 10),
    ],
)
def test_each_stage_of_a_shape_has_the_tasks_of_its_rate(shape, rates):
    due_s, at = laid_out("fixed", shape, 50.0)
    stages = stages_of(shape, 50.0)
    starts_s = np.cumsum([0.0, *(stage.seconds for stage in stages)])
    assert starts_s[-1] == pytest.approx(50.0)
    for number, rate_per_s in enumerate(rates):
        mine = due_s[at == number]
        assert len(mine) == pytest.approx(rate_per_s * stages[number].seconds, abs=1)
        assert starts_s[number] - 1e-6 <= mine[0]
        assert mine[-1] <= starts_s[number + 1] + 1e-6
    assert (np.diff(due_s) >= 0).all()


def test_on_a_ramp_task_i_is_due_at_the_root_of_its_place():
    due_s, _ = laid_out("fixed", Shape.RAMP, 10.0)  # i = 1000 * t^2 / (2 * 10)
    assert due_s == pytest.approx(np.sqrt(np.arange(len(due_s)) / 50), abs=1e-6)


def test_exponential_gaps_are_those_of_the_seed_and_have_the_mean_and_spread_of_a_poisson_process():
    due_s, _ = laid_out("exponential", Shape.NONE, 0, tasks=40_000)
    again, _ = laid_out("exponential", Shape.NONE, 0, tasks=40_000)
    other, _ = laid_out("exponential", Shape.NONE, 0, seed=2, tasks=40_000)
    assert (due_s == again).all()
    assert not np.isin(np.diff(other), np.diff(due_s)).mean() > 0.5
    gaps_ms = np.diff(due_s) * 1000
    assert gaps_ms.mean() == pytest.approx(1, abs=0.02)
    assert gaps_ms.std() == pytest.approx(1, abs=0.03)


def test_a_burst_is_due_at_once_and_no_chunk_cuts_it():
    due_s, _ = laid_out("bursts:300", Shape.NONE, 0, tasks=9_000)
    assert due_s == pytest.approx(np.arange(9_000) // 300 * 0.3)


# -- clocks ------------------------------------------------------------------------------------


class Server:
    """A clock that is ahead of ours by `ahead_ns`, and answers as it is told."""

    def __init__(self, ahead_ns) -> None:
        self.ahead_ns = ahead_ns

    def __call__(self) -> int:
        return Clock().now_ns() + self.ahead_ns


def test_a_clock_follows_the_servers_within_its_stated_error():
    server = Server(10**15)
    clock = Clock(server)
    off_ns = clock.now_ns() - server()
    assert abs(off_ns) <= clock.error_ns + 100_000
    assert clock.error_ns < 20 * MS
    clock.ask()
    assert clock.reading().step_ns == 0


def test_a_step_of_the_servers_clock_is_seen_at_the_next_asking():
    server = Server(10**15)
    clock = Clock(server)
    server.ahead_ns += 50 * MS
    clock.ask()
    assert clock.reading().step_ns == pytest.approx(50 * MS, abs=20 * MS)
    assert clock.error_ns >= 30 * MS


def test_a_latency_below_zero_within_the_clocks_error_is_zero_and_beyond_it_impossible():
    tally = Tally("t")
    tally.do(0, (MS, MS, MS - 50_000), error_ns=60_000)
    assert (tally.impossible, tally.stages[0][0].max_us) == (0, 0)
    tally.do(1, (MS, MS, MS - 70_000), error_ns=60_000)
    assert (tally.impossible, tally.stages[0][0].count) == (1, 1)


# -- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("task_rate", "-5", "task_rate must be a number in 0.1..100000.0, got -5.0: give for"),
        ("task_rate", "nan", "got nan: give for example 200"),
        ("task_rate", "", "task_rate must be a number, got '': give for example 200"),
        ("schedule", "bursts:0", "fixed, exponential or bursts:SIZE, got 'bursts:0': give for"),
        ("schedule", "trace:a.txt", "schedule must be fixed, exponential or bursts:SIZE, got"),
        ("shape", "saw", "shape must be one of none, steps, ramp, spike, soak, got 'saw'"),
        ("count", "1.5", "count must be a whole number, got '1.5': give for example 10"),
        ("maxlen", "0", "maxlen must be a whole number in 1..1000000000, got 0: give for"),
        ("payload_bytes", "3", "payload_bytes must be a whole number in 12..1000000, got 3"),
        ("slo_lost", "-1", "slo_lost must be a whole number in 0..1000000000, got -1"),
        ("hdr", "no/such/folder/x.hdr", "hdr must be a file in a folder that exists, got"),
    ],
)
def test_a_bad_value_is_refused_with_the_rule_and_an_example_which_is_good(name, text, rule):
    (option,) = [one for one in OPTIONS if one.name == name]
    with pytest.raises(BadArgumentError) as caught:
        option.value(text)
    assert rule in str(caught.value)
    option.value(str(caught.value).rsplit(" ", 1)[1])
    with pytest.raises(argparse.ArgumentTypeError):
        option.argument(text)


def test_the_text_of_a_form_and_the_values_of_a_command_line_are_the_same_settings():
    text = {"task_rate": "50", "maxlen": "", "groups": "2", "slo_tail_ms": "", "noack": True}
    assert settings(**text) == settings(task_rate=50.0, groups=2, noack=True)
    assert settings(shape="soak").stages[0].seconds == 360


def test_each_options_name_survives_what_locusts_form_makes_of_it():
    for option in OPTIONS:  # its page turns names into camel case, and posts them turned back
        camel = re.sub("_([a-z0-9])", lambda found: found[1].upper(), option.name)
        assert re.sub("([a-z0-9])([A-Z0-9])", r"\1_\2", camel).lower() == option.name


def test_the_options_in_the_form_are_all_but_the_file():
    added = []
    parser = SimpleNamespace(add_argument=lambda *flags, **more: added.append((flags, more)))
    for option in OPTIONS:
        option.add_to(parser)
    assert [flags[0] for flags, more in added if not more["include_in_web_ui"]] == ["--hdr"]
