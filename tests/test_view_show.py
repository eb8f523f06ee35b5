"""show(): what is read off a server, and what the picture says about it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from support import ROOT

from streamlab import errors, show
from streamlab.server.capabilities import parse_version
from streamlab.view import snapshot
from streamlab.view.snapshot import read_stream
from streamlab.view.stream import EntryId, State

SVG = "{http://www.w3.org/2000/svg}"


def fill(r, key, number, *, start=1):
    pipe = r.pipeline()
    for n in range(start, start + number):
        pipe.xadd(key, {"data": f"task {n}"}, id=f"{n}-1")
    pipe.execute()


def states(r, key, group=0):
    stream = read_stream(r, key, shown=12)
    return [str(stream.state(stream.groups[group], i)) for i in stream.ids]


class Tags(HTMLParser):
    def __init__(self, html) -> None:
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def drawing(picture):
    """The SVG inside the HTML, as a browser would take it out."""
    html = picture._repr_mimebundle_()["text/html"]
    ((tag, attributes),) = Tags(html).found
    head, _, data = attributes["src"].partition(",")
    assert (tag, head) == ("img", "data:image/svg+xml;charset=utf-8")
    assert attributes["alt"] == picture.alt
    return ET.fromstring(unquote(data.replace("\n", "")))  # noqa: S314 - our own text


def words(picture):
    return [element.text for element in drawing(picture).iter(f"{SVG}text")]


def count(picture, kind):
    return sum(e.get("class") == kind for e in drawing(picture).iter(f"{SVG}rect"))


# -- states ------------------------------------------------------------------------------------


def test_a_key_that_does_not_exist_is_a_picture_that_says_so(r, key):
    picture = show(r, key)
    assert str(picture) == f"stream {key} does not exist"
    assert "no such key: XADD makes it" in words(picture)
    assert r.exists(key) == 0


def test_a_key_of_another_type_is_an_error_that_names_it(r, key):
    r.set(key, "1")
    with pytest.raises(errors.WrongTypeError, match=key):
        show(r, key)


def test_an_empty_stream_shows_its_group_before_the_first_entry(r, key):
    r.xgroup_create(key, "workers", "0", mkstream=True)
    assert states(r, key) == []
    assert {"no entries", "workers", "0 pending", "0-0"} <= set(words(show(r, key)))


def test_a_stream_without_a_group_says_that_nobody_reads_it(r, key):
    fill(r, key, 1)
    assert "no group reads it" in words(show(r, key))
    assert str(show(r, key)).endswith("no group reads it")


def test_each_entry_is_done_pending_or_waiting_in_each_group(r, key):
    fill(r, key, 5)
    r.xgroup_create(key, "a", "0")
    r.xgroup_create(key, "b", "$")
    r.xreadgroup("a", "one", {key: ">"}, count=3)
    r.xack(key, "a", "1-1")
    assert states(r, key, 0) == ["done", "pending", "pending", "waiting", "waiting"]
    assert states(r, key, 1) == ["done"] * 5
    picture = show(r, key)
    # One of each kind stands in the legend.
    assert (count(picture, "pending"), count(picture, "waiting")) == (3, 3)
    assert (count(picture, "done"), count(picture, "entry")) == (7, 5)


def test_an_entry_delivered_to_a_dead_consumer_is_drawn_in_its_hands(r, key):
    fill(r, key, 2)
    r.xgroup_create(key, "workers", "0")
    r.xreadgroup("workers", "dead", {key: ">"}, count=1)
    r.xgroup_createconsumer(key, "workers", "alive")
    seen = words(show(r, key))
    assert seen.count("dead") == 1  # in its cell
    assert "holding: alive 0, dead 1" in seen
    r.xclaim(key, "workers", "alive", 0, ["1-1"])
    assert "holding: alive 1, dead 0" in words(show(r, key))
    assert "delivered 2\N{MULTIPLICATION SIGN}" in words(show(r, key))


def test_the_cursor_stands_after_the_last_delivered_entry(r, key):
    fill(r, key, 4)
    r.xgroup_create(key, "workers", "0")

    def cursor_x():
        (line,) = (
            e for e in drawing(show(r, key)).iter(f"{SVG}line") if e.get("class") == "cursor"
        )
        return float(line.get("x1"))

    def box_x(number):
        boxes = [e for e in drawing(show(r, key)).iter(f"{SVG}rect") if e.get("class") == "entry"]
        return float(boxes[number].get("x"))

    assert cursor_x() < box_x(0)
    r.xreadgroup("workers", "a", {key: ">"}, count=3)
    assert box_x(2) < cursor_x() < box_x(3)


def test_the_idle_bar_climbs_a_step_at_1_s_10_s_1_min_10_min_and_1_h(r, key):
    fill(r, key, 1)
    r.xgroup_create(key, "workers", "0")
    r.xreadgroup("workers", "a", {key: ">"})
    legend = 3
    steps = {500: 0, 1_000: 1, 10_000: 2, 60_000: 3, 600_000: 4, 3_600_000: 5}
    for idle_ms, filled in steps.items():
        r.xclaim(key, "workers", "a", 0, ["1-1"], idle=idle_ms)
        assert count(show(r, key), "on") == filled + legend


# -- what a server cannot tell -----------------------------------------------------------------


def test_a_lag_that_the_server_does_not_know_is_unknown_and_never_0(r, server, key):
    fill(r, key, 5)
    r.xgroup_create(key, "workers", "0")
    r.xreadgroup("workers", "a", {key: ">"}, count=2)
    knows = parse_version(server.version) >= (7, 0)
    assert ("lag 3" if knows else "lag unknown") in words(show(r, key))
    r.xdel(key, "4-1")  # a hole that nobody has read: no server knows the lag now
    assert read_stream(r, key, shown=12).groups[0].lag is None
    assert "lag unknown" in words(show(r, key))
    assert "lag unknown" in str(show(r, key))


def test_a_pending_entry_whose_data_is_gone_keeps_its_place(r, key):
    fill(r, key, 3)
    r.xgroup_create(key, "workers", "0")
    r.xgroup_create(key, "z-later", "0")
    r.xreadgroup("workers", "a", {key: ">"}, count=2)
    r.xdel(key, "2-1")
    stream = read_stream(r, key, shown=12)
    assert stream.gone == (EntryId(2, 1),)
    assert states(r, key, 0) == ["pending", "pending", "waiting"]
    assert stream.state(stream.groups[1], EntryId(2, 1)) is State.ABSENT
    picture = show(r, key)
    assert "data gone" in words(picture)
    assert "2-1  (data gone)" in str(picture)
    assert "2 entries · 1 pending without data · last id 3-1" in words(picture)


def test_an_entry_that_nobody_holds_after_xnack_is_drawn_as_nobodys(newest, key):
    with newest.client() as r:
        fill(r, key, 1)
        r.xgroup_create(key, "workers", "0")
        r.xreadgroup("workers", "a", {key: ">"})
        r.execute_command("XNACK", key, "workers", "FAIL", "IDS", 1, "1-1")
        (pending,) = read_stream(r, key, shown=12).groups[0].pending
        assert (pending.consumer, pending.idle_ms) == (None, None)
        assert "nobody" in words(show(r, key))
        assert "held by nobody" in str(show(r, key))


# -- much of everything ------------------------------------------------------------------------


def test_500_entries_are_a_strip_whose_counts_are_written_out(r, key):
    fill(r, key, 500)
    r.xgroup_create(key, "workers", "0")
    r.xreadgroup("workers", "a", {key: ">"}, count=250)
    r.xack(key, "workers", *[f"{n}-1" for n in range(1, 201)])
    picture = show(r, key)
    assert {"1-1", "500-1", "50 pending", "500 entries · last id 500-1"} <= set(words(picture))
    assert any("201-1 held by a" in word for word in words(picture))
    # 50 of 500 entries are 8 of 80 bars, and they stand right before the cursor, in the middle.
    bars = [e for e in drawing(picture).iter(f"{SVG}rect") if e.get("class") == "pending"][:-1]
    (cursor,) = (e for e in drawing(picture).iter(f"{SVG}line") if e.get("class") == "cursor")
    assert len(bars) == 8
    middle = float(cursor.get("x1"))
    assert all(middle - 70 < float(bar.get("x")) < middle for bar in bars)
    assert len(str(picture).splitlines()) <= 30


@pytest.mark.parametrize("length", [12, 13])
def test_limit_entries_get_a_box_each_and_one_more_makes_a_strip(newest, key, length):
    with newest.client() as r:
        fill(r, key, length)
        boxed = "task 1" in words(show(r, key, limit=12))
        assert boxed == (length == 12)


@pytest.mark.parametrize("limit", [0, 17])
def test_a_limit_out_of_its_bounds_is_an_error(newest, key, limit):
    with newest.client() as r, pytest.raises(errors.BadArgumentError, match=f"got {limit}"):
        show(r, key, limit=limit)


def calls(r):
    stats = r.info("commandstats")
    read = ("xinfo", "xrange", "xrevrange", "xpending")
    known = {k for k in stats if k.removeprefix("cmdstat_").partition("|")[0] in read}
    return sum(stats[k]["calls"] for k in known), set(stats)


def test_a_huge_stream_takes_a_dozen_commands_and_little_memory(r, key):
    pipe = r.pipeline()
    for n in range(1, 30_001):
        pipe.xadd(key, {"data": "x"}, id=f"{n}-1")
    pipe.execute()
    r.xgroup_create(key, "workers", "0")
    r.xreadgroup("workers", "a", {key: ">"}, count=20_000)
    before, _ = calls(r)
    stream = read_stream(r, key, shown=12)
    after, _ = calls(r)
    assert after - before <= 12
    assert (stream.length, len(stream.entries)) == (30_000, 24)
    (group,) = stream.groups
    assert (group.pending_count, len(group.pending)) == (20_000, snapshot.LISTED_PENDING)
    assert stream.state(group, EntryId(1, 1)) is State.PENDING
    assert stream.state(group, EntryId(15_000, 1)) is State.UNLISTED
    assert stream.state(group, EntryId(30_000, 1)) is State.WAITING
    assert any("19,000 more pending in here" in word for word in words(show(r, key)))
    assert len(str(show(r, key)).splitlines()) <= 30


def test_the_pending_entries_of_the_tail_are_known_however_many_lie_before_them(newest, key):
    with newest.client() as r:
        fill(r, key, 3_000)
        r.xgroup_create(key, "workers", "0")
        r.xreadgroup("workers", "a", {key: ">"})
        r.xack(key, "workers", "3000-1")
        stream = read_stream(r, key, shown=12)
        (group,) = stream.groups
        assert stream.state(group, EntryId(2_999, 1)) is State.PENDING
        assert stream.state(group, EntryId(3_000, 1)) is State.DONE
        assert stream.state(group, EntryId(2_000, 1)) is State.UNLISTED


def test_heavy_entries_are_left_unread_beyond_4_mib(newest, key):
    with newest.client() as r:
        pipe = r.pipeline()
        for n in range(1, 21):
            pipe.xadd(key, {"data": "x" * 2**20}, id=f"{n}-1")
        pipe.execute()
        start = int(r.info("stats")["total_net_output_bytes"])
        stream = read_stream(r, key, shown=2)
        sent = int(r.info("stats")["total_net_output_bytes"]) - start
        assert sent < 9 * 2**20  # XINFO sends two, then a head of four and a tail of two
        assert stream.unread is not None
        assert [str(i) for i in stream.ids[-2:]] == ["19-1", "20-1"]


def test_more_than_four_groups_are_counted(newest, key):
    with newest.client() as r:
        fill(r, key, 1)
        for n in range(6):
            r.xgroup_create(key, f"g{n}", "0")
        assert "… and 2 more groups" in words(show(r, key))
        assert str(show(r, key)).endswith("… 2 more groups")


# -- untrusted data ----------------------------------------------------------------------------

HOSTILE = {
    "script": b"<script>alert(1)</script>",
    "quotes": b"\"'><img src=x onerror=alert(1)>&amp;",
    "cdata": b"]]></style></svg><b>",
    "nul": b"a\x00b\x1b[31m\x08",
    "not utf-8": b"\xff\xfe\x80",
    "surrogates": "\ud800".encode(errors="surrogatepass"),
    "backwards": "abc\u202edef".encode(),
    "a mebibyte": b"x" * 2**20,
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_hostile_data_and_names_are_text_in_the_picture_and_nothing_else(newest, key, payload):
    with newest.client() as r, newest.client(decode_responses=False) as raw:
        raw.xadd(key, {b"data": payload}, id="1-1")
        name = payload[:1000]
        raw.xgroup_create(key, name, "0")
        raw.xreadgroup(name, name, {key: ">"})
        picture = show(r, key)  # decode_responses=True would fail on what is not UTF-8
        html = picture._repr_mimebundle_()["text/html"]
        assert len(Tags(html).found) == 1  # the picture: nothing else became a tag
        assert not re.search(r"<(?!img )", html)
        assert len(html) < 20_000
        allowed = {"svg", "title", "desc", "style", "defs", "pattern", "path"}
        allowed |= {"rect", "line", "text", "g"}
        assert {e.tag.removeprefix(SVG) for e in drawing(picture).iter()} == allowed
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", str(picture) + html)


def test_a_hostile_key_is_text_too(newest):
    with newest.client() as r:
        picture = show(r, b"<script>\x00\xff</script>")
        assert "<script" not in picture._repr_mimebundle_()["text/html"]
        assert drawing(picture) is not None


@pytest.mark.parametrize(
    "options",
    [{}, {"decode_responses": False}, {"protocol": 2}, {"protocol": 3}],
    ids=str,
)
def test_every_kind_of_client_gives_the_same_picture(server, r, key, options):
    fill(r, key, 3)
    r.xgroup_create(key, "workers", "0")
    r.xreadgroup("workers", "a", {key: ">"}, count=2)
    with server.client(**options) as client:
        assert masked(str(show(client, key))) == masked(str(show(r, key)))


# -- stored in a notebook ----------------------------------------------------------------------


def masked(text):
    from nbval.plugin import get_sanitize_patterns

    rules = get_sanitize_patterns((ROOT / "tests/nbval-sanitize.cfg").read_text())
    assert len(rules) == 4
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize("length", [3, 40])
def test_with_the_sanitize_file_only_idle_times_may_differ_between_runs(newest, key, length):
    with newest.client() as r:
        fill(r, key, length)
        r.xgroup_create(key, "workers", "0")
        r.xreadgroup("workers", "a", {key: ">"}, count=2)
        r.xclaim(key, "workers", "a", 0, ["1-1"], idle=500, retrycount=1)
        soon = show(r, key)._repr_mimebundle_()
        r.xclaim(key, "workers", "a", 0, ["1-1"], idle=7_200_000, retrycount=1)
        late = show(r, key)._repr_mimebundle_()
        r.xack(key, "workers", "2-1")
        other = show(r, key)._repr_mimebundle_()
        for kind in ("text/html", "text/plain"):
            assert soon[kind] != late[kind]
            assert masked(soon[kind]) == masked(late[kind])
            assert masked(other[kind]) != masked(late[kind])


def test_show_changes_nothing_on_the_server(newest, key):
    with newest.client() as r:
        fill(r, key, 3)
        r.xgroup_create(key, "workers", "0")
        r.xreadgroup("workers", "a", {key: ">"}, count=1)
        r.config_resetstat()
        before = r.xinfo_stream(key, full=True)["groups"][0]["pending"]
        show(r, key)
        assert r.xinfo_stream(key, full=True)["groups"][0]["pending"] == before
        _, names = calls(r)
        sent = {n.removeprefix("cmdstat_").partition("|")[0] for n in names}
        assert sent - {"hello", "client", "config", "info"} == {"xinfo", "xrange", "xpending"}
