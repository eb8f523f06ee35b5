"""What a version of Redis can do with streams, in the names that the lessons use."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streamlab.errors import BadArgumentError

#: The oldest server the lab works with: XAUTOCLAIM came with it.
MINIMUM_VERSION = "6.2"


def parse_version(version: str) -> tuple[int, ...]:
    """The numbers of a version: ``"8.10.2"`` is ``(8, 10, 2)``, newer than ``(8, 9)``.

    Raises
    ------
    BadArgumentError
        If `version` is not digits separated by dots.
    """
    if not re.fullmatch(r"\d+(\.\d+)*", version):
        msg = f"version must be numbers and dots, such as '8.10.2', got {version!r}"
        raise BadArgumentError(msg)
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that newer servers can do and older ones cannot.

    Attributes
    ----------
    name
        As lessons and `streamlab doctor` spell it.
    since
        The first Redis version that has it.
    gives
        What a queue gains, in one line.
    """

    name: str
    since: str
    gives: str


CAPABILITIES = (
    Capability("lag", "7.0", "how many entries a group has not been given yet"),
    Capability("XAUTOCLAIM deleted ids", "7.0", "a sweep says which claimed entries are gone"),
    Capability("XACKDEL", "8.2", "acknowledge and delete in one command"),
    Capability("CLAIM", "8.4", "XREADGROUP takes over idle entries and reads new ones at once"),
    Capability("IDMP", "8.6", "an XADD that is sent twice is stored once"),
    Capability("XNACK", "8.8", "a worker hands an entry back without waiting"),
    Capability("MAXCOUNT", "8.10", "one bound on a read over several streams"),
)


def capabilities_of(version: str) -> frozenset[str]:
    """The names of all `CAPABILITIES` that Redis `version` has.

    Raises
    ------
    BadArgumentError
        If `version` is not a version number.
    """
    has = parse_version(version)
    return frozenset(c.name for c in CAPABILITIES if has >= parse_version(c.since))
