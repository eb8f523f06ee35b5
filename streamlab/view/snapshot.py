"""Reads one stream off a server: few commands, little memory, nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamlab.errors import WrongTypeError
from streamlab.view.stream import Consumer, Entry, EntryId, Group, Pending, Stream
from streamlab.view.words import printable

if TYPE_CHECKING:
    import redis

#: A stream is read whole up to this many entries; of a longer one, a head and a tail.
WHOLE_UP_TO = 1_000
#: So many pending entries of a group are listed; the others are counted.
LISTED_PENDING = 1_000
#: Entries are read until they have weighed so much; then the rest counts as unread.
MOST_BYTES = 4 * 1024 * 1024
MOST_GROUPS = 4
_PAGE = 100
_END = EntryId(2**64 - 1, 2**64 - 1)


def _ask(client: redis.Redis, command: bytes, *args: object) -> Any:
    # The replies are raw: bytes, and a map is a dict (RESP3) or a flat list (RESP2).
    # redis-py finds its reply parsers by the name in str. A name in bytes finds none, and the raw
    # reply has one shape whatever the client's decode_responses and protocol are. Decoding here
    # would fail on data that is not UTF-8.
    return client.execute_command(command, *args, NEVER_DECODE=True)  # type: ignore[no-untyped-call]


def _fields(reply: Any) -> dict[str, Any]:
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value for name, value in pairs}


def _entry_id(reply: Any) -> EntryId:
    return EntryId.parse(reply.decode())


def _data(fields: list[bytes]) -> str:
    """The task's ``data`` if there is such a field, else all of the fields in a line."""
    pairs = list(zip(fields[::2], fields[1::2], strict=True))
    for name, value in pairs:
        if name == b"data":
            return printable(value)
    return printable(b" ".join(name[:400] + b"=" + value[:400] for name, value in pairs[:20]))


def _weight(reply: Any) -> int:
    return sum(len(part) for part in reply[1]) if reply else 0


def _entries(replies: Any) -> list[Entry]:
    return [Entry(_entry_id(reply[0]), _data(reply[1])) for reply in replies if reply[1]]


def _read_head(client: redis.Redis, key: bytes, heaviest: int) -> tuple[list[Entry], bool]:
    """Entries from the start, and whether that was all of them."""
    entries: list[Entry] = []
    weight, start = 0, "-"
    while len(entries) < WHOLE_UP_TO and weight < MOST_BYTES:
        # No page is asked for that would exceed the bound if all weighed what the heaviest did.
        count = max(1, min(_PAGE, (MOST_BYTES - weight) // max(heaviest, 1)))
        replies = _ask(client, b"XRANGE", key, start, "+", "COUNT", count)
        entries += _entries(replies)
        weight += sum(map(_weight, replies))
        heaviest = max([heaviest, *map(_weight, replies)])
        if len(replies) < count:
            return entries, True
        start = f"({entries[-1].id}"
    return entries, False


def _read_entries(
    client: redis.Redis, key: bytes, info: dict[str, Any], shown: int
) -> tuple[tuple[Entry, ...], tuple[EntryId, EntryId] | None]:
    """The entries, and the open interval of ids that was left unread."""
    heaviest = max(_weight(info["first-entry"]), _weight(info["last-entry"]))
    if info["length"] <= WHOLE_UP_TO:
        head, complete = _read_head(client, key, heaviest)
        if complete or len(head) >= info["length"]:
            return tuple(head), None
    else:
        head = _entries(_ask(client, b"XRANGE", key, "-", "+", "COUNT", shown))
    if not head:
        return (), None  # trimmed to nothing since XINFO
    tail = _entries(_ask(client, b"XREVRANGE", key, "+", f"({head[-1].id}", "COUNT", shown))
    tail.reverse()
    return (*head, *tail), ((head[-1].id, tail[0].id) if tail else None)


def _pending(replies: Any) -> tuple[Pending, ...]:
    return tuple(
        Pending(
            _entry_id(entry_id),
            printable(consumer) if consumer else None,  # XNACK leaves "" and an idle time of -1
            idle_ms if idle_ms >= 0 else None,
            deliveries,
        )
        for entry_id, consumer, idle_ms, deliveries in replies
    )


def _read_pending(
    client: redis.Redis, key: bytes, group: bytes, count: int, tail_from: EntryId
) -> tuple[tuple[Pending, ...], tuple[EntryId, EntryId] | None]:
    """The pending entries, and the open interval of ids in which they were only counted."""
    if not count:
        return (), None
    head = _pending(_ask(client, b"XPENDING", key, group, "-", "+", LISTED_PENDING))
    if len(head) < LISTED_PENDING or len(head) >= count:
        return head, None
    last = head[-1].id
    start = f"({last}" if last >= tail_from else str(tail_from)
    tail = _pending(_ask(client, b"XPENDING", key, group, start, "+", LISTED_PENDING))
    if len(tail) == LISTED_PENDING:  # a third stretch would be needed: leave it counted
        return head, (last, _END)
    return (*head, *tail), ((last, tail_from) if last < tail_from else None)


def _read_group(client: redis.Redis, key: bytes, info: dict[str, Any], tail_from: EntryId) -> Group:
    consumers = map(_fields, _ask(client, b"XINFO", b"CONSUMERS", key, info["name"]))
    pending, unlisted = _read_pending(client, key, info["name"], info["pending"], tail_from)
    held = (Consumer(printable(c["name"]), c["pending"]) for c in consumers)
    return Group(
        name=printable(info["name"]),
        cursor=_entry_id(info["last-delivered-id"]),
        pending_count=info["pending"],
        lag=info.get("lag"),  # absent before Redis 7.0, None where the server cannot tell
        consumers=tuple(sorted(held, key=lambda consumer: consumer.name)),
        pending=pending,
        unlisted=unlisted,
    )


def read_stream(client: redis.Redis, stream: str | bytes, *, shown: int) -> Stream | None:
    """One stream and its first groups as they are now; None if the key does not exist.

    Sends ``XINFO STREAM``, ``XINFO GROUPS``, ``XRANGE`` (and ``XREVRANGE`` for a long stream), and
    ``XINFO CONSUMERS`` and ``XPENDING`` for each group. Nothing on the server changes. The
    commands are not one transaction: what workers do meanwhile may show in one and not in another.

    Parameters
    ----------
    client
        With or without ``decode_responses``.
    stream
        The key.
    shown
        How many entries of the head, and of the tail, a long stream is read for.

    Raises
    ------
    WrongTypeError
        If the key holds something else.
    """
    from redis.exceptions import ResponseError  # noqa: PLC0415 - who gives a client has paid

    key = stream if isinstance(stream, bytes) else stream.encode(errors="surrogateescape")
    try:
        info = _fields(_ask(client, b"XINFO", b"STREAM", key))
    except ResponseError as exc:
        if "no such key" in str(exc):
            return None
        if str(exc).startswith("WRONGTYPE"):
            msg = f"the key {stream!r} is not a stream: TYPE tells what it is; show another key"
            raise WrongTypeError(msg) from exc
        raise
    groups = [_fields(reply) for reply in _ask(client, b"XINFO", b"GROUPS", key)]
    entries, unread = _read_entries(client, key, info, shown) if info["length"] else ((), None)
    tail_from = entries[-shown:][0].id if entries else _END
    return Stream(
        name=printable(key),
        length=info["length"],
        last_id=_entry_id(info["last-generated-id"]),
        entries=entries,
        groups=tuple(_read_group(client, key, g, tail_from) for g in groups[:MOST_GROUPS]),
        unread=unread,
        more_groups=max(len(groups) - MOST_GROUPS, 0),
    )
