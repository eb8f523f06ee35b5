"""Names: of streams, groups, consumers and tasks."""

from __future__ import annotations

from streamlab.errors import BadArgumentError
from streamlab.queue.bounds import shown


def check_name(what: str, name: object) -> str:
    """`name` if it is text of at least one character that UTF-8 can say.

    Raises
    ------
    BadArgumentError
        If it is not.
    """
    if not isinstance(name, str) or not name:
        msg = f"{what} must be text of at least one character, got {shown(name)}"
        raise BadArgumentError(msg)
    check_utf8(what, name)
    return name


def check_utf8(what: str, text: str) -> None:
    """Raise unless `text` can be sent; bytes that were read as ``surrogateescape`` can.

    Raises
    ------
    BadArgumentError
        If UTF-8 cannot say it.
    """
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        msg = f"{what} must be text that UTF-8 can say ({exc.reason} at {exc.start}): clean it"
        raise BadArgumentError(msg) from exc


def beside(stream: str, *parts: str) -> str:
    """A key that belongs to `stream`; its hash tag puts it on the stream's shard of a cluster."""
    tagged = stream if "{" in stream else f"{{{stream}}}"
    return ":".join((tagged, *parts))
