"""The report, from folders made of arithmetic: what it shows, what it says, what it must not do."""

from __future__ import annotations

import html
import os
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from made_results import Folder, lived, write_latencies

from streamlab.errors import BenchError
from streamlab.load.settings import Load
from streamlab.measure.details import Details
from streamlab.measure.folder import DETAILS, HDR, RUNS, Results, RunsCsv
from streamlab.measure.runs import Mode
from streamlab.report import charts
from streamlab.report.charts import CHARTS, caption, drawn, figure, look, marks, words
from streamlab.report.charts.look import GREEN, HOLLOW, Pen
from streamlab.report.page import write_report
from streamlab.report.series import parts_of
from streamlab.report.words import answer

COUNTS = (1, 2, 4, 8, 16, 32)
HOSTILE = '"><script>alert(1)</script><img src=x onerror=y> $\\frac{'
FLOOR = {
    "rate_per_s": 500.0,
    "bare_p50_us": [114.0, 181.0, 123.0],
    "harness_p50_us": [154.0, 223.0, 162.0],
    "p50_ratios": [1.351, 1.232, 1.317],
    "bare_per_s": [8733.3, 10077.5, 8965.1],
    "harness_per_s": [39718.8, 36401.5, 28648.4],
    "throughput_ratios": [4.548, 3.612, 3.196],
}


def case_of(count):
    return f"{count} consumer{'s' * (count > 1)}"


