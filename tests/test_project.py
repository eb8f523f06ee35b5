"""The project's frame: dependency lists agree, the Makefile keeps its promises."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from support import ROOT, make

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What conda-forge calls otherwise, and what it has beyond PyPI: a server.
CONDA_NAMES = {"redis": "redis-py", "matplotlib": "matplotlib-base"}
CONDA_ONLY = {"python", "pip", "redis-server"}
# For those who change the project; who reads it with conda needs the tests only.
NOT_IN_CONDA = {
    *("hypothesis", "mypy", "pandas-stubs", "playwright", "pre-commit", "psutil"),
    *("pyyaml", "ruff"),
    "trustme",
}


def requirements():
    optional = PROJECT["optional-dependencies"]["dev"]
    return [Requirement(text) for text in [*PROJECT["dependencies"], *optional]]


def tracked():
    answer = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in answer.stdout.splitlines() if (ROOT / name).is_file()]


def test_environment_yml_and_pyproject_name_the_same_things():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (by_pip,) = [item["pip"] for item in listed if isinstance(item, dict)]
    conda = dict(item.split(" ", 1) for item in listed if isinstance(item, str) and " " in item)
    names = {item.split(" ")[0] for item in listed if isinstance(item, str)}
    pip = dict(item.split(" ", 1) for item in by_pip if not item.startswith("-e"))
    assert "-e ." in by_pip
    ours = {r.name: str(r.specifier) for r in requirements() if r.name not in NOT_IN_CONDA}
    assert names - CONDA_ONLY | set(pip) == {
        name if name in pip else CONDA_NAMES.get(name, name) for name in ours
    }
    for name, bound in ours.items():
        assert pip.get(name) or conda[CONDA_NAMES.get(name, name)] == bound, name


def test_every_requirement_is_pinned_by_the_constraints():
    pinned = {
        re.split(r"[=;\s]", line)[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert {r.name.lower() for r in requirements()} <= pinned


def test_no_requirement_has_an_upper_bound_without_a_reason():
    text = (ROOT / "pyproject.toml").read_text()
    for requirement in requirements():
        if "<" in str(requirement.specifier):
            (line,) = [n for n in text.splitlines() if f'"{requirement.name}' in n]
            assert "#" in line, f"{requirement} needs its reason beside it"


def test_make_alone_lists_every_target():
    answer = make()
    targets = ["lab", "test", "bench", "setup", "lint", "type", "format", "notebooks", "clean"]
    for target in targets:
        assert re.search(rf"^make {target} ", answer.stdout, re.MULTILINE), target


def test_setup_does_nothing_when_nothing_changed_and_again_when_the_content_did(tmp_path):
    """In a folder with spaces; a stand-in for pip tells whether it was asked."""
    home = tmp_path / "a folder with spaces"
    (home / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, home)

    def asked(target="setup"):
        return "pip install" in make("--dry-run", target, cwd=home).stdout

    assert asked()
    key = make("--eval", "key: ; @echo $(READY)", "key", cwd=home).stdout.strip()
    (home / key).touch()
    assert not asked()
    os.utime(home / "pyproject.toml", (0, 0))  # an older or newer date is no other content
    assert not asked()
    (home / "constraints.txt").write_text("redis==8.0.0\n")
    assert asked()


def test_ci_calls_the_readmes_own_commands():
    ci = (ROOT / ".ci/run").read_text()
    assert "make lint type test" in ci
    assert "make test" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "pattern",
    [
        r"/root/|/home/[a-z]|/Users/[a-z]",
        r"https?://(files\.pythonhosted|pypi)\.",
        r"/work/(main|shared)",
    ],
)
def test_nothing_names_a_machines_path_or_a_registrys_host(pattern):
    for path in tracked():
        if path.suffix == ".png" or path.name == "test_project.py" or path.parts[-2] == "tests":
            continue
        found = re.search(pattern, path.read_text(errors="replace"))
        assert not found, f"{path}: {found}"


def test_nothing_is_unpickled_or_evaluated():
    for path in tracked():
        if path.suffix == ".py" and "streamlab" in path.relative_to(ROOT).parts:
            text = path.read_text()
            assert not re.search(r"\bpickle\b|\beval\(|\bexec\(|yaml\.load\(", text) or (
                path.name == "scripts.py" and text.count("eval(") == text.count("client.eval(")
            ), path
