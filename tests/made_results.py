"""Results folders made of arithmetic: no server, no process, the same each time."""

from __future__ import annotations

import heapq
import json

import numpy as np
from loads import S, observed

from streamlab.load.disturb import Incident
from streamlab.load.life import Life
from streamlab.load.sampler import Sample
from streamlab.load.share import CommandShare, ServerShare
from streamlab.measure.details import Details
from streamlab.measure.folder import DETAILS, HDR, MANIFEST, RUNS, Results, RunsCsv
from streamlab.measure.hdr_log import CORRECTED, UNCORRECTED, write_log
from streamlab.measure.judged import Asked, latency_run
from streamlab.measure.runs import Run
from streamlab.measure.tasks import Tasks


def lived(load, rate_per_s, seconds, *, stall=None, kills=()):
    """One producer, consumers with an equal service time, a server that stands still in `stall`."""
    tasks, t0 = int(rate_per_s * seconds * 1.25), 10 * S
    number = np.arange(tasks)
    due = t0 + np.rint(number * S / rate_per_s).astype(np.int64)
    begin, end = (t0 + int(at_s * S) for at_s in stall or (1e6, 1e6))

    def served(at):
        return end if begin <= at < end else at

    sent, added, received, done, acked = (np.zeros(tasks, np.int64) for _ in range(5))
    replied, free = 0, [0] * load.consumers
    for i in range(tasks):
        sent[i] = max(due[i], replied)
        replied = added[i] = served(sent[i] + 80_000 + 1_000 * (i % 7))
        received[i] = served(max(added[i], heapq.heappop(free)) + 20_000)
        done[i] = received[i] + 100_000 + int(load.work_ms * 1e6) + 1_000 * (i % 11)
        acked[i] = served(done[i] + 50_000)
        heapq.heappush(free, int(acked[i]))
    incidents = [Incident(t0 + int(at * S), "killed", "consumer-1", 1) for at in kills]
    if stall:
        incidents += [Incident(begin, "stopped", "the server")]
        incidents += [Incident(end, "continued", "the server")]
    commands = {"xadd": CommandShare(tasks, 5.0), "xreadgroup": CommandShare(tasks, 50.0)}
    sampled = range(int(seconds * 12))
    return observed(
        load=load,
        due=due,
        measured_from=tasks // 5,
        sends=list(zip(number, sent, added, strict=True)),
        effects=list(zip(number, received, received + 10_000, done, strict=True)),
        acks=list(zip(number, acked, strict=True)),
        lives={"producer": Life(0.1, 0, seconds)},
        share=ServerShare(commands, 0.05, 2_000_000, 500_000),
        samples=tuple(Sample(t0 + k * 10**8, 0, 1, 1_500_000 + 5_000 * k) for k in sampled),
        incidents=tuple(incidents),
        began_s=1.7e9,
    )


class Folder:
    """A results folder that is filled by hand."""

    def __init__(self, path, charts, cases=(), **facts) -> None:
        self.path = path
        for part in (HDR, DETAILS):
            (path / part).mkdir(parents=True)
        manifest = {"experiment": "made", "question": "What is it?", "charts": charts}
        manifest |= {"axis": "what differs", "caveats": [], "cases": list(cases), "server": {}}
        manifest |= {"settings": {"size": "short"}, "date": "2026-01-02T03:04:05+00:00"}
        (path / MANIFEST).write_text(json.dumps(manifest | facts))
        RunsCsv(path / RUNS).__exit__()

    def add(self, mode, case, values, column="throughput_per_s", reason="", **more):
        """A run for each value of a column."""
        with RunsCsv(self.path / RUNS) as table:
            for repeat, value in enumerate(values, 1):
                told = {"valid": not reason, "reason": reason, "repeat": repeat} | more
                table.write(Run(mode=mode, case=case, **{column: value}, **told))
        return self

    def latency(self, case, load, rate_per_s=500.0, seconds=2.2, repeat=1, share=None, **events):
        """A run with its histograms and timeline, by the functions that judge real ones."""
        seen = lived(load, rate_per_s, seconds, **events)
        name = f"run-{len(list((self.path / HDR).iterdir()))}"
        asked = Asked(case=case, repeat=repeat, rate_per_s=rate_per_s, share=share, seconds=seconds)
        write_latencies(self.path / HDR / f"{name}.hdr", seen)
        Details.of(seen).write(self.path / DETAILS / f"{name}.json")
        with RunsCsv(self.path / RUNS) as table:
            table.write(latency_run(seen, asked, name=name))
        return self

    @property
    def results(self):
        return Results.read(self.path)


def write_latencies(path, seen):
    """Both clocks' histograms of a run."""
    tasks = Tasks.of(seen)
    latencies = {CORRECTED: tasks.done - tasks.due, UNCORRECTED: tasks.done - tasks.sent}
    write_log(path, tasks.due, latencies, seen.began_s)
