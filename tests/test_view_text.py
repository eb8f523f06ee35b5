"""The plain text of a picture, to the letter, and the small words it is made of."""

from __future__ import annotations

import re
import sys

import pytest
from support import run_python

from streamlab import show
from streamlab.view.words import idle_text, printable, shorten, shorten_id, shorten_name, width

EXPECTED = """\
stream {key} · 3 entries · 1 pending without data · last id 4-1

id   data         audit  workers
1-1  task 1       ✓      ✓
2-1  (data gone)         pending: b
3-1  task 3       ✓      pending: a ◀
4-1  task 4 日本  ✓ ◀    not delivered
✓ acknowledged, or skipped because the group began later

◀ audit: delivered up to 4-1 · 0 pending · lag 0
  no consumers yet
◀ workers: delivered up to 3-1 · 2 pending · lag 1
  holding: a 1, b 1
  2-1  held by b  delivered 12{x}  idle TIME
  3-1  held by a  delivered 1{x}  idle TIME"""


def test_the_text_of_a_small_stream_is_a_table_and_then_each_groups_line(newest, key):
    with newest.client() as r:
        for n in range(1, 5):
            r.xadd(key, {"task_id": "x", "data": f"task {n}" + " 日本" * (n == 4)}, id=f"{n}-1")
        r.xgroup_create(key, "workers", "0")
        r.xgroup_create(key, "audit", "$")
        r.xreadgroup("workers", "a", {key: ">"}, count=3)
        r.xack(key, "workers", "1-1")
        r.xclaim(key, "workers", "b", 0, ["2-1"], retrycount=12)
        r.xdel(key, "2-1")
        text = str(show(r, key))
    masked = re.sub(r"idle [\d.]+ (ms|s|min|h|d)$", "idle TIME", text, flags=re.MULTILINE)
    assert masked == EXPECTED.format(key=key, x="\N{MULTIPLICATION SIGN}")


@pytest.mark.parametrize(
    ("idle_ms", "text"),
    [
        (0, "idle 0 ms"),
        (999, "idle 999 ms"),
        (1_000, "idle 1.0 s"),
        (1_299, "idle 1.2 s"),
        (9_999, "idle 9.9 s"),
        (10_000, "idle 10 s"),
        (59_999, "idle 59 s"),
        (60_000, "idle 1 min"),
        (3_600_000, "idle 1 h"),
        (86_400_000, "idle 1 d"),
    ],
)
def test_an_idle_time_is_a_number_and_a_unit_rounded_down(idle_ms, text):
    assert idle_text(idle_ms) == text


def test_what_is_too_long_is_shortened_where_it_matters_least():
    assert (shorten("abcdef", 6), shorten("abcdef", 4), shorten("abc", 0)) == ("abcdef", "abc…", "")
    assert shorten("日本語", 4) == "日…"
    assert shorten_id("1718000000123-0", 7) == "…0123-0"
    assert shorten_name("worker-17", 6) == "wo…-17"
    assert width("日本e\u0301") == 5


def test_bytes_become_one_printable_line():
    assert printable(b"a\x00b\nc") == "a\ufffdb\ufffdc"
    assert printable(b"\xff") == "\\xff"
    assert len(printable(b"x" * 2**20)) == 80
    # A character cut in two by the bound on bytes is beyond what is shown.
    assert printable("é".encode() * 500) == "é" * 79 + "…"


def test_importing_the_view_imports_neither_redis_nor_pandas_nor_matplotlib():
    code = "import sys, streamlab.view; print(*sys.modules)"
    loaded = set(run_python("-c", code).stdout.split())
    assert "streamlab.view.picture" in loaded
    assert not {"redis", "pandas", "matplotlib", "IPython"} & loaded, sys.version
