"""The shell's door: help, answers, errors of one line, exit codes."""

from __future__ import annotations

import json
import statistics
import time

import pytest
from support import NEWEST, effects, run_python, streamlab, worker_process

from streamlab import TaskQueue

COMMANDS = [
    ["doctor"],
    ["redis", "install"],
    ["redis", "list"],
    ["redis", "path"],
    ["worker"],
    ["bench"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command):
    answer = streamlab(*command, "--help")
    assert answer.returncode == 0
    assert f"Example: streamlab {' '.join(command)}" in " ".join(answer.stdout.split())


def test_help_comes_within_half_a_second():
    times_s = []
    for _ in range(5):
        started = time.perf_counter()
        answer = streamlab("--help")
        times_s.append(time.perf_counter() - started)
        assert answer.returncode == 0
    print(f"streamlab --help: median {statistics.median(times_s):.3f} s")
    assert min(times_s) <= 0.5  # the machine may be busy; the command is not


def test_help_imports_neither_redis_nor_pandas():
    answer = run_python(
        "-c",
        "import sys; sys.argv = ['streamlab', '--help']\n"
        "from streamlab.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'redis', 'pandas', 'numpy', 'matplotlib', 'locust'} & set(sys.modules))",
    )
    assert answer.stdout.endswith("set()\n"), answer.stdout + answer.stderr


def test_version_is_the_packages():
    from streamlab import __version__

    assert streamlab("--version").stdout == f"streamlab {__version__}\n"


def test_redis_path_names_the_server_that_would_start():
    assert streamlab("redis", "path", NEWEST).stdout.strip().endswith("redis-server")


def test_redis_list_says_what_is_here_and_what_can_be_installed():
    answer = json.loads(streamlab("redis", "list", "--json").stdout)
    found = {binary["version"] for binary in answer["found"]}
    assert NEWEST in found
    assert not found & set(answer["installable"])
    assert NEWEST in streamlab("redis", "list").stdout


def test_redis_install_of_an_installed_version_is_quick_and_says_where():
    answer = streamlab("redis", "install")
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"Redis {NEWEST} is in ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["redis", "install", "9.9"], "version must be one of 8.10.2"),
        (["redis", "path", "9.9"], "no redis-server of version 9.9 found"),
        (["redis", "path", "new"], "version must be numbers and dots"),
        (["worker", "handlers:no", "--url", "unix:///nowhere", "--stream", "s"], "handlers:no"),
        (["worker", "os:sep", "--url", "unix:///nowhere", "--stream", "s"], "must be callable"),
        (
            ["worker", "os:getpid", "--url", "redis://:pa55word@127.0.0.1:9/0", "--stream", "s"],
            "start it",
        ),
        (["bench", "--consumers", "0", "--out", "x"], "consumers must be a whole number in 1..64"),
        (["bench", "--consumers", "one", "--out", "x"], "consumers must be whole numbers"),
        (["bench", "--rate", "fast", "--out", "x"], "rate must be 'auto', 'none' or"),
    ],
)
def test_an_error_is_one_line_with_exit_code_2(arguments, words, tmp_path):
    answer = streamlab(*arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert answer.stderr.startswith("streamlab: ")
    assert answer.stderr.count("\n") == 1
    assert "Traceback" not in answer.stderr
    assert "pa55word" not in answer.stderr + answer.stdout
    assert list(tmp_path.iterdir()) == []


def test_worker_serves_a_stream_with_a_function_of_ones_own(server, r, key):
    TaskQueue(r, key, group="mine").enqueue_many("abc")
    options = ("--group", "mine", "--max-tasks", "3")
    with worker_process(server, key, "record", *options) as process:
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(out)["done"] == 3
    assert effects(r, key) == ["a", "b", "c"]


def test_worker_needs_a_url_and_says_so():
    answer = streamlab("worker", "handlers:record", "--stream", "s")
    assert answer.returncode == 2
    assert "--url" in answer.stderr


def test_doctor_is_content_here_and_its_json_is_the_same_story():
    answer = streamlab("doctor", "--json")
    assert answer.returncode == 0, answer.stdout
    assert NEWEST in json.dumps(json.loads(answer.stdout))
    assert NEWEST in streamlab("doctor").stdout
