"""The book is whole: a server is asked for all there is, and each of it is run by some lesson."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from redis import ResponseError
from store_outputs import NOTEBOOKS
from support import NEWEST, ROOT, VERSIONS

from streamlab.book.__main__ import tables
from streamlab.book.coverage import FORMS, command_items, failure_items, python_items
from streamlab.book.grammar import stream_commands
from streamlab.book.index import commands_summary, failures_table, link, replaced
from streamlab.book.lessons import Lesson, read_lesson, read_lessons
from streamlab.book.pages import MAP, PAGES, map_page, question_page
from streamlab.book.questions import Level, Theme, parse, questions
from streamlab.errors import BadArgumentError, ServerError, StreamlabError
from streamlab.server import RedisServer, found_redis
from streamlab.server.capabilities import parse_version


@pytest.fixture(scope="module")
def grammar(newest):
    return stream_commands(newest.cli())


@pytest.fixture(scope="module")
def lessons():
    return read_lessons(NOTEBOOKS)


@pytest.fixture(scope="module")
def items(lessons, grammar):
    return command_items(lessons, grammar)


def a_lesson(*cells, path="1-commands/x.ipynb", headings=()):  # noqa: ANN002
    return Lesson(path, "X", tuple(headings), tuple(cells))


# -- nothing is missing ------------------------------------------------------------------------


def test_every_command_every_option_and_every_special_id_is_run_by_a_lesson(items):
    assert len([item for item in items if item.option is None]) >= 28
    missing = [(item.command, item.option) for item in items if item.lesson is None]
    assert missing == []


def test_every_method_and_parameter_of_redis_py_for_streams_is_used_by_a_lesson(lessons):
    assert [what for what, used in python_items(lessons).items() if not used] == []


def test_every_failure_is_shown_by_a_lesson_and_proved_by_a_test(lessons):
    failures = failure_items(lessons, ROOT / "tests")
    assert len(failures) == 60
    assert [f.id for f in failures if not f.lesson] == []
    assert [f.id for f in failures if not f.proofs] == []


def field_names(reply):
    """The names in a reply of XINFO, at any depth, as RESP3 tells them."""
    if isinstance(reply, dict):
        for name, value in reply.items():
            yield name
            yield from field_names(value)
    elif isinstance(reply, list):
        for value in reply:
            yield from field_names(value)


def test_every_field_of_a_reply_is_seen_in_an_output(newest, lessons, key):
    with newest.client(protocol=3, legacy_responses=False) as r:
        r.xadd(key, {"task": "1"}, id="1-1")
        r.xgroup_create(key, "workers", id="0")
        r.xreadgroup("workers", "ann", {key: ">"})
        asked = [("STREAM", key), ("STREAM", key, "FULL"), ("GROUPS", key)]
        asked.append(("CONSUMERS", key, "workers"))
        replies = [r.execute_command("XINFO", *words) for words in asked]
    fields = {name for reply in replies for name in field_names(reply)} - {"task"}
    assert {"iids-duplicates", "nacked-count", "active-time", "inactive"} <= fields
    seen = "\n".join(lesson.output for lesson in lessons if lesson.path.startswith("1-commands/"))
    assert [f for f in sorted(fields) if not re.search(rf"""["']{re.escape(f)}["']""", seen)] == []


OTHERS = sorted({b.version for b in found_redis()} - {NEWEST}, key=parse_version)


@pytest.mark.parametrize("version", [v for v in OTHERS if parse_version(v) >= (7, 0)])
def test_an_older_server_knows_the_options_that_the_map_says_it_has(version, items):
    with RedisServer(version) as server:
        older = stream_commands(server.cli())
    forms = {(form.command, form.shown) for form in FORMS}
    expected = {
        (item.command, item.option)
        for item in items
        if parse_version(item.since) <= parse_version(version)
    } - forms
    has = {(c.name, token) for c in older.values() for token in (None, *c.tokens)}
    assert has == expected


def test_a_form_of_id_is_refused_before_the_version_that_the_map_tells(key):
    calls = {
        ("XADD", "ms-*"): ("XADD", key, "5-*", "task", "1"),
        ("XREAD", "+"): ("XREAD", "STREAMS", key, "+"),
        ("XREADGROUP", ">"): ("XREADGROUP", "GROUP", "workers", "ann", "STREAMS", key, ">"),
        ("XRANGE", "("): ("XRANGE", key, "(1-1", "+"),
        ("XREVRANGE", "("): ("XREVRANGE", key, "+", "(1-1"),
    }
    since = {(form.command, form.shown): form.since for form in FORMS}
    for version in VERSIONS:
        with RedisServer(version) as server, server.client() as r:
            r.xgroup_create(key, "workers", mkstream=True)
            for form, words in calls.items():
                young = parse_version(server.version) < parse_version(since[form])
                refused = pytest.raises(ResponseError, match="Invalid stream ID")
                with refused if young else nullcontext():
                    r.execute_command(*words)


# -- what is generated is current --------------------------------------------------------------


def test_the_tables_of_the_notebooks_readme_are_those_of_today():
    readme = (NOTEBOOKS / "README.md").read_text()
    assert tables(readme, NOTEBOOKS, ROOT / "tests") == readme, "run: make book"
    assert "**missing**" not in readme


def sources(notebook):
    return [(cell.cell_type, cell.id, cell.source) for cell in notebook.cells]


def stored(path):
    import nbformat

    return nbformat.read(NOTEBOOKS / path, as_version=4)


def test_the_map_of_commands_is_that_of_today(items):
    assert sources(stored(MAP)) == sources(map_page(items)), "run: make book"


@pytest.mark.parametrize("level", Level)
def test_a_page_of_questions_is_made_from_the_file_of_questions(level):
    pages, asked = questions()
    page = next(page for page in pages if page.level == level)
    made = question_page(page, asked)
    assert sources(stored(PAGES[level])) == sources(made), "run: make book"
    assert stored(PAGES[level]).metadata == made.metadata


# -- the questions -----------------------------------------------------------------------------


def test_there_are_forty_questions_in_every_theme_and_twenty_eight_are_proved_by_running():
    _, asked = questions()
    assert len(asked) >= 40
    assert sum(bool(q.proof) for q in asked) >= 28
    assert {q.theme for q in asked} == set(Theme)
    for level in Level:
        assert sum(q.level == level for q in asked) >= 12


def test_a_proof_asserts_and_an_answer_is_short_enough_to_be_said():
    _, asked = questions()
    for question in asked:
        if question.proof:
            assert re.search(r"^\s*assert ", "\n".join(question.proof), re.MULTILINE), question.id
        assert 20 <= len(question.answer.split()) <= 170, question.id
        assert question.follow_up.endswith("?"), question.id


GOOD = """
page = []
[[question]]
id = "one-question"
level = "junior"
theme = "concepts"
ask = "a?"
answer = "b"
follow_up = "c?"
follow_up_answer = "d"
heard = "e"
because = "f"
"""


def test_a_question_has_the_fields_that_the_file_gives_it():
    _, (question,) = parse(GOOD + 'proof = ["assert 1"]\nneeds = "8.4"')
    assert (question.level, question.theme) == (Level.JUNIOR, Theme.CONCEPTS)
    assert (question.proof, question.needs, question.keys) == (("assert 1",), "8.4", ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace('heard = "e"', ""), r"'one-question': heard missing"),
        (GOOD + "hard = 1", r"'one-question': hard missing, or no field"),
        (GOOD.replace("one-question", "One"), r"lower-case words joined by hyphens, got 'One'"),
        (GOOD.replace("junior", "expert"), r"'one-question': 'expert' is not a valid Level"),
        (GOOD + GOOD.replace("page = []", ""), r"id 'one-question' stands in two questions"),
    ],
)
def test_a_question_that_is_not_whole_is_refused_by_name(text, told):
    with pytest.raises(BadArgumentError, match=told):
        parse(text)


