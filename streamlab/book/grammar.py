"""The grammar of the stream commands, as a server tells it, and which options a line of it uses.

A running server is asked (``COMMAND DOCS``, Redis 7.0 and newer), so that no list of ours can be
older than the server.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamlab.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamlab.server.url import CliCall


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command, in the terms of ``COMMAND DOCS``.

    Attributes
    ----------
    kind
        ``"oneof"``, ``"block"``, ``"pure-token"``, or the type of one word: ``"key"``,
        ``"string"``, ``"integer"``, ``"unix-time"`` and so on.
    token
        The word that announces it, such as ``COUNT``; None if there is none.
    since
        The version that brought it, where the server tells that.
    parts
        What a block or a choice is made of.
    """

    kind: str
    token: str | None
    optional: bool
    multiple: bool
    since: str | None
    parts: tuple[Argument, ...]

    @classmethod
    def of(cls, doc: dict[str, Any]) -> Argument:
        """The argument that one item of ``COMMAND DOCS`` describes."""
        flags = doc.get("flags", ())
        return cls(
            kind=doc["type"],
            token=doc.get("token"),
            optional="optional" in flags,
            multiple="multiple" in flags,
            since=_short(doc["since"]) if "since" in doc else None,
            parts=tuple(map(cls.of, doc.get("arguments", ()))),
        )

    def tokens(self) -> Iterator[tuple[str, str | None]]:
        """Every token in it, with the version that brought it if the server tells."""
        if self.token:
            yield self.token, self.since
        for part in self.parts:
            for token, since in part.tokens():
                yield token, since or self.since


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or one subcommand, which has two words in its name.

    Attributes
    ----------
    name
        In capitals: ``"XADD"``, ``"XGROUP CREATE"``.
    since
        The version that brought it.
    summary
        The server's own sentence about it.
    """

    name: str
    since: str
    summary: str
    arguments: tuple[Argument, ...]

    @property
    def tokens(self) -> dict[str, str | None]:
        """Its option tokens, each with the version that brought it where the server tells that."""
        return dict(token for argument in self.arguments for token in argument.tokens())

    def used(self, words: Sequence[str]) -> frozenset[str] | None:
        """The tokens that a line uses; None if the words after the name do not fit.

        Options that may be left out may come in any order, as the server takes them. Where a word
        could be an option or, say, one more id, it is the option.
        """
        whole = [used for used, rest in _sequence(self.arguments, tuple(words)) if not rest]
        return max(whole, key=len, default=None)


_Match = tuple[frozenset[str], tuple[str, ...]]
_NOTHING: frozenset[str] = frozenset()


def _sequence(arguments: tuple[Argument, ...], words: tuple[str, ...]) -> Iterator[_Match]:
    """All ways to match `arguments` with the first of `words`: the tokens, and the words left."""
    if not arguments:
        yield _NOTHING, words
        return
    first, *others = arguments
    if not first.optional:
        yield from _then(first, tuple(others), words)
        return
    # A run of arguments that may be left out: any of them may come next, in any order.
    run = next((n for n, a in enumerate(arguments) if not a.optional), len(arguments))
    for number in range(run):
        yield from _then(arguments[number], arguments[:number] + arguments[number + 1 :], words)
    yield from _sequence(arguments[run:], words)


def _then(one: Argument, others: tuple[Argument, ...], words: tuple[str, ...]) -> Iterator[_Match]:
    for used, rest in _repeated(one, words):
        for more, left in _sequence(others, rest):
            yield used | more, left


def _repeated(argument: Argument, words: tuple[str, ...]) -> Iterator[_Match]:
    for used, rest in _once(argument, words):
        if argument.multiple:
            for more, left in _repeated(argument, rest):
                yield used | more, left
        yield used, rest


def _once(argument: Argument, words: tuple[str, ...]) -> Iterator[_Match]:
    if not words:
        return
    used = _NOTHING
    if argument.token:
        if words[0].upper() != argument.token:
            return
        used, words = frozenset({argument.token}), words[1:]
    for more, rest in _body(argument, words):
        yield used | more, rest


def _body(argument: Argument, words: tuple[str, ...]) -> Iterator[_Match]:
    """All ways to match what follows the token."""
    match argument.kind:
        case "pure-token":
            yield _NOTHING, words
        case "oneof":
            for part in argument.parts:
                yield from _repeated(part, words)
        case "block":
            yield from _sequence(argument.parts, words)
        case _ if words:
            yield _NOTHING, words[1:]


def stream_commands(call: CliCall) -> dict[str, Command]:
    """The grammar of every stream command of a running server, by name, subcommands included.

    Asks ``COMMAND LIST FILTERBY PATTERN x*`` and ``COMMAND DOCS`` by redis-cli: redis-py 8.1 fails
    in its own parser of the first. `call` is what a server's ``cli()`` returns.

    Raises
    ------
    ServerError
        If the server is older than 7.0, or does not answer.
    """
    names = _ask(call, "COMMAND", "LIST", "FILTERBY", "PATTERN", "x*")
    docs = _ask(call, "COMMAND", "DOCS", *names)
    found = (
        Command(
            name.replace("|", " ").upper(),
            _short(doc["since"]),
            doc["summary"],
            tuple(map(Argument.of, doc.get("arguments", ()))),
        )
        for name, doc in docs.items()
        if "subcommands" not in doc
    )
    return {command.name: command for command in sorted(found, key=lambda c: c.name)}


def _short(version: str) -> str:
    """``8.4.0`` as ``8.4``; ``8.6.2`` as it is."""
    return version.removesuffix(".0") if version.count(".") > 1 else version


def _ask(call: CliCall, *words: str) -> Any:
    done = subprocess.run(
        [*call.argv, "--json", *words],
        env=os.environ | dict(call.env),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError as exc:
        said = (done.stdout + done.stderr).strip()
        msg = f"no grammar of commands (Redis >= 7.0 and its redis-cli tell it), got {said[:200]!r}"
        raise ServerError(msg) from exc
