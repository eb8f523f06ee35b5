"""The doctor: what is there, what is missing, what to do; and no exception whatever is broken."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import metadata

import pytest
from support import NEWEST, OLDEST

from streamlab.doctor import checks as doctor
from streamlab.doctor.diagnosis import Diagnosis, Finding, Status
from streamlab.server import CAPABILITIES, capabilities_of
from streamlab.server.install import installed_folder

TRUE = shutil.which("true")  # a program that is not a redis-server


def named(diagnosis: Diagnosis, name: str) -> list[Finding]:
    return [finding for finding in diagnosis.findings if finding.name == name]


def only(diagnosis: Diagnosis, name: str) -> Finding:
    (finding,) = named(diagnosis, name)
    return finding


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose notebooks the test writes."""
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "streamlab" / "server" / "doctor.py"))
    (tmp_path / "notebooks" / "1-commands").mkdir(parents=True)

    def write(name: str, notebook: object) -> None:
        path = tmp_path / "notebooks" / "1-commands" / name
        path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook))

    return write


def test_on_a_machine_with_everything_nothing_is_a_problem():
    diagnosis = doctor.examine()
    assert diagnosis.ok
    assert not [f for f in diagnosis.findings if f.status is Status.PROBLEM]
    assert "PING" in only(diagnosis, "private server").fact
    servers = [finding.fact for finding in named(diagnosis, "redis-server")]
    assert servers[0].startswith(f"{NEWEST} (installed, ")
    assert servers[0].endswith(", used")
    assert any(fact.startswith(f"{OLDEST} (installed, ") for fact in servers)
    assert only(diagnosis, "redis").fact.startswith(metadata.version("redis"))


def test_every_capability_is_told_with_what_it_gives():
    diagnosis = doctor.examine()
    for item in CAPABILITIES:
        assert only(diagnosis, item.name) == Finding(item.name, Status.OK, item.gives)


def test_on_an_old_server_each_missing_capability_is_a_warning_with_its_version(monkeypatch):
    named_server = installed_folder(OLDEST) / "redis-server"
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(named_server))
    diagnosis = doctor.examine()
    assert diagnosis.ok
    assert only(diagnosis, "STREAMLAB_REDIS_SERVER").status is Status.OK
    for item in CAPABILITIES:
        finding = only(diagnosis, item.name)
        assert finding.status is Status.WARNING
        assert f"not in Redis {OLDEST}, came with Redis {item.since}" in finding.fact
        assert finding.fix == "run `streamlab redis install`"


def test_the_reader_servers_capabilities_are_those_that_count(monkeypatch, oldest):
    monkeypatch.setenv("STREAMLAB_REDIS_URL", f"unix://{oldest.socket}")
    diagnosis = doctor.examine()
    assert diagnosis.ok
    assert f"is Redis {OLDEST}" in only(diagnosis, "STREAMLAB_REDIS_URL").fact
    assert {f.status for c in CAPABILITIES for f in named(diagnosis, c.name)} == {Status.WARNING}
    assert "upgrade that server" in only(diagnosis, "lag").fix


def break_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("STREAMLAB_CACHE_DIR", str(tmp_path / "cache"))


def break_named_server(monkeypatch, _tmp_path):
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", TRUE)


def break_url(monkeypatch, _tmp_path):
    monkeypatch.setenv("STREAMLAB_REDIS_URL", "redis://:hunter2@127.0.0.1:1")


