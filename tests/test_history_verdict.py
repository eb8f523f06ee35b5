"""The verdict to the letter: its table, the shortest story of a broken task, the replay line."""

from __future__ import annotations

import json
import random

import pytest

from streamlab.history import Event, Kind, TaskClass, check
from streamlab.history.lines import to_line
from streamlab.history.timeline import MOST_EVENTS, MOST_FAULTS, shown

MS = 1_000_000
T0 = 7_000 * MS


def write(path, events):
    path.write_bytes(
        b"".join(to_line(e.kind, e.task_id, e.at_ns, e.actor, e.entry_id, e.detail) for e in events)
    )
    return path


def at(ms, kind, actor, entry_id="", detail="", task="task-1"):
    task = "" if kind is Kind.FAULT else task
    return Event(kind, task, T0 + round(ms * MS), actor, entry_id, detail)


LOST = [
    at(0, Kind.ATTEMPTED, "producer"),
    at(0.25, Kind.ACKNOWLEDGED, "producer", "1-0"),
    at(2, Kind.DELIVERED, "w1", "1-0", "1st delivery"),
    at(1_003.5, Kind.ACKED, "w2", "1-0"),
]
DONE = [
    at(5, Kind.ATTEMPTED, "producer", task="task-2"),
    at(6, Kind.ACKNOWLEDGED, "producer", "2-0", task="task-2"),
    at(7, Kind.EFFECT, "w1", "2-0", task="task-2"),
    at(8, Kind.EFFECT, "w2", "2-0", task="task-2"),
]
FAULTS = [
    at(-1, Kind.FAULT, "nemesis", detail="paused the server"),
    at(2.5, Kind.FAULT, "nemesis", detail="killed w1"),
    at(1_004, Kind.FAULT, "nemesis", detail="restarted the server"),
]

EXPECTED = """\
not valid: 1 lost

attempted      2  the producer sent it
acknowledged   2  XADD's reply came
unknown        0  XADD's reply did not come; it may be stored
refused        0  definitely not stored
effects        1  the handler did its work
recovered      0  unknown, and its effect was seen
duplicated     1  its effect was seen more than once
dead-lettered  0  moved to the dead-letter stream
server-lost    0  acknowledged, then forgotten by the server
lost           1  acknowledged, and nothing became of it; must be 0
unexpected     0  an effect of what was never stored; must be 0
stuck          0  pending or unread after the quiet time; must be 0

seed 42
lost: task-1

the shortest timeline: task task-1 is lost
      0.000 ms  producer  attempted
      0.250 ms  producer  acknowledged  1-0
      2.000 ms  w1        delivered     1-0  1st delivery
      2.500 ms  nemesis   fault              killed w1
  1,003.500 ms  w2        acked         1-0
  1,004.000 ms  nemesis   fault              restarted the server

replay: streamlab chaos --seed 42"""


def test_a_history_that_is_not_valid_prints_counts_seed_story_and_replay_line(tmp_path):
    paths = [write(tmp_path / n, told) for n, told in (("p", LOST), ("w", DONE), ("n", FAULTS))]
    verdict = check(paths, seed=42, replay="streamlab chaos --seed 42")
    assert str(verdict) == EXPECTED == "\n".join(verdict.lines())
    assert verdict.table() == EXPECTED.splitlines()[2:14]


def test_a_valid_history_prints_its_counts_and_seed_only(tmp_path):
    verdict = check([write(tmp_path / "a", DONE)], seed=0, replay="again")
    lines = verdict.lines()
    assert lines[0] == "valid: no task is lost, unexpected or stuck"
    assert lines[-1] == "seed 0"
    assert len(lines) == 16


def test_a_history_without_an_acknowledged_task_says_that_it_shows_little(tmp_path):
    verdict = check([write(tmp_path / "a", LOST[:1])])
    assert verdict.valid
    assert verdict.lines()[0] == "valid, and it shows little: no task was acknowledged"
    assert "seed" not in str(verdict)


def test_where_effects_have_a_key_a_duplicate_is_told_like_a_loss(tmp_path):
    verdict = check([write(tmp_path / "a", DONE)], expect_exactly_once=True)
    text = str(verdict)
    assert text.startswith("not valid: 1 duplicated\n")
    assert "duplicated     1  its effect was seen more than once; must be 0" in text
    assert "the shortest timeline: task task-2 is duplicated" in text


def test_the_story_of_a_task_with_an_end_leaves_out_the_faults_after_it(tmp_path):
    stuck = [*LOST[:2], at(3, Kind.REMAINING, "server", "1-0")]
    verdict = check([write(tmp_path / "a", [*FAULTS, *stuck])])
    details = [e.detail for e in verdict.timeline.events if e.kind is Kind.FAULT]
    assert details == ["killed w1"]


