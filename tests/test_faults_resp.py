"""Framing of RESP: commands and replies end where redis-py says that they end, however cut."""

from __future__ import annotations

import io
import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis._parsers import Encoder, _RESP2Parser, _RESP3Parser
from redis.connection import PythonRespSerializer

from streamlab.faults.framing import ProtocolError
from streamlab.faults.resp import CommandFramer, ReplyFramer


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(places)]


def frames(framer, stream: bytes, cuts: list[int] = ()):
    return [frame for piece in pieces(stream, cuts) for frame in framer.feed(piece)]


cuts = st.lists(st.integers(0, 10**6), max_size=40)

# -- commands --------------------------------------------------------------------------------------

words = st.binary(max_size=40) | st.sampled_from([b"XACK", b"\r\n", b"*1\r\n$1\r\na\r\n", b"$3"])
commands = st.lists(st.lists(words, min_size=1, max_size=6), max_size=6)


def packed(command: list[bytes]) -> bytes:
    """The bytes that redis-py sends for it."""
    encoder = Encoder("utf-8", "strict", decode_responses=False)
    pack = PythonRespSerializer(6000, encoder.encode).pack
    # redis-py would split a first word at its spaces ("XGROUP CREATE"), hence another before it.
    return b"".join(bytes(part) for part in pack("X", *command)).replace(
        b"*%d\r\n$1\r\nX\r\n" % (len(command) + 1), b"*%d\r\n" % len(command), 1
    )


@given(commands, cuts)
def test_commands_cut_anywhere_are_the_commands_that_redis_py_packed(sent, cuts):
    stream = b"".join(map(packed, sent))
    got = frames(CommandFramer(), stream, cuts)
    assert [command.raw for command in got] == list(map(packed, sent))
    assert [command.name for command in got] == [w[0].decode("latin-1").upper() for w in sent]
    assert [command.args(9) for command in got] == [tuple(w[1:]) for w in sent]


@given(st.binary(max_size=60) | st.lists(words).map(b"\r\n".join), cuts)
def test_any_bytes_of_a_client_are_given_back_whole_or_refused_at_the_same_place(stream, cuts):
    def read(pieces):
        framer, got = CommandFramer(), b""
        try:
            for piece in pieces:
                for command in framer.feed(piece):
                    got += command.raw
        except ProtocolError as exc:
            return got, exc.args[0].split(",")[0]
        return got, framer.drain()

    whole, end = read([stream])
    again, end_again = read(pieces(stream, cuts))
    assert (whole, end) == (again, end_again)
    assert stream.startswith(whole)
    if isinstance(end, bytes):
        assert whole + end == stream


def test_only_so_many_words_are_given_as_are_asked_for():
    (command,) = frames(CommandFramer(), packed([b"xack", b"tasks", b"workers", b"1-0", b"2-0"]))
    assert (command.name, command.args(3)) == ("XACK", (b"tasks", b"workers", b"1-0"))


def test_an_inline_command_ends_with_its_line():
    stream = b"ping\r\n  xack tasks workers 1-0 \nGET x\r\n*1\r\n$4\r\nPING\r\n"
    for cut in range(len(stream)):
        got = frames(CommandFramer(), stream, [cut])
        assert [command.name for command in got] == ["PING", "XACK", "GET", "PING"]
        assert got[1].args(9) == (b"tasks", b"workers", b"1-0")


def test_what_redis_does_not_answer_has_no_name():
    got = frames(CommandFramer(), b"\r\n \r\n*0\r\n*-1\r\n*1\r\n$0\r\n\r\n")
    assert [command.name for command in got] == [None, None, None, None, ""]


@pytest.mark.parametrize(
    ("command", "countable"),
    [
        (b"SUBSCRIBE a", False),
        (b"punsubscribe", False),
        (b"SSUBSCRIBE a", False),
        (b"MONITOR", False),
        (b"CLIENT reply off", False),
        (b"CLIENT LIST", True),
        (b"CLIENT", True),
        (b"EXEC", True),
    ],
)
def test_commands_that_upset_the_count_of_replies_are_known(command, countable):
    (inline,) = frames(CommandFramer(), command + b"\r\n")
    (array,) = frames(CommandFramer(), packed(command.split()))
    assert inline.countable is array.countable is countable