def usl(count):
    return 900 * count / (1 + 0.03 * (count - 1) + 0.004 * count * (count - 1))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder that has something for every chart, and an invalid run in most of them."""
    folder = Folder(
        tmp_path_factory.mktemp("report") / "whole",
        list(CHARTS),
        map(case_of, COUNTS),
        floor=FLOOR,
        command="streamlab bench --consumers 1,2",
    )
    for count in COUNTS:
        load, case = Load(consumers=count, work_ms=0), case_of(count)
        each = [usl(count) * off for off in (0.98, 1.0, 1.01)]
        folder.add(Mode.CAPACITY, case, each, load=load, seconds=1.0, server_task_us=9.0)
        for off, reason in ((0.9, ""), (1.2, "saturated: the backlog grew by 90 of 500 tasks")):
            folder.add(
                Mode.SEARCH, case, [off * usl(count)], column="rate_per_s", load=load, reason=reason
            )
    two = Load(consumers=2, work_ms=0)
    folder.add(Mode.CAPACITY, case_of(8), [2000], load=replace(two, consumers=8), reason="3 lost")
    for count in (1, 2):
        folder.latency(case_of(count), replace(two, consumers=count))
    folder.latency(case_of(1), replace(two, consumers=1), seconds=1.0, repeat=2)  # too few samples
    for share in (0.2, 0.8):
        folder.latency(case_of(2), two, share * 2000, seconds=2.8, share=share)
    folder.latency("a stall", Load(work_ms=0), seconds=4.0, stall=(3.0, 4.0), kills=(2.0,))
    for size, us in ((100, 40), (1_000, 41), (10_000, 400)):
        for repeat in (1, 2, 3):
            more = {"repeat": repeat, "p99_us": 2 * us, "server_task_us": us / 10}
            folder.add(Mode.COMMAND, f"XPENDING {size:,}", [us + repeat], column="p50_us", **more)
    more = {"p99_us": 90, "reason": "too few samples: 7 of the 1000 that a p99 needs"}
    folder.add(Mode.COMMAND, "XPENDING 1,000", [50], column="p50_us", **more)
    return folder


@pytest.fixture(scope="module")
def page(whole):
    return write_report(whole.results).read_text()


def hollow_points(figure):
    """How many hollow markers are drawn in the axes: keys of the legend are not among them."""
    lines = [line for axes in figure.axes for line in axes.lines]
    hollow = [line for line in lines if line.get_markerfacecolor() == HOLLOW]
    return sum(len(line.get_xdata()) for line in hollow if line.get_marker() not in ("", "None"))


# -- figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHARTS)
def test_each_chart_is_drawn_from_the_folder_and_is_no_wider_than_a_page(whole, page, name):
    assert f'<section id="{name}">' in page
    data = (whole.path / f"{name}.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") <= 7.2 * 144
    assert b"Software" not in data


def test_the_same_folder_gives_the_same_bytes(whole, page):
    names = [path.name for path in whole.path.glob("*.png")]
    before = {name: (whole.path / name).read_bytes() for name in names}
    assert set(names) == {f"{name}.png" for name in CHARTS}
    assert write_report(whole.results).read_text() == page
    assert {name: (whole.path / name).read_bytes() for name in names} == before


@pytest.mark.parametrize("name", CHARTS)
def test_a_charts_words_are_made_of_its_data(whole, tmp_path, name):
    """Figures three times as large, timelines and histograms of another run: other words."""
    copy = shutil.copytree(whole.path, tmp_path / "copy")
    wanted = ("_per_s", "_us")
    with RunsCsv(copy / RUNS) as table:
        runs, table.runs = table.runs, []
    (copy / RUNS).unlink()
    with RunsCsv(copy / RUNS) as table:
        for run in runs:
            columns = [c for c in run.__slots__ if c.endswith(wanted) and getattr(run, c)]
            table.write(replace(run, **{c: 3 * getattr(run, c) for c in columns}))
    seen = lived(Load(work_ms=7), 300.0, 4.0, stall=(2.0, 2.5))
    for path in (copy / HDR).iterdir():
        write_latencies(path, seen)
    for path in (copy / DETAILS).iterdir():
        Details.of(seen).write(path)
    before, after = words(name, whole.results), words(name, Results.read(copy))
    assert before != after
    assert re.search(r"\d", before)
    assert before.endswith(".")


@pytest.mark.parametrize(
    ("name", "invalid", "of"),
    [("capacity", 1, 19), ("cases_capacity", 1, 19), ("latency", 2, 3), ("commands", 2, 10)],
)
def test_an_invalid_run_is_hollow_and_counted_in_the_caption(whole, name, invalid, of):
    """A latency run has a hollow p50 and p90, a command a hollow p50 and p99."""
    results = whole.results
    assert hollow_points(figure(name, results)) == invalid
    assert re.search(rf"\b1 of {of} runs is invalid", caption(name, results))
    assert "Reason: " in caption(name, results)


def test_what_a_search_did_not_hold_is_hollow_and_counted(whole):
    results = whole.results
    assert hollow_points(figure("search", results)) == len(COUNTS)
    assert "6 of 12 runs did not hold their rate" in caption("search", results)
    assert "saturated: the backlog grew by 90 of 500" in caption("search", results)


def test_an_invalid_runs_curve_and_bar_are_hollow(tmp_path):
    load = Load(work_ms=0)
    folder = Folder(tmp_path / "f", ["percentiles"]).latency("short", load, seconds=1.0)
    folder.latency("long", load)
    drawing = figure("percentiles", folder.results)
    assert hollow_points(drawing) > 0
    bars = figure("budget", folder.results).axes[0].patches
    assert [bar.get_facecolor()[:3] == (1, 1, 1) for bar in bars] == [True] * 5 + [False] * 5
    assert "short (invalid runs only)" in words("budget", folder.results)


def test_of_a_saturated_run_no_percentile_is_shown(tmp_path):
    """Not even a hollow one: it says how long the run was, and nothing else."""
    folder = Folder(tmp_path / "f", ["percentiles"]).latency("full", Load(work_ms=5))
    (run,) = folder.results.runs
    assert run.reason.startswith("saturated")
    assert folder.results.histograms(run)
    for name in ("percentiles", "naive", "latency", "cases_latency", "budget"):
        assert drawn(name, folder.results) is None, name


def test_without_runs_for_it_there_is_no_chart_and_the_page_says_so(tmp_path):
    folder = Folder(tmp_path / "f", list(CHARTS))
    (folder.path / "load.png").write_bytes(b"of an earlier time")
    results = folder.results
    assert [drawn(name, results) for name in CHARTS] == [None] * len(CHARTS)
    with pytest.raises(BenchError, match=r"nothing to draw for 'capacity' in .* no runs"):
        figure("capacity", results)
    page = write_report(results).read_text()
    assert "<img" not in page
    assert "Not drawn, since no run has what it shows: Capacity against consumers" in page
    assert "Nothing was measured yet." in page
    assert not list(folder.path.glob("*.png"))


@pytest.mark.parametrize("ask", [figure, words, caption])
def test_a_chart_that_is_not_known_names_those_that_are(whole, ask):
    with pytest.raises(BenchError, match="no chart is called 'capacty': choose one of capacity, "):
        ask("capacty", whole.results)


def test_a_timeline_of_ones_own_choice(whole):
    results = whole.results
    run = next(run for run in results.runs if run.share == 0.8)
    assert charts.timeline(results, run, run).axes[0].get_title(loc="left") == "2 consumers"
    with pytest.raises(BenchError, match="no timeline was kept of 1 consumer: "):
        charts.timeline(results, results.of(Mode.CAPACITY)[0])


def test_fewer_than_six_counts_make_no_law(whole, tmp_path):
    folder = Folder(tmp_path / "f", ["capacity"])
    for count in COUNTS[:5]:
        load = Load(consumers=count)
        folder.add(Mode.CAPACITY, case_of(count), [usl(count)], load=load)
    assert "No scaling law: it takes 6 numbers" in caption("capacity", folder.results)
    assert "and there are 5." in caption("capacity", folder.results)
    assert "Universal Scalability Law" in caption("capacity", whole.results)
    assert "Beyond about 16 consumers (N*" in words("capacity", whole.results)


def test_many_cases_with_long_names_do_not_break_a_figure(tmp_path):
    names = [f"case {i} with a name that no sensible person would give it" for i in range(20)]
    folder = Folder(tmp_path / "f", ["cases_capacity"], names)
    for at, name in enumerate(names, 1):
        folder.add(Mode.CAPACITY, name, [100.0 * at])
    drawing = figure("cases_capacity", folder.results)
    (axes,) = drawing.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert max(len(line) for label in labels for line in label.split("\n")) <= 26
    drawing.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0
    text = words("cases_capacity", folder.results)
    assert text.startswith("Throughput of 20 cases, from 100 tasks/s (case 0 with")


@pytest.mark.parametrize(
    ("case", "parts"),
    [
        ("XPENDING 1,000", ("XPENDING", 1000)),
        ("COUNT=10", ("COUNT", 10)),
        ("10k", ("all", 10_000)),
        ("MAXLEN ~ 1e6", ("MAXLEN ~", 1e6)),
        ("no trimming", None),
    ],
)
def test_a_case_that_ends_in_a_number_is_a_point_of_a_line(case, parts):
    assert parts_of(case) == parts


# -- the answer ----------------------------------------------------------------------------------


def answer_to(tmp_path, charts, calls):
    folder = Folder(tmp_path / "f", charts)
    for mode, case, values, more in calls:
        folder.add(mode, case, values, **more)
    return answer(folder.results)


def of(count):
    return {"load": Load(consumers=count)}


def test_the_answer_names_the_most_and_how_many_are_enough(whole):
    found = answer(whole.results)
    assert found[0].startswith("16 consumers finished 5,9")
    assert "times what 1 consumer did (interval 6." in found[0]
    assert "contention, \N{GREEK SMALL LETTER SIGMA}, interval" in found[1]
    assert "Beyond about 16 consumers (N*, interval" in found[1]
    assert found[2].startswith("At 500 tasks/s for all, with ")
    assert found[3].startswith("At 80 % of their own capacity, 2 consumers (1,600 tasks/s) had")
    assert "3 of 35 runs are invalid" in found[-1]


def test_enough_is_what_comes_within_five_percent(tmp_path):
    per_s = {1: [1000.0] * 3, 2: [1960.0] * 3, 4: [2000.0] * 3}
    calls = [(Mode.CAPACITY, case_of(n), x, of(n)) for n, x in per_s.items()]
    first, law, trust = answer_to(tmp_path, ["capacity"], calls)
    assert first == (
        "4 consumers finished 2,000 tasks/s (interval 2,000 to 2,000), 2 times what 1 consumer did "
        "(interval 2 to 2); 2 come within 5 % of that."
    )
    assert law.startswith("No scaling law: it takes 6 numbers of consumers")
    assert trust == "All 9 runs passed every check."


def test_what_these_runs_cannot_tell_apart_is_said(tmp_path):
    calls = [
        (Mode.CAPACITY, case_of(1), [900.0, 1000.0, 1100.0], of(1)),
        (Mode.CAPACITY, case_of(2), [950.0, 1010.0, 1080.0], of(2)),
    ]
    assert "these runs cannot tell the two apart" in answer_to(tmp_path, ["capacity"], calls)[0]


def test_of_cases_the_best_and_the_worst_are_told_with_their_ratio(tmp_path):
    found = answer_to(
        tmp_path,
        ["cases_capacity"],
        [
            (Mode.CAPACITY, "COUNT 1", [1000.0, 1010.0, 1020.0], {}),
            (Mode.CAPACITY, "COUNT 10", [1500.0, 1510.0, 1520.0], {}),
            (Mode.CAPACITY, "COUNT 100", [3000.0, 3030.0, 3060.0], {}),
            (Mode.CAPACITY, "COUNT 1000", [9999.0], {"reason": "1 lost"}),
        ],
    )
    assert found[0] == (
        "Best: COUNT 100 finished 3,030 tasks/s. Worst: COUNT 1 1,010 tasks/s; 3 times apart "
        "(interval 2.94 to 3.06)."
    )
    assert found[1] == "1 of 10 runs is invalid and counts for nothing. Reason: 1 lost."


def test_cases_whose_intervals_overlap_are_not_ranked(tmp_path):
    found = answer_to(
        tmp_path,
        ["cases_capacity"],
        [
            (Mode.CAPACITY, "a", [900.0, 1000.0, 1100.0], {}),
            (Mode.CAPACITY, "b", [950.0, 1010.0, 1080.0], {}),
        ],
    )
    assert "; cannot tell: 1.01 times apart (interval " in found[0]


def test_a_saturated_folder_tells_no_latency(tmp_path):
    more = {"reason": "saturated: the backlog grew by 9 of 10 tasks"}
    found = answer_to(tmp_path, ["latency"], [(Mode.LATENCY, "1 consumer", [500.0], more)])
    assert found[0].startswith("No latency can be told: in every latency run the backlog grew")
    assert found[1].startswith("No run can be trusted. Reason: saturated: ")


def test_a_folder_without_a_valid_run_says_nothing_but_why(tmp_path):
    more = {"reason": "3 lost", "lost": 3}
    found = answer_to(tmp_path, ["capacity"], [(Mode.CAPACITY, "1 consumer", [900.0], more)])
    assert found == ["No run can be trusted. Reason: 3 lost. 3 tasks were lost."]


def test_lines_of_commands_are_told_from_end_to_end(whole):
    (told,) = answer_of_commands = [
        text
        for text in answer_for(whole, ["commands"])
        if text.startswith("XPENDING took 42 µs at 100 and 402 µs at 10,000: 9.57 times as long")
    ]
    assert len(answer_of_commands) == 1
    assert "interval" in told


def test_of_many_lines_those_that_grow_most_are_told(tmp_path):
    folder = Folder(tmp_path / "f", ["commands"])
    for times in range(1, 8):
        for size in (10, 1000):
            us = 50 * (times if size == 1000 else 1)
            folder.add(Mode.COMMAND, f"C{times}: {size}", [us] * 3, column="p50_us")
    found = answer(folder.results)
    assert [text.split()[0] for text in found] == ["C4", "C5", "C6", "C7", "Of", "All"]
    assert found[4] == "Of 3 others none grew more than 3 times."


def test_a_long_reason_is_cut_in_a_sentence_and_whole_in_the_table(tmp_path):
    reason = "consumer-1 ended with exit code 1 (" + "a long story, " * 30 + "the end)"
    folder = Folder(tmp_path / "f", ["capacity"]).add(Mode.CAPACITY, "a", [9.0], reason=reason)
    assert answer(folder.results)[0].endswith(" ….")
    assert len(caption("capacity", folder.results)) < 900
    assert f"not valid: {reason}" in write_report(folder.results).read_text()


def answer_for(folder, charts):
    results = folder.results
    return answer(Results(results.path, results.runs, results.manifest | {"charts": charts}))


def test_a_stall_is_told_by_what_a_naive_benchmark_would_have_said(tmp_path):
    folder = Folder(tmp_path / "f", ["naive"])
    for repeat in (1, 2, 3):
        folder.latency("stall", Load(work_ms=0), seconds=4.0, stall=(3.0, 4.0), repeat=repeat)
    told = next(text for text in answer(folder.results) if text.startswith("Counted from the send"))
    assert re.search(r"stall: [\d.]+ ms instead of 9\d\d ms, [\d.,]+ times too small", told)
    assert "p99 " in words("naive", folder.results)


# -- the page ------------------------------------------------------------------------------------


def test_the_page_needs_nothing_from_elsewhere(page):
    targets = re.findall(r"""(?:src|href|srcset|action|data|poster)\s*=\s*["']([^"']*)""", page)
    assert all(target.startswith(("data:image/png;base64,", "#")) for target in targets)
    assert len(targets) == len(CHARTS)
    assert not re.search(r"<script|<link|<iframe|url\(|@import|javascript:| on[a-z]+=", page)


def test_every_image_has_the_words_of_its_data(whole, page):
    alts = [html.unescape(alt) for alt in re.findall(r'<img [^>]*alt="([^"]*)"', page)]
    assert alts == [words(name, whole.results) for name in CHARTS]


def test_the_page_has_the_answer_first_then_figures_tables_and_the_command(whole, page):
    text = html.unescape(page).replace("\xa0", " ")
    parts = [
        "What is it?",
        answer(whole.results)[0],
        "<figure>",
        "Latency budget",
        "Every run",
        "The harness's own share",
        "What others published",
        "What to keep in mind",
        "Measured on",
        "How to repeat it",
        "streamlab bench --consumers 1,2",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "the median latency was 162 µs with the package's queue and worker, and 123 µs" in text


def test_an_invalid_run_is_marked_in_the_table_with_its_reason(page):
    assert "not valid: 3 lost</td>" in page
    assert page.count('<tr class="invalid why">') == 9
    assert "Show all" not in page


def test_more_than_sixty_runs_are_folded(tmp_path):
    folder = Folder(tmp_path / "f", []).add(Mode.CAPACITY, "a", [float(n) for n in range(61)])
    assert (
        "<details><summary>Show all 61 runs</summary>" in write_report(folder.results).read_text()
    )


def test_published_figures_stand_beside_the_readers_own(tmp_path, page):
    assert "2,323, 5,128 and 4,132 tasks/s" in page
    assert "900 with 1 consumer" in page
    assert "14,500 calls a second and core" in page
    assert "not measured here: no valid run reads 100 at once" in page
    folder = Folder(tmp_path / "f", []).latency("a", Load(count=100, work_ms=1))
    page = write_report(folder.results).read_text()
    assert "20,000 calls a second by the server's own time, 50 µs each" in html.unescape(page)
    assert page.count("not measured here") == 5


def test_whatever_comes_from_data_is_escaped(tmp_path):
    facts = dict.fromkeys(("question", "axis", "command", "experiment", "git_revision"), HOSTILE)
    folder = Folder(tmp_path / "f", list(CHARTS), [HOSTILE], caveats=[HOSTILE], **facts)
    folder.add(Mode.CAPACITY, HOSTILE, [10.0, 20.0])
    folder.add(Mode.COMMAND, HOSTILE, [5], column="p50_us")
    folder.add(Mode.CAPACITY, HOSTILE, [30.0], reason=HOSTILE)
    folder.latency(HOSTILE, Load(work_ms=0), kills=(2.0,))
    page = write_report(folder.results).read_text()
    assert "<script" not in page
    assert "onerror=y>" not in page
    assert page.count(html.escape(HOSTILE)) > 10


def test_a_tiny_study_and_a_server_of_the_readers_are_named_in_the_caveats(tmp_path):
    server = {"owner": "the reader's own (STREAMLAB_REDIS_URL)"}
    folder = Folder(tmp_path / "f", [], settings={"size": "tiny"}, server=server)
    page = html.unescape(write_report(folder.add(Mode.CAPACITY, "a", [9.0]).results).read_text())
    assert "The size was tiny" in page
    assert "The server is the reader's own" in page
    assert "share one host" not in page
    assert "no difference here is proven" in page


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_fits_the_window_and_shows_every_image(whole, page, theme, width):
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        reason = f"none of {', '.join(names)} is on PATH: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    assert page
    size = {"width": width, "height": 900}
    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--no-proxy-server"]
        browser = playwright.chromium.launch(executable_path=chromium, args=quiet)
        try:
            shown = browser.new_page(viewport=size, color_scheme=theme)
            shown.goto(Path(whole.path / "report.html").as_uri())
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
            assert shown.evaluate(broken) == 0
            paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (paper == "rgb(255, 255, 255)") == (theme == "light")
        finally:
            browser.close()


def test_a_legend_of_long_names_in_capitals_stays_within_its_figure():
    own, _ = look.canvas(2.0)
    names = [f"XREADGROUP CLAIM {n}" for n in range(9)]
    marks.legend(own, [marks.key(Pen(name, GREEN, "o")) for name in names])
    (key,) = own.legends
    own.canvas.draw()
    assert key.get_window_extent().x1 <= own.bbox.x1
    assert key._ncols > 1
