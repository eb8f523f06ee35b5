"""The consumer group, and the server's errors about it in the package's words."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import redis

from streamlab.errors import BadArgumentError, GroupMissingError, WrongTypeError
from streamlab.queue.bounds import shown

if TYPE_CHECKING:
    from collections.abc import Iterator


# Each of the two parts of an id has 64 bits.
_PART_BELOW = 2**64
_ENTRY_ID = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")
# Before 7.0 the error of a command in a script comes wrapped in the script's own.
_CODE = re.compile(r"(?:^|user_script: ?\d+: -?)(NOGROUP|WRONGTYPE)\b")


@contextlib.contextmanager
def server_errors(stream: str, group: str) -> Iterator[None]:
    """Turn NOGROUP and WRONGTYPE into errors that name the key and the next step."""
    try:
        yield
    except redis.ResponseError as exc:
        found = _CODE.search(str(exc))
        code = found[1] if found else ""
        if code == "NOGROUP":
            msg = f"no group {group!r} on stream {stream!r}: call queue.ensure_group() first"
            raise GroupMissingError(msg) from exc
        if code == "WRONGTYPE":
            msg = (
                f"the key {stream!r} is not a stream: choose another name, or look at TYPE {stream}"
            )
            raise WrongTypeError(msg) from exc
        raise


def check_entry_id(what: str, entry_id: object, *, also: str = "") -> str:
    """`entry_id` if it is one, such as ``"1-1"`` or ``"0"``.

    Raises
    ------
    BadArgumentError
        If it is not.
    """
    if isinstance(entry_id, str) and _ENTRY_ID.fullmatch(entry_id):
        parts = entry_id.split("-")
        if max(map(int, parts)) < _PART_BELOW:
            return entry_id
    msg = f"{what} must be {also}an entry id such as '1-1', got {shown(entry_id)}"
    raise BadArgumentError(msg)


def ensure_group(client: redis.Redis, stream: str, group: str, start: str) -> bool:
    """XGROUP CREATE … MKSTREAM; whether it was made now.

    Raises
    ------
    BadArgumentError
        If `start` is not ``"0"``, ``"$"`` or an entry id.
    WrongTypeError
        If the key holds something else than a stream.
    """
    if start != "$":
        check_entry_id("start", start, also="'0', '$' or ")
    try:
        with server_errors(stream, group):
            client.xgroup_create(stream, group, id=start, mkstream=True)
    except redis.ResponseError as exc:
        # Only the first word is a promise of the protocol; the text has changed between versions.
        if not str(exc).startswith("BUSYGROUP"):
            raise
        return False
    return True
