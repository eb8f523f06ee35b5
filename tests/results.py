"""Small results folders with known figures, for the tests that compare them."""

from __future__ import annotations

import json

from streamlab.load.settings import Load
from streamlab.measure.folder import MANIFEST, RUNS, Results, RunsCsv
from streamlab.measure.runs import Mode, Run

MACHINE = {"system": "Linux 6", "architecture": "x86_64", "processor": "P1"}
MACHINE |= {"cores": 4, "usable_cores": 4}
VERSIONS = {"redis": "8.10.2", "python": "3.11.7", "streamlab": "0.3.0"}
SETTINGS = {"size": "full", "seconds": 4.0, "repeats": 5, "seed": 1, "counts": [1, 2]}
SPREAD = (0.99, 0.995, 1.0, 1.005, 1.01)


def floor(bare=1.0, ours=1.0, spread=SPREAD):
    """A manifest's floor; `bare`, `ours`: how many times slower than usual."""
    bare_us, ours_us = [100 * bare * s for s in spread], [130 * bare * ours * s for s in spread]
    bare_per_s = [9000 / bare * s for s in spread]
    ours_per_s = [8000 / bare / ours * s for s in spread]
    return {
        "rate_per_s": 500,
        "bare_p50_us": bare_us,
        "harness_p50_us": ours_us,
        "p50_ratios": [o / b for o, b in zip(ours_us, sorted(bare_us)[::-1], strict=True)],
        "bare_per_s": bare_per_s,
        "harness_per_s": ours_per_s,
        "throughput_ratios": [o / b for o, b in zip(ours_per_s, bare_per_s[::-1], strict=True)],
    }


def capacity(times=1.0, case="1 consumer", spread=SPREAD, **more):
    """Valid capacity runs: 1,000 tasks/s, multiplied by `times`."""
    more = {"valid": True, "load": Load(consumers=int(case[0]))} | more
    return [
        Run(mode=Mode.CAPACITY, case=case, repeat=n, throughput_per_s=1000 * times * s, **more)
        for n, s in enumerate(spread, 1)
    ]


def latency(times=1.0, rate=500.0, p99=None, **more):
    """Valid latency runs: 2 and 9 ms, multiplied by `times` (the 9 by `p99`, "none": no p99)."""
    return [
        Run(
            mode=Mode.LATENCY,
            case="1 consumer",
            repeat=n,
            rate_per_s=rate,
            p50_us=round(2000 * times * s),
            p99_us=None if p99 == "none" else round(9000 * (p99 or times) * s),
            **{"valid": True} | more,
        )
        for n, s in enumerate(SPREAD, 1)
    ]


def written(parent, name, runs, **manifest):
    """A results folder with these runs; `manifest` replaces entries of an ordinary one."""
    path = parent / name
    path.mkdir()
    told = {"experiment": "consumers", "machine": MACHINE, "versions": VERSIONS}
    told |= {"settings": SETTINGS, "floor": floor(), "cases": ["1 consumer", "2 consumers"]}
    (path / MANIFEST).write_text(json.dumps(told | manifest))
    with RunsCsv(path / RUNS) as table:
        for run in runs:
            table.write(run)
    return Results.read(path)
