"""The table of capabilities, held against what each server really does."""

from __future__ import annotations

import subprocess

import pytest

from streamlab.errors import BadArgumentError
from streamlab.server import CAPABILITIES, capabilities_of
from streamlab.server.capabilities import parse_version


def ask(server, *words: str) -> str:
    """What redis-cli prints: an oracle that shares no code with redis-py or the lab."""
    call = server.cli()
    done = subprocess.run(
        [*call.argv, *words], env={**call.env}, capture_output=True, text=True, timeout=20
    )
    return done.stdout + done.stderr


def accepts(server, *words: str) -> bool:
    return "ERR" not in ask(server, *words)


def observed(server, key: str) -> set[str]:
    """Make a stream with a group and a deleted entry, and try each capability on it."""
    ask(server, "XGROUP", "CREATE", key, "workers", "0", "MKSTREAM")
    for number in ("1-1", "2-1"):
        ask(server, "XADD", key, number, "data", number)
    assert "2-1" in ask(server, "XREADGROUP", "GROUP", "workers", "a", "STREAMS", key, ">")
    ask(server, "XDEL", key, "1-1")
    sweep = ask(server, "XAUTOCLAIM", key, "workers", "b", "0", "0").split("\n")
    ask(server, "XADD", f"{key}-once", "IDMP", "producer", "1", "*", "data", "1")
    ask(server, "XADD", f"{key}-once", "IDMP", "producer", "1", "*", "data", "1")
    read = ("XREADGROUP", "GROUP", "workers", "c")
    found = {
        "lag": "lag" in ask(server, "XINFO", "GROUPS", key).split("\n"),
        # Cursor, the entry that is left, and the id of the one that is gone, the last line.
        "XAUTOCLAIM deleted ids": [line for line in sweep if line][-1] == "1-1",
        "XACKDEL": "xackdel" in ask(server, "COMMAND", "INFO", "XACKDEL"),
        "CLAIM": "2-1" in ask(server, *read, "CLAIM", "0", "STREAMS", key, ">"),
        "IDMP": ask(server, "XLEN", f"{key}-once").strip() == "1",
        "XNACK": "xnack" in ask(server, "COMMAND", "INFO", "XNACK"),
        "MAXCOUNT": accepts(server, "XREAD", "MAXCOUNT", "1", "STREAMS", key, "0"),
    }
    assert found.keys() == {c.name for c in CAPABILITIES}
    return {name for name, has in found.items() if has}


def test_each_server_can_do_exactly_what_the_table_says(server, key):
    assert observed(server, key) == set(server.capabilities)


def test_the_newest_server_can_do_everything_in_the_table(newest):
    assert newest.capabilities == {c.name for c in CAPABILITIES}


def test_the_oldest_server_can_do_nothing_in_the_table(oldest):
    assert oldest.capabilities == frozenset()


def test_versions_compare_as_numbers():
    assert parse_version("8.10.2") > parse_version("8.9.9") > parse_version("8.9")
    assert "MAXCOUNT" in capabilities_of("8.10")
    assert "MAXCOUNT" not in capabilities_of("8.9.9")
    assert "lag" in capabilities_of("7.0.0")
    assert "lag" not in capabilities_of("6.2.14")


@pytest.mark.parametrize("version", ["", "8.", "v8", "8.0-rc1", "8 .0", "latest", "8.0\n"])
def test_a_version_that_is_not_numbers_is_refused(version):
    with pytest.raises(BadArgumentError, match="version must be numbers and dots"):
        parse_version(version)
