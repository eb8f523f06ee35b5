"""README and CHANGELOG: what they say exists, exists."""

from __future__ import annotations

import functools
import re

import pytest
from support import ROOT, make, streamlab

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(?:sh|shell|bash|console)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]


def test_the_readme_has_commands():
    assert "make lab" in COMMANDS
    assert "make test" in COMMANDS


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_every_make_command_of_the_readme_exists(command):
    answer = make("--dry-run", *command.split()[1:])
    assert answer.returncode == 0, answer.stderr


@functools.cache
def help_of(*names: str) -> str:
    return streamlab(*names, "--help").stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if "streamlab " in c and "make" not in c])
def test_every_streamlab_command_of_the_readme_exists_with_its_options(command):
    words = command[command.index("streamlab ") :].split()[1:]
    names = [w for w in words[:2] if re.fullmatch(r"[a-z]+", w)]
    names = names if names[:1] in (["redis"], ["bench"]) else names[:1]
    helped = help_of(*names)
    assert helped, command
    for option in (w.split("=")[0] for w in words if w.startswith("--")):
        assert option in helped, f"{command}: {option}"


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_file_that_the_readme_links_to_exists(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(STREAMLAB_[A-Z_]+)`", README))))
def test_every_variable_of_the_readme_is_read_by_the_code(name):
    assert any(name in path.read_text() for path in (ROOT / "streamlab").rglob("*.py"))


def test_the_changelog_tells_of_this_version():
    from streamlab import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