# -- how it is counted -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("XADD k * a b", {"*"}),
        ("XADD k NOMKSTREAM MAXLEN ~ 10 LIMIT 5 1-1 a b", {"NOMKSTREAM", "MAXLEN", "~", "LIMIT"}),
        ("XADD k MAXLEN = 10 ACKED 1-1 a b", {"MAXLEN", "=", "ACKED"}),
        ("XADD k 1-1 COUNT 5", set()),
        ("XCLAIM k g c 0 1-1 2-1 JUSTID IDLE 5", {"JUSTID", "IDLE"}),
        ("XREAD count 1 BLOCK 0 STREAMS a b 0 $", {"COUNT", "BLOCK", "STREAMS"}),
        ("XPENDING k g", set()),
        ("XPENDING k g IDLE 5 - + 10 c", {"IDLE"}),
        ("XADD k 1-1 a", None),
        ("XACK k g", None),
    ],
)
def test_a_line_uses_the_options_that_the_server_would_see_in_it(grammar, line, tokens):
    name, *words = line.split()
    assert grammar[name].used(words) == tokens


def test_what_the_server_refused_and_what_never_ran_counts_for_nothing(grammar, tmp_path):
    refused = "redis> XLEN k\n(error) WRONGTYPE …\nredis> XDEL k 1-1\n(integer) 1\n"
    lesson = a_lesson(
        ("%%redis\nXLEN k\nXDEL k 1-1", refused),
        ("%redis XACK k g 1-1", "(error) NOGROUP"),
        ("%%needs 8.2\n%redis XTRIM k MAXLEN 1", "(integer) 0"),
        ("%%needs 8.2\n%%redis\nXRANGE k - +", "needs Redis ≥ 8.2, this one is 6.2.14: not run"),
    )
    assert list(lesson.lines()) == ["XDEL k 1-1", "XTRIM k MAXLEN 1"]
    shown = {(i.command, i.option) for i in command_items([lesson], grammar) if i.lesson}
    assert shown == {("XDEL", None), ("XTRIM", None), ("XTRIM", "MAXLEN")}
    path = tmp_path / "unrun.ipynb"
    path.write_text(
        '{"cells": [{"cell_type": "markdown", "source": "# Unrun"}, {"cell_type": "code",'
        ' "source": "%redis XLEN k", "execution_count": null, "outputs": []}]}'
    )
    assert list(read_lesson(path, tmp_path).lines()) == []


