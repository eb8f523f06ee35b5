"""Ledgers: any text comes back, a SIGKILL takes nothing that was told, nothing is guessed."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import ROOT, poll, run_python

from streamlab.errors import LedgerError
from streamlab.history import Event, Kind, Ledger, TornLine, read_ledgers
from streamlab.history.lines import LINE, to_event, to_line

KILLS = 12
NASTY = "\n\t\0\\\r\x18\x7f\x85\u2028\udcff\ud800\udc00é日\U0001f600 \\n"
# `characters` by itself has surrogates too, unlike `text`.
texts = st.text(st.characters() | st.sampled_from(NASTY))
events = st.builds(
    Event, st.sampled_from(Kind), texts, st.integers(0, 2**64), texts, entry_id=texts, detail=texts
)


def line_of(event):
    return to_line(
        event.kind, event.task_id, event.at_ns, event.actor, event.entry_id, event.detail
    )


def written(path, details):
    """A ledger of effects, and the bytes of each."""
    with Ledger(path) as ledger:
        for detail in details:
            ledger.record(Kind.EFFECT, "task", "w", "1-0", detail)
    return path.read_bytes().splitlines(keepends=True)


@given(events)
@example(Event(Kind.EFFECT, NASTY, 0, NASTY, NASTY, NASTY))
def test_any_event_comes_back_from_one_line_of_printable_ascii(event):
    line = line_of(event)
    assert to_event(LINE.fullmatch(line)) == event
    text = line.decode("ascii").removesuffix("\n")
    assert text.count("\t") == 5
    assert text.replace("\t", "").isprintable()


@given(texts, texts, texts, texts)
def test_what_is_recorded_is_what_is_read(task_id, actor, entry_id, detail):
    with TemporaryDirectory() as folder:
        path = Path(folder, "a")
        before_ns = time.monotonic_ns()
        with Ledger(path) as ledger:
            ledger.record(Kind.RELEASED, task_id, actor, entry_id, detail)
        (event,) = read_ledgers([path])
    assert before_ns <= event.at_ns <= time.monotonic_ns()
    assert event == Event(Kind.RELEASED, task_id, event.at_ns, actor, entry_id, detail)


@pytest.mark.parametrize("char", ["x", "\n", "\\", "\udcff"])
def test_a_text_of_1_mib_comes_back(tmp_path, char):
    text = char * 2**20
    with Ledger(tmp_path / "a") as ledger:
        ledger.record(Kind.EFFECT, text, "w", detail=text)
        ledger.record(Kind.EFFECT, "next", "w")
    first, second = read_ledgers([tmp_path / "a"])
    assert first.task_id == first.detail == text
    assert second.task_id == "next"


def test_a_torn_line_and_the_line_behind_it_are_never_read_as_one():
    """Every beginning of a line, with a line behind it: also when the texts are kinds."""
    for a, b in itertools.product(Kind, Kind):
        torn = to_line(a, str(b), 12, str(a), "", str(b))
        behind = to_line(b, "task", 34, "w", "1-0", "")
        for end in range(1, len(torn)):
            assert not LINE.fullmatch(torn[:end] + behind)


def test_a_file_cut_anywhere_is_read_to_its_last_whole_line_and_the_rest_is_told(tmp_path):
    path = tmp_path / "a"
    lines = written(path, ["first", NASTY, "last"])
    whole, last = b"".join(lines[:2]), lines[2]
    for length in range(1, len(last)):
        path.write_bytes(whole + last[:length])
        torn = []
        assert [e.detail for e in read_ledgers([path], torn)] == ["first", NASTY]
        assert torn == [TornLine(path, len(whole), length)]
        with pytest.raises(LedgerError, match=rf"torn line in ledger .* at byte {len(whole)}: "):
            list(read_ledgers([path]))


def test_a_torn_ledger_is_continued_and_its_torn_line_is_still_told(tmp_path):
    path = tmp_path / "a"
    (line,) = written(path, ["cut"])
    for length in range(1, len(line)):
        path.write_bytes(line[:length])
        written(path, ["next"])
        written(path, ["last"])
        torn = []
        assert [e.detail for e in read_ledgers([path], torn)] == ["next", "last"]
        assert torn == [TornLine(path, 0, length)]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"garbage\n",
        b"\x00" * 4096 + b"\n",
        b"efect\ttask\t1\tw\t\t\n",
        b"effect\ttask\t1\tw\t\n",
        b"effect\ttask\t1\tw\t\t\t\n",
        b"effect\ttask\tnow\tw\t\t\n",
        b"effect\ttask\t\tw\t\t\n",
        b"effect\ttask\t1\tw\t\t\\q\n",
        b"effect\ttask\t1\tw\t\t\\ud80\n",
        b"effect\ttask\t1\tw\t\t\\U00110000\n",
        b"effect\ttask\t1\tw\t\t\xff\n",
        b"effect\ttask\t1\tw\t\ta\rb\n",
        b"effect\ttask\t1\tw\t\t\r\n",
    ],
)
def test_a_line_that_no_ledger_writes_is_an_error_with_its_file_and_number(tmp_path, garbage):
    path = tmp_path / "a"
    lines = written(path, ["1", "2", "3"])
    path.write_bytes(b"".join([*lines[:2], garbage, lines[2]]))
    with pytest.raises(LedgerError, match=r"/a, line 3: .* is no event .*run the experiment again"):
        list(read_ledgers([path], []))


def test_garbage_is_shown_shortened(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 2**20 + b"\n")
    with pytest.raises(LedgerError) as caught:
        list(read_ledgers([tmp_path / "a"]))
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_a_ledger_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(LedgerError, match=r"cannot read ledger .*No such file"):
        list(read_ledgers([tmp_path / "none"]))
    with pytest.raises(LedgerError, match=r"cannot open ledger .*No such file.*folder that exists"):
        Ledger(tmp_path / "none" / "a")
    with pytest.raises(LedgerError, match=r"cannot open ledger .*directory"):
        Ledger(tmp_path)


def test_a_closed_ledger_refuses_an_event_and_closes_again(tmp_path):
    with Ledger(tmp_path / "a") as ledger:
        pass
    ledger.close()
    with pytest.raises(LedgerError, match=r"nothing of an event was written .* before close\(\)"):
        ledger.record(Kind.EFFECT, "task", "w")


def test_a_ledger_is_the_owners_alone(tmp_path):
    Ledger(tmp_path / "a").close()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


FULL = """
import resource, sys
from streamlab.errors import LedgerError
from streamlab.history import Kind, Ledger
ledger = Ledger(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
for number in range(9):
    try:
        ledger.record(Kind.EFFECT, f"task {number}", "w")
        print("told")
    except LedgerError as error:
        print(error)
"""


def test_a_full_disk_is_an_error_at_once_and_tears_one_line_at_most(tmp_path):
    """The limit on a file's size is what a full disk looks like: a short write, then none."""
    path = tmp_path / "a"
    answer = run_python("-c", FULL, str(path))
    said = answer.stdout.splitlines()
    told = said.count("told")
    assert 0 < told < 8, answer.stderr
    assert said[:told] == ["told"] * told
    assert "bytes were written to ledger" in said[told]
    assert all("nothing of an event was written" in line for line in said[told + 1 :])
    torn = []
    assert [e.task_id for e in read_ledgers([path], torn)] == [f"task {n}" for n in range(told)]
    assert len(torn) == 1


def test_threads_may_share_a_ledger(tmp_path):
    path = tmp_path / "a"
    with Ledger(path) as ledger:

        def work(name):
            for number in range(500):
                ledger.record(Kind.EFFECT, f"{name}-{number}", name, detail="x" * number)

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    tasks = {name: [f"{name}-{n}" for n in range(500)] for name in "abcd"}
    read = list(read_ledgers([path]))
    assert {name: [e.task_id for e in read if e.actor == name] for name in "abcd"} == tasks


WRITER = """
import ctypes, mmap, resource, sys
from streamlab.history import Kind, Ledger
with open(sys.argv[2], "r+b") as file:
    told = ctypes.c_uint64.from_buffer(mmap.mmap(file.fileno(), 8))
resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))  # should nobody kill it
ledger = Ledger(sys.argv[1])
while True:
    number = told.value
    ledger.record(Kind.EFFECT, str(number), "w", detail="x" * (number % int(sys.argv[3])))
    told.value = number + 1
"""


def killed_writer(path, told, longest, lives_s):
    """Let a process write until it is killed after `lives_s`; how many events it was told of."""

    def number():
        return int.from_bytes(told.read_bytes(), sys.byteorder)

    before = number()
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(told), str(longest)], cwd=ROOT
    )
    try:
        poll(lambda: number() > before + 10, what="a written event")
        time.sleep(lives_s)  # it is writing now: any moment will do
    finally:
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    return number()


