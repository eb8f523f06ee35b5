"""What can be wrong before a server runs: each case says which, and what to do."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from support import NEWEST, OLDEST, VERSIONS

from streamlab.errors import ServerNotFoundError, ServerStartError, StreamlabError
from streamlab.server import RedisServer, find_redis, found_redis
from streamlab.server.install import INSTALLABLE, installed_folder

pathless = pytest.mark.usefixtures("bare")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without any redis-server; returns a folder that is its whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("STREAMLAB_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def program(path: Path, prints: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


@pathless
def test_without_any_redis_server_the_error_names_the_command_that_brings_one():
    assert found_redis() == []
    with pytest.raises(ServerNotFoundError, match=r"neither.* run `streamlab redis install`"):
        RedisServer()


@pathless
def test_a_missing_version_says_what_there_is_and_which_version_to_install():
    for asked, brings in (("8.2", "8.2.3"), ("6", "6.2.14"), ("8", NEWEST)):
        with pytest.raises(ServerNotFoundError) as caught:
            RedisServer(asked)
        assert f"version {asked} found (found: none)" in str(caught.value)
        assert str(caught.value).endswith(f"run `streamlab redis install {brings}`")


def test_a_version_that_cannot_be_installed_lists_those_that_can():
    with pytest.raises(ServerNotFoundError) as caught:
        RedisServer("9.9")
    for version in INSTALLABLE:
        assert version in str(caught.value)
    assert f"{OLDEST} (installed)" in str(caught.value)


def test_a_named_server_that_is_not_there_is_an_error_though_others_are(monkeypatch, tmp_path):
    assert found_redis()
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(tmp_path / "absent"))
    with pytest.raises(ServerNotFoundError, match=r"absent' \(STREAMLAB_REDIS_SERVER\): correct"):
        RedisServer()


def test_a_named_program_that_is_no_redis_server_is_an_error(monkeypatch):
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", shutil.which("true"))
    with pytest.raises(ServerNotFoundError, match=r"not a redis-server.*unset STREAMLAB_REDIS"):
        RedisServer()


def test_a_named_file_that_cannot_be_run_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "redis-server").write_bytes(b"\x7fELF and no more")
    (tmp_path / "redis-server").chmod(0o755)
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(tmp_path / "redis-server"))
    with pytest.raises(ServerNotFoundError, match=r"could not be run \(.*point STREAMLAB_REDIS"):
        RedisServer()


def test_a_named_server_that_is_too_old_is_an_error(monkeypatch, tmp_path):
    old = program(tmp_path / "redis-server", "Redis server v=5.0.7 sha=0:0 malloc=libc")
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(old))
    with pytest.raises(ServerNotFoundError, match=r"names Redis 5\.0\.7, the lab needs >= 6\.2"):
        RedisServer()


@pytest.mark.parametrize("prints", ["Redis server v=5.0.7 sha=0:0", "Valkey server v=8.0.1"])
def test_a_namesake_or_an_old_server_on_path_is_passed_over(bare, prints):
    program(bare / "redis-server", prints)
    assert found_redis() == []


def test_a_newer_server_goes_first_and_an_installed_one_before_its_equal_on_path(bare, monkeypatch):
    program(bare / "redis-server", f"Redis server v={OLDEST} sha=0:0")
    monkeypatch.delenv("STREAMLAB_CACHE_DIR")
    assert [(b.version, b.source) for b in found_redis() if b.version in (NEWEST, OLDEST)] == [
        (NEWEST, "installed"),
        (OLDEST, "installed"),
        (OLDEST, "PATH"),
    ]
    assert find_redis() == found_redis()[0]
    program(bare / "redis-server", "Redis server v=99.1.0 sha=0:0 newer")
    assert [b.version for b in found_redis()][:2] == ["99.1.0", NEWEST]


def test_the_named_server_is_used_before_newer_ones(monkeypatch):
    named = installed_folder(OLDEST) / "redis-server"
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(named))
    assert find_redis().server == named
    assert find_redis().source == "STREAMLAB_REDIS_SERVER"
    with RedisServer() as server:
        assert server.version == OLDEST
    assert find_redis(NEWEST).version == NEWEST


def test_a_version_is_found_by_its_beginning_in_whole_numbers():
    assert find_redis("6").version == find_redis("6.2").version == OLDEST
    assert find_redis("8.10").version == NEWEST
    with pytest.raises(ServerNotFoundError):
        find_redis("8.1")


def test_a_port_that_is_taken_is_named():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerStartError, match=f"port {port} is taken: leave out port="):
            RedisServer(tcp=True, port=port)


def test_a_tmpdir_that_does_not_exist_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    with RedisServer() as server:
        assert server.folder.parent != tmp_path / "absent"


@pytest.mark.parametrize("kind", ["absent", "a file"])
def test_a_temporary_folder_that_cannot_be_written_is_named(monkeypatch, short_path, kind):
    place = short_path / "place"
    if kind == "a file":
        place.write_bytes(b"")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with pytest.raises(ServerStartError) as caught:
        RedisServer()
    assert str(place) in str(caught.value)
    assert "set TMPDIR to one that can" in str(caught.value)


def test_without_any_temporary_folder_the_error_says_so(monkeypatch):
    def none_usable():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none_usable)
    with pytest.raises(ServerStartError, match=r"No usable temporary directory.*set TMPDIR"):
        RedisServer()


def test_a_tmpdir_too_long_for_a_socket_is_replaced_by_a_short_one(monkeypatch, tmp_path):
    deep = tmp_path / ("long" * 20) / ("longer" * 20)
    deep.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with RedisServer() as server, server.client() as client:
        assert client.ping() is True
        assert len(os.fsencode(server.socket)) <= 103
    assert list(deep.iterdir()) == []


def test_the_longest_tmpdir_that_leaves_room_is_used(monkeypatch, short_path):
    room = 103 - len("/streamlab-xxxxxxxx/redis.sock") - len(str(short_path)) - 1
    exact = short_path / ("x" * room)
    exact.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(exact))
    with RedisServer() as server:
        assert server.folder.parent == exact
        assert len(os.fsencode(server.socket)) == 103


def test_a_folder_name_with_spaces_and_quotes_does_no_harm(monkeypatch):
    odd = Path(tempfile.mkdtemp(prefix="a 'b' \"$c é "))  # short, for the socket's sake
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with RedisServer(persistence="always") as server, server.client() as client:
        client.set("key", "value")
        server.restart()
        assert client.get("key") == "value"
        assert server.folder.parent == odd
    odd.rmdir()  # fails unless it is empty


@pytest.mark.parametrize("version", VERSIONS)
def test_a_setting_that_the_server_refuses_is_shown(version):
    with pytest.raises(ServerStartError) as caught:
        RedisServer(version, config={"no-such-setting": "1"})
    assert "refused a setting: correct config=" in str(caught.value)
    assert "'no-such-setting 1'" in str(caught.value)


def no_redis(folder, monkeypatch, lines):
    """Make a script of that name the server; it tells a version, and else does `lines`."""
    script = folder / "redis-server"
    script.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo 'Redis server v=7.2.0 ' && exit\n" + lines
    )
    script.chmod(0o755)
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(script))


def test_a_server_that_does_not_answer_in_time_is_given_up(monkeypatch, tmp_path):
    no_redis(tmp_path, monkeypatch, "exec sleep 60\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(ServerStartError, match=r"PING within 0\.05 s: raise start_timeout_s"):
        RedisServer(start_timeout_s=0.05)
    assert list(folder.iterdir()) == []


def test_a_server_that_ends_at_once_shows_its_last_words(monkeypatch, tmp_path):
    no_redis(tmp_path, monkeypatch, "echo out of luck; exit 1\n")
    with pytest.raises(ServerStartError, match=r"7\.2\.0 did not start.*\nout of luck"):
        RedisServer()


def test_every_error_of_the_room_is_one_of_the_packages():
    for error in (ServerNotFoundError, ServerStartError):
        assert issubclass(error, StreamlabError)
