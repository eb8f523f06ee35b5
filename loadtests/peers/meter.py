"""Counts the tasks done in the worker's own process, and writes when the first and last were."""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path

_TOTAL = int(os.environ["PEER_TASKS"])
_RESULT = Path(os.environ["PEER_RESULT"])
_calls = itertools.count(1)  # next() is atomic, and the handlers of some peers run in threads
_began_ns: list[int] = []


def done() -> None:
    """What every peer's handler does, and nothing else: note that a task was done."""
    call = next(_calls)
    if call == 1:
        _began_ns.append(time.monotonic_ns())
    if call == _TOTAL:
        write(_began_ns[0], time.monotonic_ns())


def write(began_ns: int, ended_ns: int) -> None:
    """The result, whole or not at all: the driver waits for this file and ends the worker then."""
    versions = {name: _version(name) for name in ("redis", "hiredis")}
    text = json.dumps({"began_ns": began_ns, "ended_ns": ended_ns, "versions": versions})
    whole = _RESULT.with_suffix(".part")
    whole.write_text(text)
    whole.replace(_RESULT)


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - after the clock

    try:
        return version(package)
    except PackageNotFoundError:
        return None