@pytest.mark.parametrize("seed", range(5))
def test_of_many_faults_the_nearest_are_told_and_the_others_counted(tmp_path, seed):
    events = [at(0, Kind.ATTEMPTED, "p"), at(1_000, Kind.ACKNOWLEDGED, "p")]
    faults = [at(ms + 0.5, Kind.FAULT, "nemesis", detail=str(ms)) for ms in range(3_000)]
    random.Random(seed).shuffle(faults)
    verdict = check([write(tmp_path / "n", faults), write(tmp_path / "p", events)])
    told = [int(e.detail) for e in verdict.timeline.events if e.kind is Kind.FAULT]
    # 0.5, 1.5, 2.5, 3.5 ms behind the first; as far before the last and behind it; one of two
    # that are equally far.
    assert len(told) == MOST_FAULTS == 10
    assert told == [0, 1, 2, 3, 997, 998, 999, 1_000, 1_001, 1_002]
    assert verdict.timeline.faults_left_out == 2_990
    assert "  … 2,990 more faults, farther from its events" in verdict.lines()


@pytest.mark.parametrize("seed", range(5))
def test_of_a_long_story_its_beginning_and_its_end_are_told(tmp_path, seed):
    events = [at(ms, Kind.DELIVERED, f"w{ms}", "1-0") for ms in range(3_000)]
    random.Random(seed).shuffle(events)
    events.append(at(3_000, Kind.REMAINING, "server"))
    timeline = check([write(tmp_path / "a", events)]).timeline
    told_ms = [(event.at_ns - T0) // MS for event in timeline.events]
    half = MOST_EVENTS // 2
    assert told_ms == [*range(half), *range(3_001 - half, 3_001)]
    assert timeline.events_left_out == 3_001 - MOST_EVENTS
    assert "  … 2,961 more of its events, from the middle" in timeline.lines()


def test_events_of_one_moment_are_told_by_cause(tmp_path):
    events = [at(0, kind, "x") for kind in reversed(Kind) if kind is not Kind.FAULT]
    timeline = check([write(tmp_path / "a", events)]).timeline
    assert [event.kind for event in timeline.events] == [*Kind][:-1]


def test_torn_lines_are_in_the_table_and_their_places_behind_it(tmp_path):
    paths = [write(tmp_path / f"{n}", DONE) for n in range(7)]
    for path in paths:
        with path.open("ab") as file:
            file.write(b"effect\tta")
    lines = check(paths).lines()
    assert (
        "torn lines     7  the writer was killed within its write; counted as not written" in lines
    )
    places = [line for line in lines if line.startswith("torn: ")]
    assert len(places) == 5
    assert all(line.endswith(": 9 bytes without an end") for line in places)


def test_ids_and_details_are_shown_escaped_and_shortened_and_kept_whole_for_programs(tmp_path):
    evil = "\x1b[2J\n\u202e" + "x" * 2**20
    events = [at(0, Kind.REMAINING, evil, evil, evil, task=evil)]
    verdict = check([write(tmp_path / "a", events)])
    lines = verdict.lines()
    assert all(line.isprintable() and len(line) < 400 for line in lines)
    assert r"\x1b[2J\n\u202exxx" in str(verdict)
    again = json.loads(json.dumps(verdict.as_dict()))
    assert again["examples"]["stuck"] == [evil]
    assert again["timeline"]["events"][0]["detail"] == evil


@pytest.mark.parametrize(
    ("text", "most", "as_shown"),
    [
        ("", 5, ""),
        ("abcde", 5, "abcde"),
        ("abcdef", 5, "ab…ef"),
        ("abcdefg", 6, "ab…efg"),
        ("a\tb\0\x1b\x7f", 9, r"a\tb\x00\x1b\x7f"),
        ("\udcff\u200f", 9, r"\udcff\u200f"),
        ("\\n", 9, r"\\n"),
        ("é日本", 9, "é日本"),
    ],
)
def test_what_does_not_print_is_escaped_and_a_long_text_loses_its_middle(text, most, as_shown):
    assert shown(text, most) == as_shown


def test_a_verdict_for_programs_is_json_and_says_all_that_the_text_says(tmp_path):
    path = write(tmp_path / "a", [*LOST, *DONE, *FAULTS])
    with path.open("ab") as file:
        file.write(b"effect")
    verdict = check([path], seed=42, replay="again")
    told = json.loads(json.dumps(verdict.as_dict()))
    timeline = told.pop("timeline")
    assert (timeline["task_id"], timeline["broken"]) == ("task-1", "lost")
    assert len(timeline["events"]) == 6
    assert timeline["events"][1] == {
        "kind": "acknowledged",
        "task_id": "task-1",
        "at_ns": T0 + MS // 4,
        "actor": "producer",
        "entry_id": "1-0",
        "detail": "",
    }
    (torn,) = told.pop("torn")
    assert torn == {"path": str(path), "offset": path.stat().st_size - 6, "length": 6}
    assert told == {
        "valid": False,
        **{str(name): verdict.counts[name] for name in TaskClass},
        "examples": {"lost": ["task-1"], "unexpected": [], "stuck": [], "duplicated": ["task-2"]},
        "exactly_once_expected": False,
        "seed": 42,
        "replay": "again",
    }


def test_five_tasks_of_a_class_are_named_and_more_are_hinted_at(tmp_path):
    events = [at(0, Kind.REMAINING, "server", task=f"task-{n}") for n in range(7)]
    verdict = check([write(tmp_path / "a", events)])
    assert "stuck: task-0, task-1, task-2, task-3, task-4, …" in verdict.lines()