def break_redis_py(monkeypatch, _tmp_path):
    monkeypatch.setenv("STREAMLAB_REDIS_URL", "redis://:hunter2@127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "redis", None)


def break_packages(monkeypatch, _tmp_path):
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", version)


def break_temporary_folder(monkeypatch, _tmp_path):
    # A short path: a long one would be passed over, for the sake of the socket's name.
    monkeypatch.setattr("tempfile.tempdir", "/dev/null")


def break_what_nobody_thought_of(monkeypatch, _tmp_path):
    def platform() -> str:
        raise RuntimeError("secret")

    monkeypatch.setattr(doctor.platform, "machine", platform)


BREAKAGES = {
    break_path: "redis-server",
    break_named_server: "STREAMLAB_REDIS_SERVER",
    break_url: "STREAMLAB_REDIS_URL",
    break_redis_py: "STREAMLAB_REDIS_URL",
    break_packages: "redis",
    break_temporary_folder: "private server",
    break_what_nobody_thought_of: "Python",
}


@pytest.mark.parametrize("breaks", BREAKAGES)
def test_a_broken_thing_is_a_problem_with_a_fix_and_never_an_exception(
    breaks, monkeypatch, tmp_path
):
    breaks(monkeypatch, tmp_path)
    diagnosis = doctor.examine()
    assert not diagnosis.ok
    problems = [f for f in diagnosis.findings if f.status is Status.PROBLEM]
    assert BREAKAGES[breaks] in {f.name for f in problems}
    assert all(f.fix for f in diagnosis.findings if f.status is not Status.OK)
    assert "hunter2" not in "\n".join(diagnosis.lines())
    assert json.loads(json.dumps(diagnosis.as_dict()))["ok"] is False


def test_all_broken_at_once_is_still_a_diagnosis(monkeypatch, tmp_path):
    for breaks in BREAKAGES:
        breaks(monkeypatch, tmp_path)
    diagnosis = doctor.examine()
    assert not diagnosis.ok
    assert only(diagnosis, "compilers").status is Status.WARNING
    assert "build-essential" in only(diagnosis, "compilers").fix
    assert only(diagnosis, "redis-cli").fix == "run `streamlab redis install`"


@pytest.mark.parametrize(
    ("prints", "says"),
    [
        ("Redis server v=5.0.7 sha=0:0", "is Redis 5.0.7, older than 6.2: not used"),
        ("Valkey server v=8.0.1", "is not a redis-server"),
    ],
)
def test_a_server_on_path_that_is_passed_over_is_told(monkeypatch, tmp_path, prints, says):
    program = tmp_path / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{prints}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    warnings = [f for f in named(doctor.examine(), "redis-server") if f.status is Status.WARNING]
    assert [says in finding.fact for finding in warnings] == [True]


def test_a_cache_folder_that_cannot_be_made_is_a_warning(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("STREAMLAB_CACHE_DIR", str(tmp_path / "file" / "cache"))
    finding = only(doctor.examine(), "cache folder")
    assert finding.status is Status.WARNING
    assert "set STREAMLAB_CACHE_DIR" in finding.fix


def test_a_tmpdir_that_is_not_used_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    finding = only(doctor.examine(), "temporary folder")
    assert finding.status is Status.WARNING
    assert str(tmp_path / "absent") in finding.fact


def test_too_little_room_for_compiling_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor, "_ROOM_MB", 10**12)
    finding = only(doctor.examine(), "cache folder")
    assert finding.status is Status.WARNING
    assert "compiling needs" in finding.fact


def test_each_notebook_runs_or_runs_with_notes(checkout, monkeypatch):
    checkout("02-new.ipynb", {"metadata": {"streamlab": {"needs": ["lag", "XNACK"]}}})
    checkout("01-old.ipynb", {"metadata": {}})
    diagnosis = doctor.examine()
    assert [(lesson.path, lesson.missing) for lesson in diagnosis.lessons] == [
        ("notebooks/1-commands/01-old.ipynb", ()),
        ("notebooks/1-commands/02-new.ipynb", ()),
    ]
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", str(installed_folder(OLDEST) / "redis-server"))
    diagnosis = doctor.examine()
    assert diagnosis.ok
    assert [lesson.missing for lesson in diagnosis.lessons] == [(), ("lag", "XNACK")]
    assert diagnosis.lines()[-2:] == [
        "lesson   notebooks/1-commands/01-old.ipynb: runs",
        "lesson   notebooks/1-commands/02-new.ipynb: with notes: no lag, XNACK",
    ]
    assert diagnosis.as_dict()["lessons"][1]["needs"] == ("lag", "XNACK")


@pytest.mark.parametrize(
    "notebook",
    [
        "not JSON",
        "[]",
        {},
        {"metadata": None},
        {"metadata": {"streamlab": {"needs": 3}}},
        {"metadata": {"streamlab": {"needs": ["TELEPATHY"]}}},
    ],
)
def test_a_notebook_that_cannot_be_read_is_a_problem(checkout, notebook):
    checkout("01.ipynb", notebook)
    diagnosis = doctor.examine()
    assert not diagnosis.ok
    finding = only(diagnosis, "notebooks/1-commands/01.ipynb")
    assert finding.status is Status.PROBLEM
    assert finding.fix == "run `git checkout -- notebooks/1-commands/01.ipynb`"


def test_outside_a_checkout_there_are_no_lessons(checkout, tmp_path):
    assert callable(checkout)
    shutil.rmtree(tmp_path / "notebooks")
    assert doctor.examine().lessons == ()


def test_each_fix_stands_on_a_line_of_its_own_under_what_it_mends():
    diagnosis = Diagnosis(
        (Finding("a", Status.OK, "fine"), Finding("b", Status.WARNING, "amiss", "mend it")), ()
    )
    assert diagnosis.lines() == ["ok       a: fine", "warning  b: amiss", "         -> mend it"]
    assert diagnosis.ok
    assert capabilities_of(NEWEST) == {c.name for c in CAPABILITIES}
