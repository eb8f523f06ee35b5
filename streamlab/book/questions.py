"""The interview questions as data: one file, from which notebooks (and later a quiz) are made."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from streamlab.errors import BadArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Level(StrEnum):
    """Who is asked."""

    JUNIOR = "junior"
    MID = "mid"
    SENIOR = "senior"


class Theme(StrEnum):
    """What is asked about, in the order of a page."""

    CONCEPTS = "concepts"
    GUARANTEES = "guarantees"
    FAILURES = "failures"
    SCALING = "scaling and sharding"
    MEMORY = "memory"
    DURABILITY = "durability"
    OTHERS = "against Kafka, RabbitMQ, lists and Pub/Sub"
    DESIGN = "design"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question, with what an interviewer wants to hear, and what is often heard instead.

    All texts are Markdown.

    Attributes
    ----------
    id
        Lower-case words joined by hyphens; unique.
    ask, answer
        The question, and the answer in at most 120 words or so.
    follow_up, follow_up_answer
        What a good interviewer asks next, and the answer to that.
    heard, because
        The wrong answer that is often heard, and why it is wrong.
    failures
        The failures that it is about: ``("F07",)``.
    keys
        The keys that its proof uses; no other question's has them.
    needs
        The Redis version that the proof needs, if more than 6.2.
    proof
        Cells of code, each at most ten lines, that run alone and end in assertions; none where the
        question is not about behaviour.
    """

    id: str
    level: Level
    theme: Theme
    ask: str
    answer: str
    follow_up: str
    follow_up_answer: str
    heard: str
    because: str
    failures: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    needs: str | None = None
    proof: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The frame of one level's notebook: its title, its first words, and its imports."""

    level: Level
    title: str
    intro: str
    imports: str


_ID = re.compile(r"[a-z]+(-[a-z0-9]+)*")
_FIELDS = {field.name for field in fields(Question)}
_OPTIONAL = {"failures", "keys", "needs", "proof"}


def parse(text: str) -> tuple[tuple[Page, ...], tuple[Question, ...]]:
    """The pages and the questions of a TOML text, in its order.

    Raises
    ------
    BadArgumentError
        A question lacks a field, has one too many, or has the id or a key of another.
    """
    data = tomllib.loads(text)
    pages = tuple(Page(**(page | {"level": Level(page["level"])})) for page in data["page"])
    questions = tuple(map(_question, data["question"]))
    for what, values in (
        ("id", [q.id for q in questions]),
        ("key", [key for q in questions for key in q.keys]),
    ):
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise BadArgumentError(f"{what} {min(twice)!r} stands in two questions: rename one")
    return pages, questions


def _question(item: Mapping[str, Any]) -> Question:
    name = item.get("id", "without an id")
    if wrong := (item.keys() - _FIELDS) | (_FIELDS - _OPTIONAL - item.keys()):
        msg = f"question {name!r}: {', '.join(sorted(wrong))} missing, or no field of a question"
        raise BadArgumentError(msg)
    if not _ID.fullmatch(name):
        raise BadArgumentError(f"id must be lower-case words joined by hyphens, got {name!r}")
    try:
        values: dict[str, Any] = {"level": Level(item["level"]), "theme": Theme(item["theme"])}
    except ValueError as exc:
        raise BadArgumentError(f"question {name!r}: {exc}") from exc
    for key, value in item.items():
        text = value.strip() if isinstance(value, str) else tuple(value)
        values.setdefault(key, text)
    return Question(**values)


def questions() -> tuple[tuple[Page, ...], tuple[Question, ...]]:
    """The pages and questions of the book, from ``questions.toml`` beside this module."""
    return parse(files("streamlab.book").joinpath("questions.toml").read_text("utf-8"))
