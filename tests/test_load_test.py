"""A load test from a notebook: a process, its progress, its end."""

import json

import pytest
from support import run_python

from streamlab.errors import BadArgumentError, BenchError
from streamlab.measure.folder import Results
from streamlab.view.load_test import load_test

SHELL = """
from IPython.testing.globalipapp import start_ipython
from IPython.utils.capture import RichOutput
import json, sys
shell = start_ipython()
told = []
class Publisher(type(shell.display_pub)):
    def publish(self, data, metadata=None, *, transient=None, update=False, **_):
        told.append([update, data["text/plain"], data["text/html"]])
shell.display_pub = Publisher(shell=shell)
from streamlab.view.load_test import load_test
load_test("bench", "--consumers", "1", "--seconds", "0.2", "--rate", "none", "--repeats", "1",
          "--out", sys.argv[1])
print(json.dumps(told))
"""


def test_a_load_test_tells_how_far_it_has_come_in_one_line_of_the_page(tmp_path):
    ran = run_python("-c", SHELL, str(tmp_path / "<i>out"), timeout_s=60)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert [update for update, *_ in told] == [False] + [True] * (len(told) - 1)
    assert told[0][1] == "load test: begins"
    assert told[-1][1] == "load test: done"
    assert "0%, capacity: 1 consumer, repeat 1" in told[1][1]
    assert all("<i>" not in html for *_, html in told)
    assert len(Results.read(tmp_path / "<i>out").runs) == 1


def test_what_could_not_be_run_is_an_error_with_its_last_words(capsys):
    with pytest.raises(BenchError, match="exit code 2: streamlab: give the folder"):
        load_test("bench", "--seconds", "1")
    assert "ended with an error" in capsys.readouterr().err


def test_a_load_test_of_nothing_is_refused():
    with pytest.raises(BadArgumentError, match="takes the words of a command line, got none"):
        load_test()
