import csv
from dataclasses import replace

import numpy as np
import pytest
from loads import MS, US, changed, judged, observed, open_loop

from streamlab.errors import BadArgumentError, BenchError
from streamlab.load.disturb import Incident
from streamlab.load.ledger import EFFECT, Ledger
from streamlab.load.settings import Ack, Load
from streamlab.measure.account import account
from streamlab.measure.details import Details
from streamlab.measure.figures import (
    backlog_growth,
    middle_throughput_per_s,
    open_loop_figures,
    recovery_ms,
)
from streamlab.measure.folder import RunsCsv, read_runs
from streamlab.measure.hdr_log import CORRECTED, UNCORRECTED, read_intervals, read_log, write_log
from streamlab.measure.judged import Asked, capacity_run
from streamlab.measure.runs import COLUMNS, Mode, Run, median_of_valid
from streamlab.measure.tasks import PARTS, Tasks


def effect(number, began=1, done=2):
    return (number, began, began, done)


def test_each_task_ends_in_exactly_one_class():
    seen = observed(
        due=range(8),  # task 7 was sent and its reply never came; its effect shows that it arrived
        sends=[(n, 0, 1) for n in range(7)],
        effects=[effect(0), effect(1), effect(1, 3, 4), effect(3), effect(7), effect(99)],
        acks=[(0, 3), (0, 4), (1, 3), (1, 5), (99, 9)],
        pending=[2, 3],
        unread=[4],
    )
    found = account(seen)
    assert (found.lost, found.duplicated, found.unexpected) == (2, 1, 1)  # lost: 5 and 6
    assert (found.pending, found.unread) == (2, 1)
    assert (found.overacked, found.unacked) == (1, 1)  # 0 was acknowledged twice, 7 never


def test_each_group_has_each_task_to_do():
    load = Load(groups=2)
    seen = observed(load=load, sends=[(0, 0, 1), (1, 0, 1)], effects=[effect(n) for n in (0, 1, 3)])
    assert account(seen).lost == 1  # task 1 in the first group
    assert account(changed(seen, unread=[2])).lost == 0


def test_noack_has_nothing_to_acknowledge():
    seen = observed(load=Load(ack=Ack.NOACK), sends=[(0, 0, 1)], effects=[effect(0)], acks=[])
    assert account(seen).unacked == 0


def test_throughput_is_that_of_the_middle():
    slow, fast = np.arange(0, 100 * 10, 10) * MS, np.arange(300) * MS
    done = np.concatenate([slow, slow[-1] + MS + fast, slow[-1] + fast[-1] + 2 * MS + slow])
    assert middle_throughput_per_s(np.random.default_rng(1).permutation(done)) == pytest.approx(
        1000, 0.01
    )


def test_a_short_backlog_has_no_throughput():
    assert middle_throughput_per_s(np.arange(30) * MS) is None


def test_latency_counts_from_the_due_time():
    run = judged(open_loop(lambda _: 5 * MS, behind_ns=2 * MS))
    assert (run.p50_us, run.p99_us, run.max_us) == (5003, 5003, 5003)  # three digits
    assert run.uncorrected_p99_us == run.uncorrected_p50_us == 3001
    assert "its own send lag" not in run.reason


def test_the_parts_of_a_message_add_up_to_its_time_from_due_to_acknowledged():
    seen = open_loop(lambda n: (4 + n % 3) * MS, behind_ns=MS)
    tasks = Tasks.of(seen)
    parts = tasks.parts_ns()
    assert tuple(parts) == PARTS
    assert (sum(parts.values()) == tasks.acked - tasks.due).all()
    assert all((part >= 0).all() for part in parts.values())
    run = judged(seen)
    assert (run.lag_us, run.add_us, run.handler_us, run.ack_us) == (1000, 10, 500, 5)
    assert run.wait_us == pytest.approx(5000 - 1000 - 10 - 500, rel=0.01)


def test_a_consumer_that_has_an_entry_before_the_producer_has_its_reply_ends_the_add():
    seen = observed(sends=[(0, 0, 90)], effects=[(0, 40, 50, 60)])
    assert {name: int(ns[0]) for name, ns in Tasks.of(seen).parts_ns().items()} == {
        "lag": 0,
        "add": 40,
        "wait": 10,
        "handler": 10,
        "ack": 0,
    }


