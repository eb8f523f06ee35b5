"""The reader's own server: used with TLS, ACL users and passwords; never harmed, never shown."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import re
import shutil
import ssl
import subprocess
import threading
import traceback
from urllib.parse import quote

import pytest
import redis
import trustme
from support import OLDEST, poll

from streamlab.doctor import examine
from streamlab.errors import NotOurServerError, ReaderServerError, ServerStartError
from streamlab.server import ReaderServer, RedisServer, capabilities_of, lab_server
from streamlab.server.conf import free_port
from streamlab.server.url import RedisUrl, redact

ODD = "p@s:s/w#o?r%d é&="  # every character that means something in a URL
PLANTED = "hunter2"


@pytest.fixture(scope="module")
def tcp():
    with RedisServer(tcp=True) as server:
        yield server


@pytest.fixture(scope="module")
def port(tcp):
    return int(tcp.url.rsplit(":", 1)[1].split("/")[0])


@pytest.fixture
def user(tcp):
    """Make a user with some rights and the odd password; returns what stands before the @."""
    made = []

    def make(*rules: str, password: str = ODD) -> str:
        name = f"reader{len(made)}"
        made.append(name)
        with tcp.client() as admin:
            admin.execute_command("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)
        return f"{name}:{quote(password, safe='')}"

    yield make
    with tcp.client() as admin:
        admin.acl_deluser(*made)


def run_cli(server, *words: str) -> subprocess.CompletedProcess[str]:
    call = server.cli()
    return subprocess.run(
        [*call.argv, *words], env={**call.env}, capture_output=True, text=True, timeout=20
    )


@contextlib.contextmanager
def tls_in_front_of(port: int, context: ssl.SSLContext):
    """A TLS server that passes everything on to `port`; gives its own port."""
    ready: list[int] = []
    stop = asyncio.Event()

    async def pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))
        for end in (writer, up_writer):
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            ready.append(server.sockets[0].getsockname()[1])
            loops.append(asyncio.get_running_loop())
            await stop.wait()

    loops: list[asyncio.AbstractEventLoop] = []
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    poll(lambda: loops, what="the TLS server")
    try:
        yield ready[0]
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="module")
def tls(port, tmp_path_factory):
    """A port that speaks TLS, and the file of the authority that vouches for it."""
    authority = trustme.CA()
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with tls_in_front_of(port, context) as tls_port:
        yield tls_port, file


# -- what works --------------------------------------------------------------------------------


def test_a_server_named_by_url_is_used_as_it_is(tcp):
    with ReaderServer(tcp.url) as reader:
        assert reader.version == tcp.version
        assert reader.capabilities == capabilities_of(tcp.version)
        assert reader.running
        with reader.client() as client:
            assert client.ping() is True
    assert tcp.running


def test_a_unix_socket_is_a_url_too(oldest):
    with ReaderServer(f"unix://{oldest.socket}?db=3") as reader:
        assert reader.version == OLDEST
        with reader.client() as client:
            assert client.client_info()["db"] == 3
        assert run_cli(reader, "CLIENT", "LIST").stdout.count(" db=3 ") == 1
        assert run_cli(reader, "PING").stdout == "PONG\n"


def test_a_user_with_the_advised_rights_and_every_odd_character_in_its_password_can_do_all(
    user, port, key
):
    with pytest.raises(ReaderServerError) as caught:
        ReaderServer(f"redis://{user()}@127.0.0.1:{port}/0")
    advised = re.findall(r"[+]@?\w+|~\*", str(caught.value).rsplit("give this user", 1)[1])
    assert "~*" in advised
    url = f"redis://{user(*advised)}@127.0.0.1:{port}/0"
    with ReaderServer(url, keys=(key,)) as reader, reader.client() as client:
        assert client.xadd(key, {"data": "1"})
        assert run_cli(reader, "XLEN", key).stdout == "1\n"
        assert client.exists(key) == 1
    with ReaderServer(url) as reader, reader.client() as client:
        assert client.exists(key) == 0


def test_tls_with_an_authority_of_the_readers_own_and_an_acl_user(tls, user):
    tls_port, authority = tls
    who = user("+@all", "~*")
    with ReaderServer(f"rediss://{who}@127.0.0.1:{tls_port}/0?ssl_ca_certs={authority}") as reader:
        with reader.client() as client:
            assert client.ping() is True
        argv = reader.cli().argv
        assert argv[argv.index("--cacert") + 1] == str(authority)
        if (
            b"--tls"
            not in subprocess.run([shutil.which("redis-cli"), "--help"], capture_output=True).stdout
        ):
            pytest.skip("the redis-cli on PATH was built without TLS")
        assert run_cli(reader, "PING").stdout == "PONG\n"


def test_tls_without_the_authority_is_refused_with_the_reason(tls):
    with pytest.raises(ReaderServerError, match="certificate verify failed"):
        ReaderServer(f"rediss://:{PLANTED}@127.0.0.1:{tls[0]}/0")


@pytest.mark.parametrize("end", ["/2", "?db=2", "/2?"])
def test_redis_cli_answers_in_the_same_database_over_tcp(tcp, end):
    url = tcp.url.removesuffix("/0") + end
    with ReaderServer(url) as reader:
        assert " db=2 " in run_cli(reader, "CLIENT", "LIST").stdout
    assert run_cli(tcp, "PING").stdout == "PONG\n"


def test_the_password_in_the_query_reaches_redis_cli_too(tcp, port):
    secret = tcp.client().get_connection_kwargs()["password"]
    with ReaderServer(f"redis://127.0.0.1:{port}/0?password={secret}") as reader:
        assert run_cli(reader, "PING").stdout == "PONG\n"
        assert secret not in repr(reader)


def test_no_process_shows_a_password_among_its_arguments(tcp, port, user):
    who = user("+@all", "~*", password=PLANTED)
    with ReaderServer(f"redis://{who}@127.0.0.1:{port}/0") as reader, reader.client() as client:
        call = reader.cli()
        waiting = subprocess.Popen(
            [*call.argv, "BLPOP", "never", "0"], env={**call.env}, stdout=subprocess.DEVNULL
        )
        try:
            poll(lambda: any(c["cmd"] == "blpop" for c in client.client_list()))
            shown = subprocess.run(
                ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True
            ).stdout
        finally:
            waiting.kill()
            waiting.wait()
    assert "BLPOP never 0" in shown
    assert PLANTED not in shown
    assert tcp.url.split("@")[0].rsplit(":", 1)[1] not in shown


# -- the lab's server --------------------------------------------------------------------------


def test_without_the_variable_a_lesson_gets_a_private_server(monkeypatch):
    monkeypatch.setenv("STREAMLAB_REDIS_URL", "")
    with lab_server(OLDEST, keys=("tasks",)) as server:
        assert isinstance(server, RedisServer)
        assert server.version == OLDEST


def test_with_the_variable_a_lesson_gets_that_server_and_its_keys_are_reserved(
    monkeypatch, tcp, key
):
    monkeypatch.setenv("STREAMLAB_REDIS_URL", tcp.url)
    with tcp.client() as admin:
        with lab_server(keys=[key]) as server:
            assert isinstance(server, ReaderServer)
            admin.set(key, "made by the lesson")
            with pytest.raises(ReaderServerError, match=rf"{key}' exists .* rename or delete"):
                lab_server(keys=["another", key])
            assert admin.get(key) == "made by the lesson"
        assert admin.exists(key) == 0


def test_a_key_that_was_there_before_is_neither_used_nor_deleted(tcp, key):
    with tcp.client() as admin:
        admin.set(key, "the reader's")
        with pytest.raises(ReaderServerError, match="choose an empty database"):
            ReaderServer(tcp.url, keys=(key,))
        assert admin.get(key) == "the reader's"


@pytest.mark.parametrize("use", ["kill", "pause", "resume", "restart"])
def test_a_server_that_is_not_ours_is_neither_killed_paused_nor_restarted(tcp, use):
    pid = tcp.pid
    with ReaderServer(tcp.url) as reader:
        with pytest.raises(NotOurServerError, match=r"is yours.*unset STREAMLAB_REDIS_URL"):
            getattr(reader, use)()
        assert reader.running
    assert tcp.pid == pid


def test_a_server_of_the_readers_that_went_away_is_not_running_and_stop_says_so():
    with RedisServer(tcp=True) as server:
        reader = ReaderServer(server.url, keys=("tasks",))
        assert reader.running
        server.kill()
        assert not reader.running
        with pytest.raises(ReaderServerError, match="start it"):
            reader.stop()
        server.restart()
        reader.stop()


# -- what does not -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web_port():
    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield web.server_address[1]
        web.shutdown()
        thread.join()


@contextlib.contextmanager
def echo():
    """A server that says back, as an error, whatever it is sent: the worst for a password."""

    async def main():
        async def serve(reader, writer):
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(b"-ERR " + data.replace(b"\r\n", b" ") + b"\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            found.append((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
            await stop.wait()

    stop = asyncio.Event()
    found: list[tuple] = []
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    poll(lambda: found)
    try:
        yield found[0][0]
    finally:
        found[0][1].call_soon_threadsafe(stop.set)
        thread.join()


def told(url: str) -> str:
    """The error for `url`, as a notebook would print it: with its traceback and its chain."""
    with pytest.raises(ReaderServerError) as caught:
        ReaderServer(url)
    return "".join(traceback.format_exception(caught.value))


def test_a_closed_port_says_start_it():
    said = told(f"redis://:{PLANTED}@127.0.0.1:{free_port()}/0")
    assert "Connection refused" in said
    assert "start it, or unset the variable" in said
    assert PLANTED not in said


def test_a_missing_socket_says_start_it(short_path):
    said = told(f"unix://:{PLANTED}@{short_path}/redis.sock")
    assert "No such file" in said
    assert PLANTED not in said


def test_a_server_that_is_not_redis_is_told_apart(web_port):
    said = told(f"redis://:{PLANTED}@127.0.0.1:{web_port}/0")
    assert "ReaderServerError" in said
    assert PLANTED not in said


def test_a_server_that_echoes_the_password_does_not_bring_it_into_the_error():
    with echo() as port:
        said = told(f"redis://reader:{PLANTED}@127.0.0.1:{port}/0")
    assert "AUTH" in said
    assert PLANTED not in said


def test_a_wrong_password_an_unknown_user_and_none_say_correct_them(port):
    for userinfo in (f":{PLANTED}@", f"nobody:{PLANTED}@", ""):
        said = told(f"redis://{userinfo}127.0.0.1:{port}/0")
        assert "correct the user and the password" in said
        assert PLANTED not in said


def test_a_user_without_rights_is_told_which_it_needs(user, port):
    who = user(password=PLANTED)
    said = told(f"redis://{who}@127.0.0.1:{port}/0")
    assert "give this user +@connection +info +@stream" in said
    assert PLANTED not in said


def test_a_user_who_may_not_look_at_the_keys_is_told_when_they_are_reserved(user, port):
    who = user("+@connection", "+info", password=PLANTED)
    with pytest.raises(ReaderServerError, match=r"\+exists \+del"):
        ReaderServer(f"redis://{who}@127.0.0.1:{port}/0", keys=("tasks",))


def test_a_setting_that_redis_py_does_not_know_is_named():
    assert "'bogus'" in told(f"redis://:{PLANTED}@127.0.0.1:1/0?bogus=1")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://:hunter2@127.0.0.1:6379", "its scheme is not one of redis://, rediss://, unix://"),
        ("hunter2", "its scheme"),
        ("default:hunter2@127.0.0.1:6379", "its scheme"),
        (" redis://:hunter2@127.0.0.1", "its scheme"),
        ("redis://:hunter2@127.0.0.1:port", "its port is not a number in 1..65535"),
        ("redis://:hunter2@127.0.0.1:0", "its port"),
        ("redis://:hunter2@127.0.0.1:99999", "its port"),
        ("redis://:hunter2@[::1", "its port"),
        ("redis://:hunter2", "its port"),
        ("redis://:hun/ter2@127.0.0.1", "its port"),
        ("redis://:hun?ter2@127.0.0.1", "its port"),
        ("redis://:hun#ter2@127.0.0.1", "its port"),
        ("redis://user:hun/ter2@127.0.0.1", "its port"),
        ("redis://:1/hunter2@127.0.0.1", "the database's number"),
        ("redis://:1#hunter2@127.0.0.1", "the database's number"),
        ("redis://:1?hunter2@127.0.0.1", "NAME=VALUE"),
        ("redis://:hun ter2@127.0.0.1", "a space or a control character"),
        ("redis://:hun\tter2@127.0.0.1", "a space or a control character"),
        ("redis://:hunter2\n@127.0.0.1", "a space or a control character"),
        ("redis://:hunter2é@127.0.0.1:1", "refused"),
        ("redis://:hunter2%zz@127.0.0.1:1", "refused"),
        ("redis://hunter2@127.0.0.1:1", "refused"),
        ("redis://:hunter2'\"@127.0.0.1:1", "refused"),
        ("redis://127.0.0.1:1/0?password=hunter2", "refused"),
        ("redis://127.0.0.1:1/hunter2", "the database's number"),
        ("rediss://:hunter2@127.0.0.1:1", "refused"),
        ("unix://:hunter2@", "/FOLDER/SOCKET"),
        ("unix://:hun/ter2@/nowhere/redis.sock", "its port"),
        ("unix://:1/hunter2@/nowhere/redis.sock", "/FOLDER/SOCKET"),
    ],
)
def test_a_malformed_or_useless_url_is_explained_without_a_piece_of_its_password(
    url, says, monkeypatch
):
    said = told(url)
    monkeypatch.setenv("STREAMLAB_REDIS_URL", url)
    diagnosis = examine()
    said += "\n".join(diagnosis.lines()) + json.dumps(diagnosis.as_dict())
    assert says in said
    assert "STREAMLAB_REDIS_URL=" in said
    assert not diagnosis.ok
    for piece in ("hun", "ter2"):
        assert piece not in said or url.endswith("/hunter2"), said  # there it is a database


# -- what is shown -----------------------------------------------------------------------------


def test_no_object_of_the_room_shows_a_password_in_its_repr(tcp, port, user, monkeypatch):
    own = tcp.url.split("@")[0].rsplit(":", 1)[1]
    who = user("+@all", "~*", password=PLANTED)
    url = f"redis://{who}@127.0.0.1:{port}/0"
    monkeypatch.setenv("STREAMLAB_REDIS_URL", url)
    with ReaderServer(url) as reader, reader.client() as client, tcp.client() as own_client:
        things = [
            *(tcp, tcp.url, tcp.cli(), own_client, own_client.connection_pool, [tcp.url]),
            *(
                reader,
                reader.url,
                reader.cli(),
                client,
                client.connection_pool,
                {"url": reader.url},
            ),
            *(tcp._slot, tcp._slot.run, examine()),
        ]
        for thing in things:
            assert own not in repr(thing)
            assert PLANTED not in repr(thing)
        for thing in (tcp, tcp.cli(), reader, reader.cli(), client, "\n".join(examine().lines())):
            assert own not in str(thing)
            assert PLANTED not in str(thing)
    assert own not in (tcp.folder / "redis.log").read_text()


def test_the_url_itself_is_whole_where_it_is_asked_for_as_text(tcp):
    with redis.Redis.from_url(str(tcp.url)) as client:
        assert client.ping() is True
    assert repr(tcp.url).count("***") == 1


@pytest.mark.parametrize("setting", ["masterauth", "no-such-password", "user"])
def test_a_refused_setting_is_shown_without_the_password_in_it(server, setting):
    with pytest.raises(ServerStartError) as caught:
        RedisServer(server.version, config={setting: f"{PLANTED} >{PLANTED} {PLANTED}"})
    assert f"'{setting} ***'" in str(caught.value)
    if setting != "user":  # there the server names the user, which is planted too
        assert PLANTED not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:a@h:1/0", "redis://:***@h:1/0"),
        ("see redis://u:a@b@h, then rediss://v:c@h", "see redis://u:***@h, then rediss://v:***@h"),
        ("redis://h/0?password=a&db=1", "redis://h/0?password=***&db=1"),
        ("redis://h/0?db=1&ssl_password=a", "redis://h/0?db=1&ssl_password=***"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("unix:///a/b.sock?db=1", "unix:///a/b.sock?db=1"),
        ("user@host: no URL", "user@host: no URL"),
    ],
)
def test_a_text_is_shown_with_all_but_the_passwords_of_its_urls(text, shown):
    assert redact(text) == shown
    if "://" in text and " " not in text:
        assert repr(RedisUrl(text)) == repr(shown)
