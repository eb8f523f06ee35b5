"""A whole benchmark from the command line: its files, its answers, and how it ends."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import psutil
import pytest
from support import ROOT, poll, streamlab

from streamlab.cli import main
from streamlab.measure.folder import Results
from streamlab.measure.hdr_log import CORRECTED, UNCORRECTED
from streamlab.measure.runs import COLUMNS, Mode
from streamlab.server import RedisServer
from streamlab.server.reader import URL_VARIABLE

TINY = ("--consumers", "1,2", "--seconds", "0.4", "--rate", "100", "--repeats", "1", "--batch", "5")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole benchmark on a server of the reader's own that has a password."""
    out = tmp_path_factory.mktemp("bench") / "<b>results"
    with RedisServer(tcp=True) as server, server.client() as client:
        env = os.environ | {URL_VARIABLE: str(server.url)}
        ran = streamlab("bench", *TINY, "--loads", "0.5", "--out", str(out), "--json", env=env)
        keys = client.keys()
    password = re.search(":([^:@]+)@", str(server.url)).group(1)
    assert ran.returncode in (0, 1), ran.stderr
    return out, ran, password, keys


def test_a_benchmark_writes_its_files_and_leaves_no_key(whole):
    out, _, _, keys = whole
    assert {path.name for path in out.iterdir()} >= {
        *("runs.csv", "manifest.json", "report.html", "hdr", "details", "capacity.png"),
    }
    assert keys == []


def test_its_rows_are_the_same_in_csv_and_json(whole):
    out, ran, _, _ = whole
    rows = list(csv.DictReader((out / "runs.csv").read_text().splitlines()))
    assert json.loads(ran.stdout)["runs"] == rows
    assert [tuple(row) for row in rows] == [COLUMNS] * 6
    assert {row["consumers"] for row in rows if row["mode"] == "capacity"} == {"1", "2"}
    fixed = [row for row in rows if row["rate_per_s"] == "100"]
    assert all("too few samples" in row["reason"] for row in fixed)
    assert all((row["p99_us"], row["lost"]) == ("", "0") for row in fixed)
    by_load = [row for row in rows if row["share"]]
    assert [row["share"] for row in by_load] == ["0.5"] * 2


def test_each_open_loop_has_its_histogram_log_and_its_details(whole):
    results = Results.read(whole[0])
    for run in results.of(Mode.LATENCY):
        logs, details = results.histograms(run), results.details(run)
        assert logs[CORRECTED].count == logs[UNCORRECTED].count > 30
        assert logs[CORRECTED].max_us == run.max_us
        assert details.server["xadd"]["calls"] == sum(
            round(each * details.timeline.step_s) for each in details.timeline.sent_per_s
        )
    assert len(results.frame()) == len(results.runs) == 6


def test_its_manifest_says_what_it_was_measured_on(whole):
    facts = Results.read(whole[0]).manifest
    assert facts["machine"]["cores"] == os.cpu_count()
    assert set(facts["versions"]) == {"redis", "redis-py", "hiredis", "python", "streamlab"}
    assert facts["server"]["owner"].startswith("the reader's own")
    assert facts["server"]["persistence"]["appendonly"] == "no"
    assert facts["server"]["worker_block_ms"] > 0
    settings = facts["settings"]
    assert (settings["load"]["count"], settings["seed"], settings["repeats"]) == ("5", 1, 1)
    assert facts["cases"] == ["1 consumer", "2 consumers"]
    floor = facts["floor"]
    assert max(floor["p50_ratios"]) <= 2.5  # 1.2 to 1.6 on a quiet machine
    assert "--consumers 1,2 --seconds 0.4" in facts["command"]
    assert str(whole[0].parent) not in json.dumps(facts)


def test_a_password_is_in_no_file_and_no_output(whole):
    out, ran, password, _ = whole
    for path in out.rglob("*.*"):
        if path.is_file():
            assert password.encode() not in path.read_bytes(), path.name
    assert password not in ran.stdout + ran.stderr


def test_a_report_is_drawn_again_from_the_folder_alone(whole):
    report = whole[0] / "report.html"
    before = report.read_text()
    report.unlink()
    ran = streamlab("bench", "report", str(whole[0]))
    assert ran.returncode == 0, ran.stderr
    assert report.read_text() == before


def test_a_folder_is_as_fast_as_itself(whole):
    ran = streamlab("bench", "compare", str(whole[0]), str(whole[0]))
    assert ran.returncode == 0, ran.stderr
    assert "0 faster, 0 slower, of " in ran.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--consumers", "1,x"), "consumers must be whole numbers with commas between them"),
        (("--consumers", "1,1"), "none of them twice"),
        (("--consumers", "0"), "consumers must be a whole number in 1..64, got 0"),
        (("--seconds", "0"), "seconds must be a number in 0.1..3600, got 0"),
        (("--rate", "fast"), "rate must be 'auto', 'none' or tasks per second, got 'fast'"),
        (("--rate", "-5"), "rate_per_s must be a number in 1..100000, got -5"),
        (("--repeats", "0"), "repeats must be a whole number in 1..100, got 0"),
        (("--loads", "1.2"), "shares must lie between 0 and 1, got 1.2"),
        (("--schedule", "soon"), "schedule must be 'fixed', 'exponential', "),
        (("--work-shape", "odd"), "work_shape must be one of 'fixed', 'exponential', got 'odd'"),
    ],
)
def test_what_is_out_of_its_bounds_is_refused_before_anything_starts(
    tmp_path, args, message, monkeypatch, capsys
):
    out = str(tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["streamlab", "bench", *args, "--out", out])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_however_it_ends_no_process_is_left_and_it_can_go_on(tmp_path, number):
    out, tmp = tmp_path / "out", tmp_path / "tmp"
    tmp.mkdir()
    command = (*("bench", "--consumers", "1", "--seconds", "0.2", "--rate", "none"), "--resume")
    ran = subprocess.Popen(
        [sys.executable, "-m", "streamlab", *command, "--repeats", "4", "--out", str(out)],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    table = out / "runs.csv"
    poll(lambda: table.exists() and len(table.read_text().splitlines()) >= 3, timeout_s=30)
    offspring = poll(lambda: psutil.Process(ran.pid).children(recursive=True))
    ran.send_signal(number)
    said = ran.communicate(timeout=20)[1]
    poll(lambda: not any(child.is_running() for child in offspring), what="the end of all children")
    before = table.read_text().splitlines()
    assert len(before) >= 3
    if number == signal.SIGINT:
        assert ran.returncode == 130
        assert "interrupted" in said
        assert list(tmp.iterdir()) == []
        ran = streamlab(*command, "--repeats", "4", "--out", str(out))
        assert ran.returncode == 0, ran.stderr
        after = table.read_text().splitlines()
        assert after[: len(before)] == before
        assert len(after) == 5
    else:
        ran = streamlab(*command, "--repeats", "5", "--out", str(out))
        assert ran.returncode == 2
        assert "holds results with another settings" in ran.stderr
        assert table.read_text().splitlines() == before