@pytest.mark.parametrize(
    ("stream", "offending"),
    [
        (b"*+1\r\n$4\r\nPING\r\n", b"*+1\r\n"),
        (b"*01\r\n$4\r\nPING\r\n", b"*01\r\n"),
        (b"*1\r\nPING\r\n", b"PING\r\n"),
        (b"*1\r\n$-1\r\n", b"$-1\r\n"),
        (b"*1\r\n$4\r\nPINGxx", b"xx"),
        (b"*1\r\n$999999999999\r\n", b"$999999999999\r\n"),
        (b"x" * 70_000, b"x" * 70_000),
    ],
)
def test_a_command_that_is_no_resp_is_refused_after_the_good_ones(stream, offending):
    good = packed([b"GET", b"x"])
    framer, got = CommandFramer(), []
    with pytest.raises(ProtocolError, match=r"expected .+, got b'.+: the stream cannot") as caught:
        got.extend(framer.feed(good + stream))
    assert [command.raw for command in got] == [good]
    assert caught.value.offending.startswith(offending)


# -- replies ---------------------------------------------------------------------------------------

line = st.from_regex(re.compile(rb"[^\r\n]{0,20}"), fullmatch=True)
number = st.integers(-(10**20), 10**20).map(str).map(str.encode)
body = st.binary(max_size=50) | st.sampled_from([b"\r\n", b"+OK\r\n", b"*2\r\n"])


def bulk(kind: bytes, data: bytes) -> bytes:
    return b"%s%d\r\n%s\r\n" % (kind, len(data), data)


resp2_leaf = st.one_of(
    line.map(lambda text: b"+" + text + b"\r\n"),
    line.map(lambda text: b"-ERR " + text + b"\r\n"),
    number.map(lambda n: b":" + n + b"\r\n"),
    body.map(lambda data: bulk(b"$", data)),
    st.sampled_from([b"$-1\r\n", b"*-1\r\n"]),
)
resp3_leaf = st.one_of(
    line.map(lambda text: b"+" + text + b"\r\n"),
    line.map(lambda text: b"-ERR " + text + b"\r\n"),
    number.map(lambda n: b":" + n + b"\r\n"),
    number.map(lambda n: b"(" + n + b"\r\n"),
    body.map(lambda data: bulk(b"$", data)),
    body.map(lambda data: bulk(b"=", b"txt:" + data)),
    line.map(lambda data: bulk(b"!", b"ERR " + data)),
    st.floats().map(lambda x: b",%s\r\n" % repr(x).encode()),
    st.sampled_from([b"_\r\n", b"#t\r\n", b"#f\r\n", b",1e+20\r\n", b",-inf\r\n"]),
)


def aggregate(kind: bytes, values: list[bytes], count: int | None = None) -> bytes:
    return b"%s%d\r\n%s" % (kind, len(values) if count is None else count, b"".join(values))


def key_and(values: list[bytes]) -> bytes:
    pairs = [b"+key%d\r\n%s" % (n, value) for n, value in enumerate(values)]
    return aggregate(b"%", pairs)


resp2 = st.recursive(
    resp2_leaf, lambda inner: st.lists(inner, max_size=5).map(lambda v: aggregate(b"*", v))
)
resp3 = st.recursive(
    resp3_leaf,
    lambda inner: st.lists(inner, max_size=5).flatmap(
        lambda v: st.sampled_from([aggregate(b"*", v), aggregate(b"~", v), key_and(v)])
    ),
)
push = st.lists(resp3, max_size=3).map(lambda v: aggregate(b">", [bulk(b"$", b"message"), *v]))


