import csv

import numpy as np
import pytest

from streamlab.bench.figures import account, backlog_growth, middle_throughput_per_s
from streamlab.bench.ledger import EFFECT, SEND, Ledger
from streamlab.bench.observed import Observed, first_measured
from streamlab.bench.runs import COLUMNS, Mode, RunsCsv, capacity_run, latency_run, median_of_valid
from streamlab.bench.settings import BenchSettings
from streamlab.errors import BadArgumentError, BenchError

MS = 1_000_000


def ledger(path, fields, records):
    book = Ledger(path)
    for record in records:
        book.write(*record)
    return Ledger.read([path], fields)


def observed(tmp_path, *, sends, effects, pending=(), unread=(), attempted=None, **more):
    return Observed(
        attempted=len(sends) if attempted is None else attempted,
        sends=ledger(tmp_path / "sends", SEND, sends),
        effects=ledger(tmp_path / "effects", EFFECT, effects),
        pending=list(pending),
        unread=list(unread),
        endings=(),
        **more,
    )


def open_loop(tmp_path, latency_ns, *, rate=1000.0, seconds=1.0, behind_ns=0):
    """An ideal run: task i takes latency_ns(i), and is sent `behind_ns` after it was due."""
    tasks = first_measured(rate, seconds) + int(rate * seconds)
    due = [round(n * 1e9 / rate) for n in range(tasks)]
    sends = [(n, at + behind_ns, at + behind_ns + 1000) for n, at in enumerate(due)]
    effects = [(n, at, at + latency_ns(n)) for n, at in enumerate(due)]
    seen = observed(tmp_path, sends=sends, effects=effects, t0_ns=0, producer_cpu=0.1)
    return latency_run(seen, 1, 1, rate, seconds)


def test_each_task_ends_in_exactly_one_class(tmp_path):
    seen = observed(
        tmp_path,
        sends=[(n, 0, 1) for n in range(7)],
        effects=[(0, 1, 2), (1, 1, 2), (1, 3, 4), (3, 1, 2), (7, 1, 2), (99, 1, 2)],
        pending=[2, 3],
        unread=[4],
        attempted=8,  # task 7 was sent and its reply never came; its effect shows that it arrived
    )
    found = account(seen)
    assert (found.lost, found.duplicated, found.unexpected) == (2, 1, 1)  # lost: 5 and 6
    assert (found.pending, found.unread) == (2, 1)


def test_throughput_is_that_of_the_middle():
    slow, fast = np.arange(0, 100 * 10, 10) * MS, np.arange(300) * MS
    done = np.concatenate([slow, slow[-1] + MS + fast, slow[-1] + fast[-1] + 2 * MS + slow])
    assert middle_throughput_per_s(np.random.default_rng(1).permutation(done)) == pytest.approx(
        1000, 0.01
    )


def test_a_short_backlog_has_no_throughput():
    assert middle_throughput_per_s(np.arange(30) * MS) is None


def test_latency_counts_from_the_due_time(tmp_path):
    run = open_loop(tmp_path, lambda _: 5 * MS, behind_ns=2 * MS)
    assert (run.p50_us, run.p99_us, run.max_us) == (5003, 5003, 5003)  # three digits
    assert run.uncorrected_p99_us == 3001
    assert "its own send lag" not in run.reason


def test_the_warm_up_is_thrown_away(tmp_path):
    run = open_loop(tmp_path, lambda n: 900 * MS if n < 250 else MS)
    assert run.max_us == 1000
    assert run.valid


def test_no_percentile_of_a_saturated_run_is_published(tmp_path):
    run = open_loop(tmp_path, lambda n: MS + n * MS // 4)
    assert not run.valid
    assert run.reason.startswith("saturated")
    assert [run.p50_us, run.p90_us, run.p99_us, run.max_us, run.uncorrected_p99_us] == [None] * 5


def test_a_stall_that_was_worked_off_is_not_growth():
    sent = np.arange(1000) * MS
    done = np.where((sent > 400 * MS) & (sent < 600 * MS), 600 * MS, sent) + MS // 2
    assert abs(backlog_growth(sent, done)) <= 1
    assert backlog_growth(sent, sent * 2) == pytest.approx(500, abs=10)


def test_runs_csv_has_exactly_these_columns_and_each_row_at_once(tmp_path):
    seen = observed(tmp_path, sends=[], effects=[])
    path = tmp_path / "runs.csv"
    with RunsCsv(path) as table:
        table.write(capacity_run(seen, 2, 1))
        rows = list(csv.DictReader(path.read_text().splitlines()))
    assert ",".join(rows[0]) == (
        "mode,consumers,repeat,rate_per_s,throughput_per_s,p50_us,p90_us,p99_us,max_us,"
        "uncorrected_p99_us,lost,duplicated,valid,reason"
    )
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["mode"], rows[0]["valid"]) == ("capacity", "false")
    assert (rows[0]["throughput_per_s"], rows[0]["lost"]) == ("", "0")


def test_medians_leave_out_invalid_runs(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    good = open_loop(tmp_path / "a", lambda _: MS)
    bad = open_loop(tmp_path / "b", lambda n: MS + n * MS)
    assert (good.valid, bad.valid) == (True, False)
    assert median_of_valid([good, bad], Mode.LATENCY, 1, "throughput_per_s") == 1000
    assert median_of_valid([good, bad], Mode.LATENCY, 2, "throughput_per_s") is None


def test_a_ledger_that_ends_within_a_record_is_an_error(tmp_path):
    (tmp_path / "torn").write_bytes(b"12345")
    with pytest.raises(BenchError, match="5 bytes, not whole records"):
        Ledger.read([tmp_path / "torn"], EFFECT)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"consumers": ()}, "consumers must be"),
        ({"consumers": (1, 1)}, "none of them twice"),
        ({"consumers": (0,)}, "consumers must be a whole number in 1..64, got 0"),
        ({"seconds": 0}, "seconds must be a number in 0.1..600, got 0"),
        ({"seconds": float("nan")}, "got nan"),
        ({"rate_per_s": -5.0}, "rate_per_s must be a number in 1..100000, got -5.0"),
        ({"rate_per_s": 100_000.0, "seconds": 60}, "rate_per_s . seconds must be <= 1000000"),
        ({"repeats": True}, "repeats must be a whole number in 1..100, got True"),
        ({"work_ms": -1}, "work_ms must be a number in 0..10000, got -1"),
        ({"payload_bytes": 11}, "payload_bytes must be a whole number in 12..1000000, got 11"),
        ({"out": "x"}, "out must be a pathlib.Path, got 'x'"),
    ],
)
def test_a_setting_out_of_its_bounds_is_refused_with_value_and_rule(tmp_path, wrong, message):
    with pytest.raises(BadArgumentError, match=message):
        BenchSettings(**({"out": tmp_path} | wrong))


def test_the_command_line_asks_for_the_same_benchmark_without_a_path_of_this_machine(tmp_path):
    command = BenchSettings(out=tmp_path, rate_per_s=250.0, redis="7.0").command
    assert "--consumers 1,2,4" in command
    assert "--rate 250 " in command
    assert str(tmp_path.parent) not in command