def test_a_call_of_redis_py_counts_with_the_parameters_that_it_gives():
    lesson = a_lesson(("%%needs 8.6\nr.xadd('k', {'a': 1}, maxlen=5)\nr.xack('k', 'g', *ids)", ""))
    used = {what for what, is_used in python_items([lesson]).items() if is_used}
    assert used == {
        *(("xadd", name) for name in (None, "name", "fields", "maxlen")),
        *(("xack", name) for name in (None, "name", "groupname", "ids")),
    }


def test_the_lesson_of_a_command_is_that_of_the_commands_which_uses_it_most(grammar):
    once = ("%redis XLEN k", "(integer) 0")
    little = a_lesson(once, path="1-commands/01-a.ipynb")
    much = a_lesson(once, once, path="1-commands/02-b.ipynb")
    elsewhere = a_lesson(once, once, once, path="2-failures/01-c.ipynb")
    found = command_items([little, much, elsewhere], grammar)
    assert {i.lesson for i in found if i.command == "XLEN"} == {"1-commands/02-b.ipynb"}


def test_what_is_missing_is_called_missing(grammar, tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_x.py").write_text('@pytest.mark.failure("F02")\ndef test_it(): ...')
    lesson = a_lesson(headings=["Gone (F01)", "Twice (F02)"], path="2-failures/01-c.ipynb")
    failures = failure_items([lesson], tests)
    table = failures_table(failures)
    assert "1 of 60" in table
    assert "| F01 | Gone | [2.01](2-failures/01-c.ipynb) | **missing** |" in table
    assert "| F02 | Twice | [2.01](2-failures/01-c.ipynb) | [x](../tests/test_x.py) |" in table
    assert "| F03 |  | **missing** | **missing** |" in table
    assert commands_summary(command_items([], grammar), {}).startswith("0 of 28 commands, 0 of ")


def test_a_link_leads_from_the_page_that_it_stands_on():
    path = "1-commands/08-claim.ipynb"
    assert link(path) == "[1.08](1-commands/08-claim.ipynb)"
    assert link(path, within="1-commands") == "[1.08](08-claim.ipynb)"
    assert link(path, within="2-failures") == "[1.08](../1-commands/08-claim.ipynb)"


def test_marks_that_are_missing_or_double_are_an_error():
    assert replaced("a\n<!-- t -->\nold\n<!-- /t -->\n", "t", "new").count("new") == 1
    for page in ("", "<!-- t -->\nx\n<!-- /t -->\n" * 2):
        with pytest.raises(ValueError, match="want one"):
            replaced(page, "t", "new")


def test_a_server_that_has_no_grammar_and_a_file_that_is_no_notebook_are_errors(oldest, tmp_path):
    with pytest.raises(ServerError, match=r"Redis >= 7\.0"):
        stream_commands(oldest.cli())
    bad = tmp_path / "bad.ipynb"
    bad.write_text("{}")
    with pytest.raises(StreamlabError, match=r"bad\.ipynb is no notebook"):
        read_lesson(bad, tmp_path)
    bad.write_text('{"cells": []}')
    with pytest.raises(StreamlabError, match=r"bad\.ipynb has no title"):
        read_lesson(bad, tmp_path)
