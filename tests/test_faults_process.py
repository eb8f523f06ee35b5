"""A consumer as a process: each signal does what it says, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid

import psutil
import pytest
from support import ROOT, poll

from streamlab.errors import BadArgumentError, StreamlabError
from streamlab.faults import ConsumerProcess

SLEEP = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.01)"


def python(code: str, *args: str) -> list[str]:
    return [sys.executable, "-c", code, *args]


def exists(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def processes_with(mark: str) -> list[psutil.Process]:
    """Consumers and their guards: the mark is in the arguments of both."""
    return [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


def test_it_is_one_process_without_a_child_of_its_own(tmp_path):
    out = tmp_path / "out"
    with ConsumerProcess(python(SLEEP), stdout=out) as consumer:
        poll(lambda: out.exists() and out.read_text())
        process = psutil.Process(consumer.pid)
        assert process.ppid() == os.getpid()
        assert process.cmdline()[-1] == SLEEP
        assert process.children() == []
        assert os.getsid(consumer.pid) == consumer.pid
        assert consumer.alive
    assert not consumer.alive


def test_arguments_environment_and_output_arrive_as_they_are(tmp_path):
    code = "import os, sys; print(sys.argv[1:], os.environ['WHO'], repr(sys.stdin.read()))"
    out = tmp_path / "out"
    with ConsumerProcess(python(code, "a b", "$HOME", ""), env={"WHO": "me"}, stdout=out) as done:
        assert done.wait(20) == 0
    assert out.read_text() == "['a b', '$HOME', ''] me ''\n"


def test_when_kill_returns_the_process_is_dead():
    with ConsumerProcess(python(SLEEP), name="c1") as consumer:
        pid = consumer.pid
        consumer.kill()
        assert not psutil.pid_exists(pid)
        assert consumer.wait(0) == -signal.SIGKILL
        assert repr(consumer) == f"<ConsumerProcess 'c1', pid {pid}, ended with -9>"
        consumer.kill()  # twice does nothing


def test_a_stopped_process_stands_still_until_it_is_continued(tmp_path):
    out = tmp_path / "out"
    code = "import time\nwhile True:\n print('.', end='', flush=True)\n time.sleep(0.001)"
    with ConsumerProcess(python(code), stdout=out) as consumer:
        poll(lambda: out.exists() and out.stat().st_size > 10)
        consumer.stop()
        size = out.stat().st_size
        assert psutil.Process(consumer.pid).status() == psutil.STATUS_STOPPED
        consumer.stop()  # twice is once
        time.sleep(0.1)
        assert out.stat().st_size == size
        assert consumer.alive
        consumer.cont()
        poll(lambda: out.stat().st_size > size)


def test_a_stopped_process_is_killed_like_any_other():
    mark = uuid.uuid4().hex
    with ConsumerProcess(python(SLEEP, mark)) as consumer:
        consumer.stop()
        pid = consumer.pid
    assert not psutil.pid_exists(pid)
    poll(lambda: not processes_with(mark), what="the end of the guard")


def test_an_error_in_the_context_leaves_no_process():
    mark = uuid.uuid4().hex
    consumer = ConsumerProcess(python(SLEEP, mark))
    with pytest.raises(ZeroDivisionError), consumer:
        _ = 1 / 0
    assert not psutil.pid_exists(consumer.pid)
    poll(lambda: not processes_with(mark))


def test_terminate_lets_the_process_end_as_it_likes(tmp_path):
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\n" + SLEEP
    out = tmp_path / "out"
    with ConsumerProcess(python(code), stdout=out) as consumer:
        poll(lambda: out.exists() and out.read_text())
        consumer.terminate()
        assert consumer.wait(10) == 7
        consumer.terminate()  # too late, and no error: its pid may be anybody's
        consumer.stop()
        consumer.cont()


def test_a_wait_that_is_over_names_the_process_and_what_to_do():
    with (
        ConsumerProcess(python(SLEEP), name="c2") as consumer,
        pytest.raises(StreamlabError, match=r"c2 \(pid \d+\) still runs after 0.05 s: kill\(\) it"),
    ):
        consumer.wait(0.05)


def test_a_restart_is_the_same_program_with_another_pid():
    with ConsumerProcess(python(SLEEP)) as consumer:
        first = consumer.pid
        consumer.restart()
        assert consumer.pid != first
        assert not psutil.pid_exists(first)
        consumer.kill()
        consumer.restart()
        assert consumer.alive
        assert consumer.start() is consumer  # it runs: nothing happens
        assert consumer.alive


def test_the_last_words_are_the_last_line_of_stderr_without_passwords(tmp_path):
    errors = tmp_path / "stderr"
    code = "import sys; sys.exit('first\\nno redis://:secret@127.0.0.1/0')"
    for stderr in (None, errors):
        with ConsumerProcess(python(code), stderr=stderr) as consumer:
            assert consumer.wait(20) == 1
            assert consumer.last_words == "no redis://:***@127.0.0.1/0"
        assert consumer.last_words == "no redis://:***@127.0.0.1/0"
    assert errors.read_text().startswith("first\n")


def test_reading_the_last_words_does_not_move_what_is_written_next(tmp_path):
    code = "import sys, time\nfor i in range(200): print(i, file=sys.stderr); time.sleep(0.001)"
    with ConsumerProcess(python(code), stderr=tmp_path / "e") as consumer:
        while consumer.alive:
            _ = consumer.last_words
    assert (tmp_path / "e").read_text().split() == [str(i) for i in range(200)]


def test_a_program_that_is_not_there_says_so():
    with ConsumerProcess(["/no/such/program"]) as consumer:
        assert consumer.wait(10) == 127
        assert "/no/such/program" in consumer.last_words


def test_a_process_that_was_not_started_has_no_pid():
    consumer = ConsumerProcess(["true"], name="c3")
    assert not consumer.alive
    assert repr(consumer) == "<ConsumerProcess 'c3', not started>"
    for use in (lambda: consumer.pid, consumer.stop, consumer.terminate, lambda: consumer.wait(1)):
        with pytest.raises(StreamlabError, match=r"c3 has not been started: call start\(\)"):
            use()
    consumer.kill()  # there is nothing to kill


@pytest.mark.parametrize("argv", ["python x.py", []])
def test_argv_is_a_list_that_is_not_empty(argv):
    with pytest.raises(BadArgumentError, match="argv must be a program and its arguments, got"):
        ConsumerProcess(argv)


def test_a_kill_from_another_thread_ends_a_wait():
    with ConsumerProcess(python(SLEEP)) as consumer:
        threading.Timer(0.1, consumer.kill).start()
        assert consumer.wait(10) == -signal.SIGKILL


PARENT = f"""
import sys, time
from streamlab.faults import ConsumerProcess
consumers = [ConsumerProcess([sys.executable, "-c", {SLEEP!r}, sys.argv[1]]) for _ in range(2)]
for consumer in consumers:
    consumer.start()
time.sleep(0.3)
consumers[1].stop()
print(*[consumer.pid for consumer in consumers], flush=True)
time.sleep(60)
"""


def test_a_running_and_a_stopped_consumer_end_when_their_parent_is_killed():
    mark = uuid.uuid4().hex
    with subprocess.Popen(python(PARENT, mark), cwd=ROOT, stdout=subprocess.PIPE) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(exists(pid) for pid in pids)
        parent.kill()
    poll(lambda: not any(exists(pid) for pid in pids), what="the end of both")
    poll(lambda: not [p for p in processes_with(mark) if exists(p.pid)])


def test_a_consumer_that_is_forgotten_ends():
    mark = uuid.uuid4().hex
    code = PARENT.replace("time.sleep(60)", "")  # the interpreter just ends
    subprocess.run(python(code, mark), cwd=ROOT, capture_output=True, check=True)
    poll(lambda: not processes_with(mark))
