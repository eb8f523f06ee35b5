"""streamlab's worker and its peers, one worker process each, in one run on one private server.

``python loadtests/peers/compare.py`` installs each peer in a virtual environment of its own,
then measures them in turn; the README beside this file says what is measured and how.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peers import HERE, ROOT, Peer, PeerError, Run, run_once
from tqdm import tqdm

from streamlab import RedisServer

OURS = "streamlab"


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    known = sorted(path.stem.removeprefix("peer_") for path in HERE.glob("peer_*.py"))
    add = parser.add_argument
    add("--venv", type=Path, default=ROOT / "loadtests/results/peers", help="where to install")
    add("--peers", default=",".join(known), help="names, with commas; default: all")
    add("--repeats", type=int, default=5, help="runs of each, in alternating order (%(default)s)")
    add("--scale", type=float, default=1.0, help="times each peer's number of tasks")
    add("--timeout", type=float, default=120.0, help="seconds until a run is given up")
    add("--redis", default=None, help="version of the server; default: the newest")
    add("--json", type=Path, help="write every run to this file")
    chosen = parser.parse_args(arguments)
    chosen.peers = list(dict.fromkeys([OURS, *chosen.peers.split(",")]))
    if unknown := sorted(set(chosen.peers) - set(known)):
        parser.error(f"no peer {unknown[0]!r}: it is one of {', '.join(known)}")
    if chosen.repeats < 1 or not chosen.scale > 0:
        parser.error(
            f"--repeats must be >= 1 and --scale > 0, got {chosen.repeats}, {chosen.scale}"
        )
    return chosen


class Comparison:
    """What was measured: the runs of each round, and why which peer is missing from them."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.rounds: list[list[Run]] = []
        self.missing: dict[str, str] = {}
        self.redis = ""
        self._ready: dict[str, tuple[Peer, Path]] = {}

    def measure(self) -> None:
        """Install all, then run all in turn, every other round in reverse."""
        steps = len(self.chosen.peers) * (self.chosen.repeats + 1)
        with (
            tqdm(total=steps, file=sys.stderr, unit="step", leave=False, disable=None) as bar,
            RedisServer(self.chosen.redis, tcp=True) as server,
            tempfile.TemporaryDirectory() as folder,
        ):
            self.redis = server.version
            for name in self.chosen.peers:
                bar.set_description(f"install {name}")
                self._install(name)
                bar.update()
            for number in range(self.chosen.repeats):
                self.rounds.append([])
                for name in self.chosen.peers[:: -1 if number % 2 else 1]:
                    bar.set_description(f"round {number + 1}, {name}")
                    self._run(name, server, Path(folder))
                    bar.update()

    def _install(self, name: str) -> None:
        try:
            peer = Peer.read(HERE / f"peer_{name}.py")
            self._ready[name] = peer, peer.python(self.chosen.venv)
        except PeerError as exc:
            self.missing[name] = f"not installed: {exc}"

    def _run(self, name: str, server: RedisServer, folder: Path) -> None:
        if name in self.missing:
            return
        peer, python = self._ready[name]
        tasks = max(2, round(peer.tasks * self.chosen.scale))
        try:
            run = run_once(peer, python, server, folder, tasks, timeout_s=self.chosen.timeout)
        except PeerError as exc:
            self.missing[name] = str(exc)
        else:
            self.rounds[-1].append(run)

    def as_dict(self) -> dict[str, Any]:
        """Every run, and on what machine."""
        machine = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "redis": self.redis,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
        }
        return {
            "machine": machine,
            "rows": summary(self.rounds, self.missing),
            "missing": self.missing,
            "rounds": [[asdict(run) for run in runs] for runs in self.rounds],
        }


def summary(rounds: list[list[Run]], missing: dict[str, str]) -> list[dict[str, Any]]:
    """A row a peer: median and spread of its rates, and of ours over its in the same round."""
    rates: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    for runs in rounds:
        found = {run.peer: run.rate_per_s for run in runs}
        for name, rate in found.items():
            rates.setdefault(name, []).append(rate)
            if OURS in found:
                ratios.setdefault(name, []).append(found[OURS] / rate)
    rows = [
        {"peer": name, "rate_per_s": spread(rates[name]), "ours_over_it": spread(ratios.get(name))}
        for name in rates
        if name not in missing
    ]
    return sorted(rows, key=lambda row: -row["rate_per_s"]["median"])


def spread(values: list[float] | None) -> dict[str, float] | None:
    """Median, smallest and largest."""
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def table(rows: list[dict[str, Any]], missing: dict[str, str]) -> str:
    """What is printed."""
    lines = [f"{'peer':<17}{'tasks/s':>8}  {'min..max':<16}{'ours/it':>8}  {'min..max':<14}promise"]
    for row in rows:
        peer = Peer.read(HERE / f"peer_{row['peer']}.py")
        rate, ratio = row["rate_per_s"], row["ours_over_it"]
        line = f"{peer.name:<17}{rate['median']:>8,.0f}  {_between(rate):<16}"
        line += f"{_short(ratio['median']):>8}  {_between(ratio):<14}" if ratio else " " * 24
        lines += [line + peer.promise, f"  {peer.settings}"]
    return "\n".join(lines + [f"{name:<17}missing: {why}" for name, why in missing.items()])


def _between(values: dict[str, float]) -> str:
    return f"{_short(values['min'])}..{_short(values['max'])}"


def _short(value: float) -> str:
    """Three digits or more."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"  # noqa: PLR2004 - digits


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 1 if ours is not in the table."""
    comparison = Comparison(options(arguments))
    comparison.measure()
    found = comparison.as_dict()
    print(table(found["rows"], found["missing"]))
    if comparison.chosen.json:
        comparison.chosen.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if OURS in comparison.missing else 0


if __name__ == "__main__":
    sys.exit(main())
