"""A Redis that serves as a task queue, examined without a single write: `streamlab doctor URL`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from streamlab.doctor.asking import Asker, NotPermittedError, explained
from streamlab.doctor.client_checks import check_blocked, check_connections, check_idle_connections
from streamlab.doctor.commands import Shell
from streamlab.doctor.diagnosis import Examination, Finding, Status
from streamlab.doctor.group_checks import check_group
from streamlab.doctor.pending_checks import check_pending
from streamlab.doctor.server_checks import (
    check_disk,
    check_eviction,
    check_memory,
    check_persistence,
    check_replication,
    check_version,
)
from streamlab.doctor.state import read_stream
from streamlab.doctor.stream_checks import check_stream, missing_stream, not_a_stream
from streamlab.doctor.words import shown
from streamlab.errors import BadArgumentError, ServerError
from streamlab.server.url import RedisUrl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamlab.doctor.state import Stream

#: What nobody touched for so long is abandoned: longer than most handlers, shorter than patience.
MIN_IDLE_MS = 300_000

# Bounds of one examination: pending entries of all streams together, streams, rounds of SCAN.
_MOST_PENDING, _FEWEST_PENDING = 100_000, 1_000
_MOST_STREAMS = 100
_MOST_SCANS, _SCANNED = 1_000, 1_000

_SERVER_CHECKS = (
    ("version", (), check_version),
    ("eviction", ("F37", "F48"), check_eviction),
    ("memory", ("F37",), check_memory),
    ("persistence", ("F51",), check_persistence),
    ("disk", ("F51",), check_disk),
    ("replication", ("F52", "F53"), check_replication),
    ("connections", ("F47",), check_connections),
    ("idle connections", ("F45", "F46"), check_idle_connections),
)


def examine_deployment(
    url: str, stream: str | None = None, *, min_idle_ms: int = MIN_IDLE_MS
) -> Examination:
    """Examine a Redis that serves as a task queue; it is asked only, nothing is changed.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://``, as `ReaderServer` takes it.
    stream
        The stream's key; None for every stream of the database, the first hundred.
    min_idle_ms
        What nobody touched for so long is abandoned, in ms, >= 1: give what your workers claim
        after, or more.

    Raises
    ------
    BadArgumentError
        A parameter is out of its bounds.
    ServerError
        The URL is malformed, the server cannot be reached, or refuses the user.
    """
    address = RedisUrl(url)
    if fault := address.fault():
        raise ServerError(f"{address.shown}: {fault}")
    if min_idle_ms < 1:
        msg = f"min_idle_ms must be >= 1, got {min_idle_ms!r}"
        raise BadArgumentError(msg)
    with contextlib.closing(Asker(address)) as ask, explained(address):
        return _Visit(ask, address, min_idle_ms).examine(stream)


class _Visit:
    """One examination: what is asked, what has been found."""

    def __init__(self, ask: Asker, url: RedisUrl, min_idle_ms: int) -> None:
        self._ask, self._url, self._min_idle_ms = ask, url, min_idle_ms
        self._shell = Shell(url)
        self._findings: list[Finding] = []
        self._unexamined: list[str] = []
        self._all_seen = False

    def examine(self, stream: str | None) -> Examination:
        for name, failures, check in _SERVER_CHECKS:
            try:
                self._findings += list(check(self._ask, self._shell))
            except NotPermittedError as exc:
                self._unknown(name, f"unknown: {exc} is not permitted", failures)
        keys = self._keys() if stream is None else [stream]
        most = max(_FEWEST_PENDING, _MOST_PENDING // max(1, len(keys)))
        streams = [
            found for key in keys if (found := self._stream(key, most, named=stream is not None))
        ]
        seen = self._all_seen and len(streams) == len(keys)
        self._findings += check_blocked(self._ask, self._shell, streams, all_seen=seen)
        return Examination.of(self._url.shown, self._findings, self._unexamined)

    def _unknown(self, name: str, fact: str, failures: Iterable[str] = ()) -> None:
        self._findings.append(Finding(name, Status.UNKNOWN, fact, None, tuple(failures)))

    def _keys(self) -> list[str]:
        """The streams of the database, sorted (SCAN); too many, or not permitted, is a finding."""
        keys, cursor = set[str](), "0"
        try:
            for _ in range(_MOST_SCANS):
                cursor, page = self._ask("SCAN", cursor, "COUNT", str(_SCANNED), "TYPE", "stream")
                keys.update(page)
                if cursor == "0" or len(keys) > _MOST_STREAMS:
                    break
        except NotPermittedError as exc:
            self._unknown("streams", f"unknown: {exc} is not permitted, name a stream")
            self._unexamined.append("*")
        self._all_seen = cursor == "0" and len(keys) <= _MOST_STREAMS and not self._unexamined
        if not (self._all_seen or self._unexamined):
            fact = f"the search stopped at {min(len(keys), _MOST_STREAMS)} streams: name the others"
            self._unknown("streams", fact)
        elif not keys and self._all_seen:
            fact = f"database {self._ask.database} holds no stream"
            self._findings.append(Finding("streams", Status.INFO, fact))
        return sorted(keys)[:_MOST_STREAMS]

    def _stream(self, key: str, most_pending: int, *, named: bool) -> Stream | None:
        """Add the findings about the stream `key`; None when there is none to be read."""
        import redis  # noqa: PLC0415

        try:
            stream = read_stream(
                self._ask, key, min_idle_ms=self._min_idle_ms, most_pending=most_pending
            )
        except NotPermittedError as exc:
            self._unknown("stream", f"{shown(key)}: unknown: {exc} is not permitted")
            self._unexamined.append(key)
            return None
        except redis.ResponseError as exc:
            self._refused(key, str(exc), named=named)
            return None
        self._findings += check_stream(stream, self._shell, named=named)
        for group in stream.groups:
            rest = {"min_idle_ms": self._min_idle_ms}
            self._findings += check_group(stream, group, self._shell, **rest)
            self._findings += check_pending(stream, group, self._shell, **rest)
        return stream

    def _refused(self, key: str, answer: str, *, named: bool) -> None:
        """What an error in place of the stream's state means."""
        missing = "no such key" in answer
        if missing and not named:
            return  # deleted since it was found
        if missing:
            self._findings.append(missing_stream(key, self._shell))
        elif answer.startswith("WRONGTYPE"):
            kind = "key of another type"
            with contextlib.suppress(NotPermittedError):
                kind = str(self._ask("TYPE", key))
            self._findings.append(not_a_stream(key, kind, self._shell))
        else:  # moved to another node of a cluster, say; or its group was destroyed meanwhile
            self._unknown("stream", f"{shown(key)}: unknown: the server answered {shown(answer)}")
            self._unexamined.append(key)