class Oracle:
    """redis-py's parser over bytes that are all there."""

    def __init__(self, parser_class, stream: bytes) -> None:
        self.socket_timeout = None
        self.encoder = Encoder("utf-8", "strict", decode_responses=False)
        self._sock = self
        self._stream = io.BytesIO(stream)
        self._parser = parser_class(65536)
        self._parser.on_connect(self)

    def recv(self, size: int) -> bytes:
        return self._stream.read(size)

    def settimeout(self, _seconds) -> None:
        pass

    def values(self, count: int) -> list[str]:
        """The first `count` values, pushes too; there must be no more."""
        options = {"push_request": True} if isinstance(self._parser, _RESP3Parser) else {}
        read = [repr(self._parser.read_response(**options)) for _ in range(count)]
        assert not self._parser._buffer.unread_bytes()
        assert not self._stream.read()
        return read


def check_against(parser_class, sent: list[bytes], cuts: list[int]):
    stream = b"".join(sent)
    got = frames(ReplyFramer(), stream, cuts)
    assert [reply.raw for reply in got] == sent
    alone = [value for reply in got for value in Oracle(parser_class, reply.raw).values(1)]
    assert alone == Oracle(parser_class, stream).values(len(got))
    return got


@given(st.lists(resp2, max_size=6), cuts)
def test_resp2_replies_cut_anywhere_end_where_redis_py_says(sent, cuts):
    got = check_against(_RESP2Parser, sent, cuts)
    assert not any(reply.push for reply in got)


@given(st.lists(resp3 | push, max_size=6), cuts)
def test_resp3_replies_cut_anywhere_end_where_redis_py_says_and_pushes_are_told(sent, cuts):
    got = check_against(_RESP3Parser, sent, cuts)
    assert [reply.push for reply in got] == [raw.startswith(b">") for raw in sent]


@given(st.lists(resp3, max_size=3), resp3 | push, cuts)
def test_attributes_belong_to_the_reply_that_they_precede(values, reply, cuts):
    """redis-py does not read them (the server sends them only to its own tests)."""
    attribute = aggregate(b"|", [b"+key\r\n" + value for value in values])
    sent = [attribute + reply, b"*1\r\n" + attribute + b":1\r\n", attribute + attribute + b"_\r\n"]
    got = frames(ReplyFramer(), b"".join(sent), cuts)
    assert [frame.raw for frame in got] == sent
    assert [frame.push for frame in got] == [reply.startswith(b">"), False, False]


@pytest.mark.parametrize(
    "offending",
    [
        *(b"?1\r\n", b"OK\r\n", b":1.5\r\n", b":\r\n", b"$+1\r\n", b"$-2\r\n", b"*01\r\n"),
        *(b"_x\r\n", b"#x\r\n", b",1,5\r\n", b"+a\rb\r\n", b"%-1\r\n", b"$?\r\n", b"\r\n"),
    ],
)
def test_a_reply_that_is_no_resp_is_refused_after_the_good_ones(offending):
    framer, got = ReplyFramer(), []
    with pytest.raises(ProtocolError) as caught:
        got.extend(framer.feed(b"+OK\r\n*2\r\n:1\r\n" + offending))
    assert [reply.raw for reply in got] == [b"+OK\r\n"]
    assert caught.value.offending == offending
    assert framer.drain() == b"*2\r\n:1\r\n" + offending  # nothing is lost


def test_a_bulk_of_64_mib_in_pieces_of_4_kib_is_read_in_linear_time():
    size = 64 * 1024 * 1024
    bulk_reply = b"$%d\r\n%s\r\n" % (size, bytes(size))
    began = time.monotonic()
    for framer, stream in (
        (ReplyFramer(), bulk_reply),
        (CommandFramer(), b"*2\r\n$3\r\nGET\r\n" + bulk_reply),
    ):
        places = range(0, len(stream), 4096)
        got = [frame for at in places for frame in framer.feed(stream[at : at + 4096])]
        assert [frame.raw == stream for frame in got] == [True]
    assert time.monotonic() - began < 20  # copying the buffer at each piece would take minutes
