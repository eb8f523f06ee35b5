"""A task and its fields on the wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.errors import BadArgumentError, PayloadError
from streamlab.queue import Task

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)


@given(texts)
def test_text_is_sent_as_it_is(text):
    task = Task.of(text)
    assert task.fields()["data"] == text
    assert Task.from_entry("1-1", task.fields()) == task.at("1-1")


@given(values)
def test_anything_json_can_say_comes_back_as_it_was(value):
    task = Task.of(value)
    assert Task.from_entry("1-1", task.fields()).json() == value


def test_the_fields_are_the_articles():
    assert list(Task.of("x").fields()) == ["task_id", "data", "created_at"]


def test_ids_are_unique_unless_chosen():
    assert len({Task.of("x").task_id for _ in range(1000)}) == 1000
    assert Task.of("x", "mine").task_id == "mine"


@pytest.mark.parametrize("data", [object(), {1, 2}, b"bytes", float("nan"), "\ud800"])
def test_data_that_cannot_be_sent_is_refused(data):
    with pytest.raises(BadArgumentError, match="data must be text"):
        Task.of(data)


@pytest.mark.parametrize("task_id", ["", 7, b"x", "\ud800"])
def test_a_task_id_that_is_no_text_is_refused(task_id):
    with pytest.raises(BadArgumentError, match=r"task_id must be text"):
        Task.of("x", task_id)


@pytest.mark.parametrize("missing", ["task_id", "data", "created_at"])
def test_an_entry_without_a_field_is_no_task_and_the_error_names_it(missing):
    fields = Task.of("x").fields()
    del fields[missing]
    with pytest.raises(PayloadError, match=f"entry 1-1 has no field '{missing}'"):
        Task.from_entry("1-1", fields)


def test_a_created_at_that_is_no_number_is_shown_shortened():
    fields = Task.of("x").fields() | {"created_at": "<script>" * 100}
    with pytest.raises(PayloadError, match="created_at must be seconds") as caught:
        Task.from_entry("1-1", fields)
    assert len(str(caught.value)) < 150


def test_reading_text_as_json_says_which_task_is_not():
    with pytest.raises(PayloadError, match="the data of task mine is not JSON"):
        Task.of("Process this data: 1", "mine").json()
    assert Task.of(json.dumps([1])).json() == [1]