def test_the_warm_up_is_thrown_away():
    run = judged(open_loop(lambda n: 200 * MS if n < 250 else MS))
    assert run.max_us == 1000
    assert run.valid, run.reason


def test_no_percentile_of_a_saturated_run_is_published():
    run = judged(open_loop(lambda n: MS + n * MS // 4))
    assert not run.valid
    assert run.reason.startswith("saturated")
    assert [run.p50_us, run.p90_us, run.p99_us, run.max_us, run.uncorrected_p99_us] == [None] * 5


def test_a_stall_that_was_worked_off_is_not_growth():
    sent = np.arange(1000) * MS
    done = np.where((sent > 400 * MS) & (sent < 600 * MS), 600 * MS, sent) + MS // 2
    assert abs(backlog_growth(sent, done)) <= 1
    assert backlog_growth(sent, sent * 2) == pytest.approx(500, abs=10)


def test_what_waits_for_the_reply_before_it_is_not_the_producers_own_lag():
    """Five tasks are due during one slow XADD, and leave together when its reply comes."""
    due = [n * MS for n in range(6)]
    sends = [(0, 0, 10 * MS), *((n, 10 * MS + 20 * US, 10 * MS + 50 * US) for n in range(1, 6))]
    seen = observed(due=due, sends=sends, effects=[effect(n, 11 * MS, 12 * MS) for n in range(6)])
    loop = open_loop_figures(seen)
    assert loop.own_lag_p99_us <= 20
    assert loop.lag_p99_us == pytest.approx(9_000, rel=0.05)


def test_the_number_in_the_system_is_the_rate_times_the_time():
    loop = open_loop_figures(open_loop(lambda n: (5 + n % 11) * MS))
    assert loop.in_system == pytest.approx(10, rel=0.02)
    assert loop.little == pytest.approx(loop.in_system, rel=0.02)


def test_recovery_lasts_until_all_that_had_been_sent_before_the_kill_is_done():
    seen = observed(
        sends=[(0, 0, 1), (1, 5 * MS, 6 * MS), (2, 30 * MS, 31 * MS)],
        effects=[effect(0, 1, MS), effect(1, 400 * MS, 410 * MS), effect(2, 31 * MS, 999 * MS)],
    )
    kill = Incident(10 * MS, "killed", "consumer-1", 1)
    assert recovery_ms(changed(seen, incidents=(kill,))) == [400.0]


def test_a_timeline_has_every_task_in_it_and_the_steps_of_a_stall():
    stalled = open_loop(lambda n: 500 * MS - (n - 1000) * MS if 1000 <= n < 1500 else MS)
    timeline = Details.of(stalled).timeline
    per_step = timeline.step_s
    assert sum(timeline.sent_per_s) * per_step == pytest.approx(2500, rel=0.001)
    assert sum(timeline.done_per_s) * per_step == pytest.approx(2500, rel=0.001)
    assert max(timeline.waiting) == pytest.approx(500, abs=60)
    assert max(us or 0 for us in timeline.max_us) == 500_000
    assert timeline.waiting[-1] == timeline.pending[-1] == 0


def test_details_are_read_as_they_were_written(tmp_path):
    details = Details.of(open_loop())
    details.write(tmp_path / "x.json")
    assert Details.read(tmp_path / "x.json") == details


def test_an_hdr_log_holds_both_clocks_by_the_second_and_hdrhistogram_reads_it(tmp_path):
    tasks = Tasks.of(open_loop(lambda n: MS + n * US, behind_ns=MS // 2))
    both = {CORRECTED: tasks.done - tasks.due, UNCORRECTED: tasks.done - tasks.sent}
    path = tmp_path / "run.hdr"
    write_log(path, tasks.due, both, 1_700_000_000.0)
    whole = read_log(path)
    assert whole[CORRECTED].count == whole[UNCORRECTED].count == 2000
    assert whole[CORRECTED].max_us == pytest.approx(both[CORRECTED].max() / 1000, rel=0.001)
    parts = read_intervals(path)[CORRECTED]
    assert [start for start, _ in parts] == [0.0, 1.0]
    assert [part.count for _, part in parts] == [1000, 1000]
    lines = path.read_text().splitlines()
    assert lines[0] == "#[Histogram log format version 1.3]"
    assert all(line.startswith("Tag=from-") for line in lines[5:])


def test_a_file_that_is_no_log_is_an_error(tmp_path):
    (tmp_path / "x.hdr").write_text("Tag=a,0.000,1.000,0.1,HISTnonsense\n")
    with pytest.raises(BenchError, match=r"x.hdr is no histogram log"):
        read_log(tmp_path / "x.hdr")


def test_a_row_is_read_as_it_was_written_and_each_is_there_at_once(tmp_path):
    seen = observed(sends=[], effects=[], load=Load(consumers=2, poll_ms=1.5, maxlen=7))
    bad = capacity_run(seen, Asked(case='two, and "more"', persistence="none"))
    good = judged(open_loop())
    path = tmp_path / "runs.csv"
    with RunsCsv(path) as table:
        for run in (bad, good):
            table.write(run)
            assert read_runs(path)[-1].row() == run.row()
    assert (bad.valid, good.valid) == (False, True)
    assert read_runs(path)[0] == bad
    with RunsCsv(path) as again:
        assert [run.row() for run in again.runs] == [bad.row(), good.row()]
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [tuple(row) for row in rows] == [COLUMNS] * 2
    assert (rows[0]["throughput_per_s"], rows[0]["lost"], rows[0]["valid"]) == ("", "0", "false")


def test_a_last_row_that_was_cut_short_is_left_out(tmp_path):
    path = tmp_path / "runs.csv"
    with RunsCsv(path) as table:
        table.write(judged(open_loop()))
        table.write(judged(open_loop()))
    path.write_text(path.read_text()[:-20])
    assert len(read_runs(path)) == 1


def test_rows_of_other_columns_are_refused(tmp_path):
    (tmp_path / "runs.csv").write_text("mode,consumers\n")
    with pytest.raises(BenchError, match=r"runs.csv has other columns \(mode, consumers\)"):
        read_runs(tmp_path / "runs.csv")


def test_medians_leave_out_invalid_runs():
    good, bad = judged(open_loop()), judged(open_loop(lambda n: MS + n * MS))
    assert (good.valid, bad.valid) == (True, False)
    both = [good, bad]
    assert median_of_valid(both, Mode.LATENCY, "throughput_per_s", consumers=1) == 1000
    assert median_of_valid(both, Mode.LATENCY, "throughput_per_s", consumers=2) is None


def test_an_invalid_run_keeps_its_reason_and_its_columns():
    run = judged(open_loop())
    assert Run.from_row(replace(run, valid=False, reason="a; b").row()).reason == "a; b"


def test_a_ledger_that_ends_within_a_record_is_an_error(tmp_path):
    (tmp_path / "torn").write_bytes(b"12345")
    with pytest.raises(BenchError, match="5 bytes, not whole records"):
        Ledger.read([tmp_path / "torn"], EFFECT)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"consumers": 0}, "consumers must be a whole number in 1..64, got 0"),
        (
            {"consumers": 33, "groups": 2},
            r"groups \* consumers must be <= 64 processes, got 2 \* 33",
        ),
        ({"work_ms": -1}, "work_ms must be a number in 0..10000, got -1"),
        ({"work_ms": float("nan")}, "got nan"),
        ({"payload_bytes": 11}, "payload_bytes must be a whole number in 12..1000000, got 11"),
        ({"count": True}, "count must be a whole number in 1..10000, got True"),
        (
            {"ack": "maybe"},
            "ack must be one of 'xack', 'noack', 'xackdel', 'xack.xdel', got 'maybe'",
        ),
        ({"poll_ms": -1}, "poll_ms must be a number in 0..60000, got -1"),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused_with_value_and_rule(wrong, message):
    with pytest.raises(BadArgumentError, match=message):
        Load(**wrong)
