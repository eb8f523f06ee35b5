"""Locust's web page: its form has our options, and the live page has the figures of the end."""

from __future__ import annotations

import json
import re
import signal
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from support import poll
from test_locust import COUNTS, fetched, nothing_left, start  # noqa: F401 - a fixture

from streamlab.server.conf import free_port

USERS = {"user_count": 5, "spawn_rate": 5, "host": ""}


@pytest.fixture
def web():
    port = free_port()
    ran = start("--web-port", str(port), "--loglevel", "WARNING", "--slo-p99-ms", "5000")
    url = f"http://127.0.0.1:{port}"

    def post(path, **fields: object):
        return json.loads(fetched(url + path, urlencode(fields).encode()))

    def figures():
        return json.loads(fetched(f"{url}/streamlab.json"))

    def ended():
        ran.send_signal(signal.SIGTERM)
        out = ran.communicate(timeout=30)[0]
        assert "Traceback" not in out, out
        return out

    page = poll(lambda: fetched(url), timeout_s=30, what="the web page")
    return SimpleNamespace(
        page=page,
        get=lambda path: fetched(url + path),
        figures=figures,
        swarm=lambda **fields: post("/swarm", **USERS | fields),
        stop=lambda: post("/stop"),
        sent=lambda: figures().get("counts", {"sent": 0})["sent"],
        ended=ended,
    )


def test_the_form_has_the_options_says_what_is_wrong_and_its_values_reach_the_users(web):
    form = json.loads(re.search(r"window.templateArgs = (.*)", web.page).group(1))["extra_options"]
    assert form["shape"]["choices"] == ["none", "steps", "ramp", "spike", "soak"]
    assert form["noack"]["default_value"] is False
    assert form["slo_tail_ms"]["default_value"] == 5000
    assert {"task_rate", "schedule", "seed", "payload_bytes", "maxlen", "count", "block_ms"} <= {
        *form
    }
    assert {"ack_batch", "groups", "work_ms", "work_shape", "clock"} <= {*form}
    assert "hdr" not in form
    for fields, text in (
        ({"task_rate": "fast"}, "task_rate must be a number, got 'fast': give for example 200"),
        ({"slo_tail_ms": "-1"}, "slo_tail_ms must be a number in 0.0..3600000.0, got -1.0: give"),
        ({"shape": "saw"}, "shape must be one of none, steps, ramp, spike, soak, got 'saw'"),
        ({"groups": "5"}, "users must be > groups"),
        ({"streamlab_stream": "mine"}, "streamlab_stream is no field of this form"),
    ):
        answer = web.swarm(**fields)
        assert answer["success"] is False
        assert text in answer["message"]
    assert web.figures()["test"] is None

    fields = dict.fromkeys(form, "") | {name: one["default_value"] for name, one in form.items()}
    fields = {name: "" if value is None else value for name, value in fields.items()}
    fields |= {"noack": "true", "groups": 2, "task_rate": 300, "payload_bytes": 700}
    assert web.swarm(**fields | {"shape": "steps", "shape_seconds": 1.5})["success"]
    poll(lambda: web.sent() > 100, what="a hundred tasks")
    answer = web.swarm(task_rate=10)
    assert "a test that runs keeps its settings" in answer["message"]
    told = poll(lambda: (f := web.figures())["ended"] and f, what="the end of the shape")
    assert told["counts"] == {"sent": 270, "done": 540} | dict.fromkeys(
        ("twice", "lost", "pending", "unread"), 0
    )
    assert [group["done"] for group in told["groups"]] == [270, 270]
    assert [stage["name"] for stage in told["stages"]][:2] == ["step 1, 60/s", "step 2, 120/s"]


def test_the_live_page_has_the_figures_of_the_end_beside_locusts_rounded_ones(web):
    assert "No test has run yet" in web.get("/streamlab")
    assert web.swarm(user_count=3, task_rate=200)["success"]
    seen = poll(lambda: web.sent() > 150 and web.figures(), what="150 tasks")
    assert seen["counts"]["lost"] is seen["verdict"] is None
    assert 150 < seen["rate"]["now_per_s"] < 250
    assert seen["latency"][0]["p50_us"] % 1000  # microseconds, and not rounded ones
    tab = json.loads(web.get("/stats/requests"))["extended_stats"][0]
    assert [row["name"] for row in tab["data"]] == ["from due", "from sent", "Locust, rounded"]
    web.stop()
    told = web.figures()
    assert told["ended"]
    page = web.get("/streamlab")
    again = web.figures()
    assert again == told
    out = web.ended()
    names = ("sent", "done", "twice", "lost", "pending", "unread")
    printed = [int(number) for number in COUNTS.search(out).groups()]
    assert [told["counts"][name] for name in names] == printed
    assert printed[0] == printed[1] > 150
    for row in told["latency"]:
        cells = [row[name] for name in ("tasks", "p50_us", "p90_us", "p99_us", "max_us")]
        words = " +".join("-" if cell is None else str(cell) for cell in cells)
        assert re.search(f"^{row['name']} +{words}$", out, re.MULTILINE), out
        shown = f"{row['p50_us']:,}".replace(",", "\u202f")
        assert f"<td>{row['name']}</td>" in page
        assert f"<td>{shown}</td>" in page
    assert told["verdict"] in out
    assert told["verdict"] in page.replace("&lt;", "<")
