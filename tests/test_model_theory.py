"""Queueing theory against queues that are simulated, and the planner that rests on both."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.errors import BadArgumentError
from streamlab.model.theory import (
    erlang_c,
    ggc_wait_s,
    lindley,
    little,
    many_servers,
    md1_wait_s,
    mdc_wait_s,
    mg1_wait_s,
    mm1_wait_s,
    mmc_wait_quantile_s,
    mmc_wait_s,
    utilisation,
)

MS = 1_000_000


def arrivals_ns(rate_per_s, tasks, seed=1):
    gaps = np.random.default_rng(seed).exponential(1e9 / rate_per_s, tasks)
    return np.rint(np.cumsum(gaps)).astype(np.int64)


def exponential_ns(mean_ms, tasks, seed=2):
    times = np.random.default_rng(seed).exponential(mean_ms * MS, tasks)
    return np.rint(times).astype(np.int64)


def slow_waits(arrivals, services, servers):
    """By hand: look for the server that is free first, task by task."""
    free, waits = [0] * servers, []
    for at, service in zip(arrivals, services, strict=True):
        first = free.index(min(free))
        begins = max(at, free[first])
        free[first] = begins + service
        waits.append(begins - at)
    return waits


TASKS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), max_size=40)


def queue(tasks):
    arrivals = np.cumsum([gap for gap, _ in tasks], dtype=np.int64)
    return arrivals, np.array([service for _, service in tasks], np.int64)


@given(TASKS, st.integers(1, 5))
def test_many_servers_waits_are_those_of_a_queue_served_by_hand(tasks, servers):
    arrivals, services = queue(tasks)
    by_hand = slow_waits(arrivals.tolist(), services.tolist(), servers)
    assert many_servers(arrivals, services, servers).tolist() == by_hand


@given(TASKS)
def test_one_of_many_servers_is_lindleys(tasks):
    arrivals, services = queue(tasks)
    assert lindley(arrivals, services).tolist() == many_servers(arrivals, services, 1).tolist()


@given(TASKS, st.integers(1, 4), st.integers(0, 30))
def test_equal_service_times_are_dealt_out_in_turns(tasks, servers, service):
    arrivals, _ = queue(tasks)
    by_hand = slow_waits(arrivals.tolist(), [service] * len(tasks), servers)
    equal = np.full(len(tasks), service)
    assert many_servers(arrivals, equal, servers).tolist() == by_hand


@given(TASKS, st.integers(1, 4), st.integers(0, 30))
def test_no_task_waits_longer_with_more_servers_or_shorter_with_longer_tasks(tasks, servers, more):
    arrivals, services = queue(tasks)
    waits = many_servers(arrivals, services, servers)
    assert (many_servers(arrivals, services, servers + 1) <= waits).all()
    assert (many_servers(arrivals, services + more, servers) >= waits).all()


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_m_d_1_is_the_mean_of_lindleys_waits(load):
    waits = lindley(arrivals_ns(load * 1000, 400_000), np.full(400_000, MS))
    assert waits.mean() / 1e9 == pytest.approx(md1_wait_s(load * 1000, 0.001), rel=0.04)


def test_m_m_1_is_the_mean_of_lindleys_waits():
    waits = lindley(arrivals_ns(700, 400_000), exponential_ns(1, 400_000))
    assert waits.mean() / 1e9 == pytest.approx(mm1_wait_s(700, 0.001), rel=0.05)


@pytest.mark.parametrize("servers", [2, 5])
def test_m_m_c_and_its_quantiles_are_those_of_a_simulated_queue(servers):
    rate, tasks = 800.0 * servers, 200_000
    waits = many_servers(arrivals_ns(rate, tasks), exponential_ns(1, tasks), servers) / 1e9
    assert waits.mean() == pytest.approx(mmc_wait_s(rate, 0.001, servers), rel=0.07)
    assert (waits > 0).mean() == pytest.approx(erlang_c(servers, 0.8 * servers), rel=0.03)
    p99 = mmc_wait_quantile_s(rate, 0.001, servers, 0.99)
    assert np.quantile(waits, 0.99) == pytest.approx(p99, rel=0.1)


def test_m_d_c_is_near_half_of_m_m_c():
    waits = many_servers(arrivals_ns(3200, 400_000), np.full(400_000, MS), 4)
    assert waits.mean() / 1e9 == pytest.approx(mdc_wait_s(3200, 0.001, 4), rel=0.10)
    assert mdc_wait_s(3200, 0.001, 4) == pytest.approx(mmc_wait_s(3200, 0.001, 4) / 2)


@pytest.mark.parametrize(
    ("servers", "offered", "waiting"),
    # a and 2a/(2 + a) by hand; 10 agents for 8 erlangs from printed tables of Erlang C
    [(1, 0.7, 0.7), (2, 1.0, 1 / 3), (2, 1.5, 9 / 14), (3, 2.0, 4 / 9), (10, 8.0, 0.4092)],
)
def test_erlang_c_is_what_tables_say(servers, offered, waiting):
    assert erlang_c(servers, offered) == pytest.approx(waiting, abs=5e-5)


def test_erlang_c_is_the_sum_of_its_textbook_form():
    servers, offered = 12, 9.3
    terms = [offered**k / math.factorial(k) for k in range(servers)]
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    assert erlang_c(servers, offered) == pytest.approx(last / (sum(terms) + last))
    assert 0 < erlang_c(5000, 4950) < 1  # where factorials overflow


def test_the_special_cases_of_a_formula_agree():
    assert mmc_wait_s(600, 0.001, 1) == pytest.approx(mm1_wait_s(600, 0.001))
    assert mg1_wait_s(600, 0.001, 1) == pytest.approx(2 * md1_wait_s(600, 0.001))
    assert ggc_wait_s(600, 0.001, 1, service_scv=0.3) == pytest.approx(mg1_wait_s(600, 0.001, 0.3))
    assert ggc_wait_s(600, 0.001, 3, arrival_scv=0) == 0
    assert mmc_wait_quantile_s(10, 0.001, 1, 0.5) == md1_wait_s(0, 0.001) == 0
    assert mm1_wait_s(500, 0.001) == pytest.approx(0.001)  # half busy: as long as it takes


def test_little_counts_the_tasks_of_a_simulated_queue():
    arrivals, services = arrivals_ns(800, 50_000), np.full(50_000, MS)
    leaves = arrivals + lindley(arrivals, services) + services
    moments = np.linspace(arrivals[0], arrivals[-1], 40_000)
    inside = np.searchsorted(arrivals, moments) - np.searchsorted(np.sort(leaves), moments)
    rate = len(arrivals) / (arrivals[-1] / 1e9)
    assert inside.mean() == pytest.approx(little(rate, (leaves - arrivals).mean() / 1e9), rel=0.02)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: md1_wait_s(1000, 0.001), r"must be < 1, got 1000/s \* 0.001 s / 1 = 1: the queue"),
        (lambda: mmc_wait_s(2500, 0.001, 2), "= 1.25: the queue grows without end, add servers"),
        (lambda: erlang_c(3, 3), "must be < 1"),
        (lambda: erlang_c(0, 0), "servers must be a whole number in 1"),
        (lambda: utilisation(-1, 1), "rate_per_s must be a number in 0"),
        (lambda: mm1_wait_s(1, math.nan), "service_s must be a number"),
        (lambda: mmc_wait_quantile_s(1, 0.1, 1, 1), "quantile must be"),
        (lambda: little(1, -1), "wait_s must be"),
        (lambda: lindley(np.array([2, 1]), np.array([1, 1])), "arrivals must be in order"),
        (lambda: lindley(np.array([1]), np.array([-1])), "service times >= 0"),
        (lambda: many_servers(np.array([1]), np.array([1, 2]), 1), "each arrival needs"),
        (lambda: many_servers(np.array([1]), np.array([1]), 0), "servers must be"),
    ],
)
def test_what_has_no_steady_state_or_is_no_queue_is_refused(call, words):
    with pytest.raises(BadArgumentError, match=words):
        call()


@settings(max_examples=50)
@given(st.floats(0, 0.97), st.floats(0, 0.97), st.integers(1, 20))
def test_waits_rise_with_the_load_and_fall_with_more_servers(one, other, servers):
    low, high = sorted((one, other))
    assert mmc_wait_s(low * servers, 1.0, servers) <= mmc_wait_s(high * servers, 1.0, servers)
    rate = high * servers
    assert mmc_wait_s(rate, 1.0, servers + 1) <= mmc_wait_s(rate, 1.0, servers)