@pytest.mark.parametrize("longest", [1, 5_000, 500_000])
def test_a_sigkill_takes_no_event_that_the_writer_was_told_of(tmp_path, longest):
    torn_lines = 0
    for turn in range(KILLS):
        path, told = tmp_path / f"{turn}", tmp_path / "told"
        told.write_bytes(bytes(8))
        count = killed_writer(path, told, longest, lives_s=0.002 * turn)
        torn = []
        numbers = [int(event.task_id) for event in read_ledgers([path], torn)]
        assert numbers == list(range(len(numbers)))
        # The write of one more may have ended, or begun, when the kill came.
        assert count <= len(numbers) <= count + 1
        assert len(numbers) + len(torn) <= count + 1
        torn_lines += len(torn)
        path.unlink()
    print(f"{torn_lines} of {KILLS} kills tore a line")


def test_a_ledger_continued_after_each_of_many_kills_misses_nothing(tmp_path):
    path, told = tmp_path / "a", tmp_path / "told"
    told.write_bytes(bytes(8))
    for turn in range(KILLS):
        count = killed_writer(path, told, 20_000, lives_s=0.002 * turn)
    torn = []
    numbers = Counter(int(event.task_id) for event in read_ledgers([path], torn))
    assert set(range(count)) <= set(numbers) <= set(range(count + 1))
    # Written and not told, it is written again by the next life; a torn one also.
    assert sum(numbers.values()) - len(numbers) + len(torn) <= KILLS
    print(f"{len(torn)} of {KILLS} kills tore a line")


