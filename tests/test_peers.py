"""The comparison with other task queues: it measures ours, and says why a peer is missing."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest
from support import ROOT, run_python

from streamlab import RedisServer

PEERS = ROOT / "loadtests" / "peers"


@pytest.fixture
def peers(monkeypatch):
    """The modules of the comparison, imported as its script imports them."""
    monkeypatch.syspath_prepend(str(PEERS))
    import compare
    import peers as module

    yield module, compare
    for name in ("compare", "peers"):
        del sys.modules[name]


def comparing(*args: str, **options):
    return run_python(str(PEERS / "compare.py"), *args, **options)


def test_ours_and_a_bare_loop_are_measured_without_any_peer_installed(tmp_path):
    out = tmp_path / "peers.json"
    options = ("--peers", "bare", "--repeats", "2", "--scale", "0.02", "--json", str(out))
    done = comparing(*options, "--venv", str(tmp_path / "venv"))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["missing"] == {}
    assert [[run["peer"] for run in runs] for runs in found["rounds"]] == [
        ["streamlab", "bare"],
        ["bare", "streamlab"],  # in alternating order
    ]
    for row in found["rows"]:
        assert 0 < row["rate_per_s"]["min"] <= row["rate_per_s"]["max"]
        assert row["peer"] in done.stdout
    (ours,) = [row for row in found["rows"] if row["peer"] == "streamlab"]
    assert ours["ours_over_it"] == {"median": 1.0, "min": 1.0, "max": 1.0}
    assert not (tmp_path / "venv").exists()


def test_a_peer_that_cannot_be_installed_is_listed_with_pips_reason_and_the_rest_goes_on(tmp_path):
    offline = os.environ | {"PIP_NO_INDEX": "1"}
    options = ("--peers", "huey", "--repeats", "1", "--scale", "0.01")
    done = comparing(*options, "--venv", str(tmp_path), env=offline)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("streamlab ") for line in lines)
    assert "huey             missing: not installed: ERROR: No matching distribution" in lines[-1]
    assert not list(tmp_path.glob("*/ready"))


def test_a_peer_that_fails_is_told_with_its_own_words(peers, tmp_path, monkeypatch):
    module, _ = peers
    shutil.copy(PEERS / "run.py", tmp_path)
    monkeypatch.setattr(module, "HERE", tmp_path)
    head = '# /// script\n# dependencies = []\n# [tool.peer]\n# tasks = 5\n# promise = "none"\n'
    path = tmp_path / "peer_broken.py"
    path.write_text(f'{head}# settings = "none"\n# ///\nraise ValueError("no broker")\n')
    broken = module.Peer.read(path)
    assert (broken.name, broken.tasks, broken.promise) == ("broken", 5, "none")
    with (
        RedisServer(tcp=True) as server,
        pytest.raises(module.PeerError, match=r"^ValueError: no broker$"),
    ):
        module.run_once(broken, broken.python(tmp_path), server, tmp_path, 5, timeout_s=20)


def test_a_worker_that_never_finishes_is_ended_at_the_timeout(peers, tmp_path, monkeypatch):
    module, _ = peers
    (tmp_path / "run.py").write_text(
        "import os, pathlib, sys, time\n"
        "if sys.argv[2] == 'work':\n"
        "    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    monkeypatch.setattr(module, "HERE", tmp_path)
    stuck = module.Peer("stuck", (), 5, "none", "none")
    with RedisServer(tcp=True) as server, pytest.raises(module.PeerError, match="within 2 s"):
        module.run_once(stuck, stuck.python(tmp_path), server, tmp_path, 5, timeout_s=2)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_ratios_are_of_the_same_round(peers):
    module, compare = peers

    def run(peer, seconds):
        return module.Run(peer, 101, seconds, {})

    rounds = [
        [run("streamlab", 1.0), run("other", 2.0)],
        [run("other", 40.0), run("streamlab", 10.0)],  # the machine was busy
    ]
    other = compare.summary(rounds, {})[1]
    assert other["peer"] == "other"
    assert other["rate_per_s"] == {"median": 26.25, "min": 2.5, "max": 50.0}
    assert other["ours_over_it"] == {"median": 3.0, "min": 2.0, "max": 4.0}


def test_every_peer_says_its_dependencies_promise_and_settings_and_has_a_line_in_the_readme(peers):
    module, _ = peers
    readme = (PEERS / "README.md").read_text()
    found = [module.Peer.read(path) for path in sorted(PEERS.glob("peer_*.py"))]
    assert len(found) >= 9
    for peer in found:
        assert f"\n| `{peer.name}` |" in readme
        assert peer.promise in {"at least once", "at most once", "kept, not swept"}
        assert peer.tasks > 0
        assert all("==" in each or ">=" in each for each in peer.dependencies)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--peers", "nobody"], "no peer 'nobody': it is one of arq, bare"),
        (["--repeats", "0"], "--repeats must be >= 1"),
        (["--scale", "0"], "--scale > 0, got 5, 0.0"),
    ],
)
def test_an_option_out_of_its_bounds_is_refused(args, says):
    done = comparing(*args)
    assert done.returncode == 2
    assert says in done.stderr
