"""The checker convicts every known mistake, and acquits our worker under the same faults."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support import NEWEST, OLDEST, ROOT

from streamlab.chaos import ChaosSettings, FaultKind, run_chaos

SEEDS = (1, 2, 3)
# A kill must fall between two steps: a few runs more, where it did not.
CONVICTION_SEEDS = range(1, 7)
_BASE = ChaosSettings(
    tasks=200, workers=2, nemesis=(), version=NEWEST, min_idle_ms=300, work_ms=10, quiet_s=3.0
)
KILLS = dataclasses.replace(_BASE, nemesis=(FaultKind.KILL,))
POISON = dataclasses.replace(_BASE, work_ms=1, poison=25)
POISON_AND_KILLS = dataclasses.replace(KILLS, work_ms=1, poison=100)
DEADLY = dataclasses.replace(_BASE, work_ms=1, deadly=1)
SLOW = dataclasses.replace(_BASE, tasks=12, min_idle_ms=100, work_ms=350, exactly_once=True)
BACKLOG = dataclasses.replace(_BASE, workers=1, work_ms=30)
MOST = {"quiet_s": 30.0}  # for ours: it is done long before

CASES = {
    "article": (KILLS, "stuck"),
    "f01_no_sweep": (KILLS, "stuck"),
    "f03_ack_first": (KILLS, "lost"),
    "f04_noack": (KILLS, "lost"),
    "f05_ack_on_error": (POISON, "lost"),
    "f10_no_drain": (KILLS, "stuck"),
    "f25_delete_consumer": (KILLS, "lost"),
    "f26_min_idle_too_short": (SLOW, "duplicated"),
    "f27_no_heartbeat": (SLOW, "duplicated"),
    "f29_cursor_ignored": (POISON, "stuck"),
    "f30_justid_sweep": (POISON, "stuck"),
    "f31_no_limit": (POISON, "stuck"),
    "f32_dead_letter_in_two_steps": (POISON_AND_KILLS, "lost"),
    "f33_counted_after_the_handler": (DEADLY, "stuck"),
    "f38_maxlen": (BACKLOG, "lost"),
    "f41_unsafe_trim": (KILLS, "lost"),
}
SCENARIOS = {
    "kills": KILLS,
    "poison": POISON,
    "poison and kills": POISON_AND_KILLS,
    "deadly": DEADLY,
    "slow": SLOW,
    "backlog": BACKLOG,
}


@pytest.fixture(autouse=True)
def _contestants_can_be_imported(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))


def test_every_broken_worker_has_its_case():
    found = {path.stem for path in (ROOT / "tests" / "broken").glob("*.py")}
    assert found - {"__init__", "sweeping"} == set(CASES)
    assert {settings for settings, _ in CASES.values()} == set(SCENARIOS.values())


@pytest.mark.parametrize("name", CASES)
def test_a_known_mistake_is_convicted_within_six_seeds(name):
    settings, of = CASES[name]
    for seed in CONVICTION_SEEDS:
        broken = dataclasses.replace(settings, seed=seed, contestant=f"broken.{name}:consume")
        verdict = run_chaos(broken).verdict
        print(f"{name}, seed {seed}:", {str(c): n for c, n in verdict.counts.items() if n})
        if not verdict.valid and getattr(verdict, of):
            assert verdict.timeline is not None
            assert f"--seed {seed}" in str(verdict)
            assert f"--contestant broken.{name}:consume" in str(verdict)
            return
    pytest.fail(f"{name} was acquitted of {of} on the seeds {CONVICTION_SEEDS}")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_our_worker_is_acquitted_where_they_are_convicted(scenario):
    for seed, version in zip(SEEDS, (NEWEST, OLDEST, NEWEST), strict=True):
        ours = dataclasses.replace(SCENARIOS[scenario], seed=seed, version=version, **MOST)
        verdict = run_chaos(ours).verdict
        assert verdict.valid, str(verdict)
        assert verdict.dead_lettered == ours.poison + ours.deadly


def test_the_articles_consumer_here_is_the_articles():
    """Its calls, in its order; only where it is told what to do is it another."""
    here = (Path(__file__).parent / "broken" / "article.py").read_text()
    for call in ('id="0", mkstream=True', 'streams={arena.stream: ">"}, block=1000', "r.xack("):
        assert call in here
