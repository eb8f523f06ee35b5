"""The checker: each class alone and beside every other, and against an independent oracle."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from streamlab.errors import BadArgumentError, LedgerError
from streamlab.history import Event, Kind, Ledger, TaskClass, TornLine, check, tally
from streamlab.history.lines import to_line

# What was told of a task, and every class that it is in.
STORIES = {
    "done": ("attempted acknowledged delivered effect acked", "attempted acknowledged effects"),
    "lost": ("attempted acknowledged", "attempted acknowledged lost"),
    "lost after it was delivered": (
        "attempted acknowledged delivered released acked",
        "attempted acknowledged lost",
    ),
    "never stored": ("attempted unknown", "attempted unknown"),
    "stored after all": (
        "attempted unknown delivered effect",
        "attempted unknown effects recovered",
    ),
    "its producer was killed": ("attempted", "attempted unknown"),
    "its producer was killed after the XADD": (
        "attempted effect",
        "attempted unknown effects recovered",
    ),
    "refused": ("attempted refused", "attempted refused"),
    "refused before it was sent": ("refused", "attempted refused"),
    "refused twice": ("attempted refused attempted refused", "attempted refused"),
    "refused, then acknowledged": (
        "attempted refused attempted acknowledged effect",
        "attempted acknowledged effects",
    ),
    "refused, and its producer killed at the second attempt": (
        "attempted refused attempted effect",
        "attempted unknown effects recovered",
    ),
    "unknown, then refused": (
        "attempted unknown attempted refused effect",
        "attempted unknown effects recovered",
    ),
    "unknown, then acknowledged": (
        "attempted unknown attempted acknowledged effect",
        "attempted acknowledged effects",
    ),
    "acknowledged twice": (
        "attempted acknowledged attempted acknowledged effect",
        "attempted acknowledged effects",
    ),
    "acknowledged twice and done twice": (
        "attempted acknowledged attempted acknowledged effect effect",
        "attempted acknowledged effects duplicated",
    ),
    "acknowledged twice and lost": (
        "attempted acknowledged attempted acknowledged",
        "attempted acknowledged lost",
    ),
    "done three times": (
        "attempted acknowledged effect effect effect acked",
        "attempted acknowledged effects duplicated",
    ),
    "recovered twice": (
        "attempted unknown effect effect",
        "attempted unknown effects recovered duplicated",
    ),
    "dead": (
        "attempted acknowledged delivered delivered dead-lettered",
        "attempted acknowledged dead_lettered",
    ),
    "dead after an effect": (
        "attempted acknowledged delivered effect dead-lettered",
        "attempted acknowledged effects dead_lettered",
    ),
    "dead though unknown": ("attempted unknown dead-lettered", "attempted unknown dead_lettered"),
    "dead though nobody's": ("dead-lettered", "dead_lettered"),
    "forgotten": (
        "attempted acknowledged delivered server-lost",
        "attempted acknowledged server_lost",
    ),
    "forgotten after its effect": (
        "attempted acknowledged effect server-lost",
        "attempted acknowledged effects",
    ),
    "forgotten after its burial": (
        "attempted acknowledged dead-lettered server-lost",
        "attempted acknowledged dead_lettered",
    ),
    "forgotten once, stuck once": (
        "attempted acknowledged server-lost attempted acknowledged remaining",
        "attempted acknowledged stuck",
    ),
    "forgotten though unknown": ("attempted unknown server-lost", "attempted unknown"),
    "invented": ("delivered effect", "effects unexpected"),
    "invented twice": ("effect effect", "effects unexpected duplicated"),
    "refused and done": ("attempted refused effect", "attempted refused effects unexpected"),
    "stuck": ("attempted acknowledged delivered remaining", "attempted acknowledged stuck"),
    "stuck after its effect": (
        "attempted acknowledged effect remaining",
        "attempted acknowledged effects stuck",
    ),
    "stuck though unknown": ("attempted unknown remaining", "attempted unknown stuck"),
    "stuck though refused": ("attempted refused remaining", "attempted refused stuck"),
    "stuck though nobody's": ("remaining", "stuck"),
    "seen and no more": ("delivered acked", ""),
}
BROKEN = ("lost", "unexpected", "stuck")  # worst first


def write(path, events):
    path.write_bytes(
        b"".join(to_line(e.kind, e.task_id, e.at_ns, e.actor, e.entry_id, e.detail) for e in events)
    )
    return path


def told(names):
    """The events of a task for each of these stories."""
    return [
        Event(Kind(kind), f"task {number}", 1_000 * number + moment, "w")
        for number, name in enumerate(names)
        for moment, kind in enumerate(STORIES[name][0].split())
    ]


def expected(names):
    found = Counter(itertools.chain.from_iterable(STORIES[name][1].split() for name in names))
    return {str(name): found[name] for name in TaskClass}


def counts(verdict):
    return {str(name): count for name, count in verdict.counts.items()}


@pytest.mark.parametrize("name", STORIES)
def test_a_task_is_in_the_classes_of_its_story(tmp_path, name):
    verdict = check([write(tmp_path / "a", told([name]))])
    assert counts(verdict) == expected([name])
    assert verdict.valid == (not {*BROKEN} & {*STORIES[name][1].split()})
    assert (verdict.timeline is None) == verdict.valid


@pytest.mark.parametrize("name", STORIES)
def test_a_tasks_classes_do_not_depend_on_who_tells_first(tmp_path, name):
    events = told([name])
    random.Random(name).shuffle(events)
    paths = [write(tmp_path / f"{n}", [e]) for n, e in enumerate(events)]
    assert counts(check(paths)) == expected([name])


def test_any_two_stories_beside_each_other_are_told_apart(tmp_path):
    for pair in itertools.combinations_with_replacement(STORIES, 2):
        verdict = check([write(tmp_path / "a", told(pair))])
        assert counts(verdict) == expected(pair), pair


def test_all_stories_together_are_told_apart(tmp_path):
    names = list(STORIES) * 3
    events = told(names)
    random.Random(3).shuffle(events)
    paths = [write(tmp_path / f"{n}", events[n::5]) for n in range(5)]
    assert counts(check(paths)) == expected(names)


def test_a_duplicate_breaks_a_history_only_where_effects_have_a_key(tmp_path):
    path = write(tmp_path / "a", told(["done three times", "done"]))
    assert check([path]).valid
    verdict = check([path], expect_exactly_once=True)
    assert not verdict.valid
    assert verdict.timeline.broken is TaskClass.DUPLICATED
    assert verdict.examples[TaskClass.DUPLICATED] == ("task 0",)


def test_a_fault_is_of_no_task(tmp_path):
    fault = Event(Kind.FAULT, "", 1, "nemesis", detail="killed w1")
    verdict = check([write(tmp_path / "a", [fault, *told(["done"]), fault])])
    assert counts(verdict) == expected(["done"])


def test_what_ledgers_record_is_what_the_checker_counts(tmp_path):
    with Ledger(tmp_path / "p") as producer, Ledger(tmp_path / "c") as consumer:
        for task_id in ("a\n", "b\t", "\udcff"):
            producer.record(Kind.ATTEMPTED, task_id, "producer")
            producer.record(Kind.ACKNOWLEDGED, task_id, "producer", "1-0")
        consumer.record(Kind.EFFECT, "a\n", "w", "1-0")
        consumer.record(Kind.REMAINING, "b\t", "w", "1-0")
    verdict = check([tmp_path / "p", str(tmp_path / "c")])
    assert (verdict.acknowledged, verdict.effects, verdict.stuck, verdict.lost) == (3, 1, 1, 1)
    assert verdict.examples[TaskClass.LOST] == ("\udcff",)
    assert verdict.examples[TaskClass.STUCK] == ("b\t",)


def oracle(events):
    """The definitions as sets, of everything at once."""

    def of(kind):
        return {e.task_id for e in events if e.kind is kind}

    def times(kind):
        return Counter(e.task_id for e in events if e.kind is kind)

    acknowledged, effects, dead = of(Kind.ACKNOWLEDGED), of(Kind.EFFECT), of(Kind.DEAD_LETTERED)
    remaining = of(Kind.REMAINING)
    attempts, refusals = times(Kind.ATTEMPTED), times(Kind.REFUSED)
    without_answer = {t for t in attempts if attempts[t] > refusals[t]}
    unknown = (of(Kind.UNKNOWN) | without_answer) - acknowledged
    refused = of(Kind.REFUSED) - acknowledged - unknown
    attempted = of(Kind.ATTEMPTED) | acknowledged | unknown | refused
    vanished = acknowledged - effects - remaining - dead
    return {
        "attempted": attempted,
        "acknowledged": acknowledged,
        "unknown": unknown,
        "refused": refused,
        "effects": effects,
        "recovered": unknown & effects,
        "duplicated": {t for t, n in times(Kind.EFFECT).items() if n >= 2},
        "dead_lettered": dead,
        "server_lost": vanished & of(Kind.SERVER_LOST),
        "lost": vanished - of(Kind.SERVER_LOST),
        "unexpected": effects - (attempted - refused),
        "stuck": remaining,
    }


ids = st.sampled_from(["", "a", "b", "\n", "\\n", "\t", "\0", "\udcff", "é", "日" * 99, "c", "d"])
kinds = st.sampled_from(Kind)


@st.composite
def histories(draw):
    """Events of anything in any order, dealt out to ledgers."""
    told_of = draw(st.lists(st.tuples(kinds, ids, st.integers(0, 50)), min_size=1, max_size=80))
    events = [
        Event(kind, "" if kind is Kind.FAULT else task, at_ns, "w", detail=str(number))
        for number, (kind, task, at_ns) in enumerate(told_of)
    ]
    files = draw(st.integers(1, 4))
    ledgers = [[] for _ in range(files)]
    for one in events:
        ledgers[draw(st.integers(0, files - 1))].append(one)
    return ledgers


def tasks_of(events):
    return [e for e in events if e.kind is not Kind.FAULT]


@given(histories(), st.booleans(), st.sampled_from([0, 400, 1_000, tally.ROOM]))
@settings(deadline=None, max_examples=300)
def test_the_checker_agrees_with_sets(ledgers, exactly_once, room):
    """Also where tasks have so little room that they are checked one at a time."""
    events = tasks_of(itertools.chain.from_iterable(ledgers))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "ROOM", room)
        paths = [write(Path(folder, f"{n}"), told) for n, told in enumerate(ledgers)]
        if not events:
            with pytest.raises(LedgerError, match="an empty history proves nothing"):
                check(paths)
            return
        verdict = check(paths, expect_exactly_once=exactly_once)
        again = check(paths[::-1], expect_exactly_once=exactly_once)
    sets = oracle(events)
    assert counts(verdict) == {name: len(tasks) for name, tasks in sets.items()}
    assert verdict == again  # the order of the ledgers changes nothing, the timeline included
    broken = [*BROKEN, *["duplicated"] * exactly_once]
    assert verdict.valid == (not any(sets[name] for name in broken))
    judge_examples(verdict, sets, Counter(e.task_id for e in events))
    judge_timeline(verdict, sets, broken, events)
    event("valid" if verdict.valid else "not valid")


def judge_examples(verdict, sets, lengths):
    for name, tasks in verdict.examples.items():
        assert set(tasks) <= sets[name]
        assert len(tasks) == min(5, len(sets[name]))
        assert sorted(lengths[t] for t in sets[name])[: len(tasks)] == [lengths[t] for t in tasks]


def judge_timeline(verdict, sets, broken, events):
    """It is of the worst class, the shortest of it, and complete."""
    worst = next((name for name in broken if sets[name]), None)
    if worst is None:
        assert verdict.timeline is None
        return
    timeline = verdict.timeline
    assert timeline.broken == worst
    lengths = Counter(e.task_id for e in events)
    own = tasks_of(timeline.events)
    assert len(own) + timeline.events_left_out == min(lengths[t] for t in sets[worst])
    assert {e.task_id for e in own} == {timeline.task_id} <= sets[worst]
    assert Counter(own) <= Counter(e for e in events if e.task_id == timeline.task_id)
    assert list(timeline.events) == sorted(timeline.events, key=lambda e: e.at_ns)


@given(histories())
@settings(deadline=None)
def test_an_attempted_task_has_one_word_of_its_producer_and_an_acknowledged_one_an_end(ledgers):
    events = tasks_of(itertools.chain.from_iterable(ledgers))
    sets = oracle(events)
    assert sets["attempted"] == sets["acknowledged"] | sets["unknown"] | sets["refused"]
    with TemporaryDirectory() as folder:
        anchor = Event(Kind.ACKNOWLEDGED, "anchor", 0, "w")  # no history is empty
        verdict = check([write(Path(folder, "a"), [*events, anchor])])
    assert verdict.attempted == verdict.acknowledged + verdict.unknown + verdict.refused
    ended = sets["effects"] | sets["stuck"] | sets["dead_lettered"]
    assert verdict.acknowledged == (
        verdict.lost + verdict.server_lost + len(ended & sets["acknowledged"])
    )


def test_torn_lines_are_counted_as_facts_and_as_no_events(tmp_path):
    paths = [write(tmp_path / f"{n}", told(["done", "lost"])) for n in range(2)]
    lengths = [path.stat().st_size for path in paths]
    with paths[1].open("ab") as file:
        file.write(to_line(Kind.EFFECT, "task 1", 1, "w", "", "")[:-1])
    Ledger(paths[1]).close()
    for room in (tally.ROOM, 0):  # one pass, several passes
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tally, "ROOM", room)
            verdict = check(paths[::-1])
        assert verdict.lost == 1
        assert verdict.torn == (TornLine(paths[1], lengths[1], 19),)


def test_garbage_in_a_ledger_is_an_error_never_a_verdict(tmp_path):
    path = write(tmp_path / "a", told(["done"]))
    with path.open("ab") as file:
        file.write(b"garbage\n")
    with pytest.raises(LedgerError, match=r"/a, line 6: b'garbage\\n' is no event"):
        check([path])


def test_a_check_of_nothing_is_an_error(tmp_path):
    with pytest.raises(BadArgumentError, match="at least one ledger, got none"):
        check([])
    with pytest.raises(LedgerError, match="no event of any task in 1 ledgers"):
        check([write(tmp_path / "a", [])])
    with pytest.raises(LedgerError, match="cannot read ledger"):
        check([tmp_path / "none"])


def test_a_ledger_named_twice_is_refused_since_its_effects_would_count_twice(tmp_path):
    path = write(tmp_path / "a", told(["done"]))
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(BadArgumentError, match=r"a ledger once, got .*/a 2 times"):
        check([path, tmp_path / "link"])