def test_an_event_is_recorded_in_the_time_of_a_few_bare_writes(tmp_path):
    texts = ("0f8fad5b-d9cb-469f-a165-70867728950e", "consumer-17", "1666886400000-0")
    line = to_line(Kind.EFFECT, texts[0], time.monotonic_ns(), *texts[1:], "")
    file = os.open(tmp_path / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ratios, ours_us = [], []
    with Ledger(tmp_path / "a") as ledger:
        for _ in range(7):
            spent_ns = []
            for act in (lambda: os.write(file, line), lambda: ledger.record(Kind.EFFECT, *texts)):
                started_ns = time.process_time_ns()
                for _ in range(5_000):
                    act()
                spent_ns.append(time.process_time_ns() - started_ns)
            ratios.append(spent_ns[1] / spent_ns[0])
            ours_us.append(spent_ns[1] / 5_000 / 1_000)
    os.close(file)
    print(f"{min(ours_us):.1f} µs an event, {min(ratios):.1f} times a bare write")
    assert min(ratios) < 6


def test_the_room_of_histories_imports_nothing_of_the_queue_nor_redis():
    code = "import sys, streamlab.history; print(*sys.modules)"
    loaded = set(run_python("-c", code).stdout.split())
    assert "streamlab.history.checker" in loaded
    ours = {name.split(".")[1] for name in loaded if name.startswith("streamlab.")}
    assert ours == {"errors", "history"}
    assert not {"redis", "numpy", "pandas"} & loaded
