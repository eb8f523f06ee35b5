"""The whole benchmark: capacity, floor, latency, each run judged and written down as it ends."""

from __future__ import annotations

import json
import random
import secrets
from typing import TYPE_CHECKING, Any

from streamlab.bench.figures import middle_throughput_per_s
from streamlab.bench.floor import ROUNDS, measure_floor
from streamlab.bench.latency import samples_needed
from streamlab.bench.manifest import manifest, measured
from streamlab.bench.result import FILES, BenchResult
from streamlab.bench.runs import Mode, Run, RunsCsv, capacity_run, latency_run, median_of_valid
from streamlab.bench.settings import MOST_TASKS
from streamlab.bench.trial import Bench
from streamlab.errors import BenchError
from streamlab.server import lab_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamlab.bench.settings import BenchSettings

    Progress = Callable[[str, float], None]

#: λ of an automatic rate, as a share of the smallest capacity.
AUTO_SHARE = 0.6
# A backlog that calibrates should last so long, in s, if a task took its work and 0.1 ms.
_CALIBRATION_S = 0.4
_LEAST_TASK_S = 0.0001


def run_bench(
    settings: BenchSettings, progress: Progress = lambda _text, _share: None
) -> BenchResult:
    """Measure, judge, and write the results into ``settings.out``.

    However it ends, Ctrl-C included, every process it started has ended with it, and
    ``runs.csv`` has each run that was finished.

    Parameters
    ----------
    progress
        Told before each run what comes, and which share of all runs is over, in [0, 1].

    Raises
    ------
    ServerError
        There is no server to be had.
    BenchError
        Nothing could be measured.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    for name in FILES:  # an old report beside new runs would mislead
        (settings.out / name).unlink(missing_ok=True)
    stream = f"streamlab-bench-{secrets.token_hex(4)}"
    with (
        lab_server(settings.redis, keys=[stream]) as server,
        server.client() as client,
        RunsCsv(settings.out / "runs.csv") as table,
    ):
        measurement = _Measurement(Bench(server, client, stream, settings), table, progress)
        result = measurement.whole()
    from streamlab.bench.report import write_report  # noqa: PLC0415 - matplotlib takes 0.5 s

    progress("report", 1.0)
    write_report(result)
    return result


def latency_seconds(seconds: float, rate_per_s: float) -> float:
    """How long a latency run is measured: `seconds`, or until there are enough tasks for a p99.

    No longer than five times `seconds`; a run that is too short even so is judged invalid.
    """
    enough = 1.05 * samples_needed(0.99) / rate_per_s
    return max(seconds, min(5 * seconds, enough))


class _Measurement:
    """The sequence of runs, and how far it has come."""

    def __init__(self, bench: Bench, table: RunsCsv, progress: Progress) -> None:
        self._bench, self._table, self._progress = bench, table, progress
        self._settings = bench.settings
        self._random = random.Random(self._settings.seed)
        self._runs: list[Run] = []
        counts = len(self._settings.consumers)
        self._steps = counts * (1 + 2 * self._settings.repeats) + 2 * ROUNDS
        self._step = 0

    def whole(self) -> BenchResult:
        """Capacity first, since λ may depend on it; then the floor, then latency."""
        facts = manifest(self._bench)
        self._save(facts)
        self._capacity()
        rate_per_s = self._settings.rate_per_s or self._auto_rate_per_s()
        seconds = latency_seconds(self._settings.seconds, rate_per_s)
        floor = measure_floor(self._bench, self._tick)
        facts |= measured(floor, rate_per_s, seconds)
        self._save(facts)
        for repeat, count in self._order():
            self._tick(f"latency at {rate_per_s:g}/s, consumers: {count}, repeat {repeat}")
            seen = self._bench.open_loop(count, rate_per_s, seconds)
            self._note(latency_run(seen, count, repeat, rate_per_s, seconds))
        return BenchResult(self._settings, tuple(self._runs), rate_per_s, floor, facts)

    def _capacity(self) -> None:
        backlog = {count: self._calibrated_backlog(count) for count in self._settings.consumers}
        for repeat, count in self._order():
            self._tick(f"capacity, consumers: {count}, repeat {repeat}")
            self._note(capacity_run(self._bench.drain(count, backlog[count]), count, repeat))

    def _calibrated_backlog(self, count: int) -> int:
        """How many tasks last for the wanted time: found by draining a few."""
        self._tick(f"calibration, consumers: {count}")
        task_s = self._settings.work_ms / 1000 + _LEAST_TASK_S
        few = max(50, round(count * _CALIBRATION_S / task_s))
        per_s = middle_throughput_per_s(self._bench.drain(count, few).effects["done_ns"])
        if per_s is None:
            msg = (
                f"{count} consumers did not finish {few} tasks: lower work_ms, {task_s:g} s a task"
            )
            raise BenchError(msg)
        return min(MOST_TASKS, max(few, round(per_s * self._settings.seconds)))

    def _auto_rate_per_s(self) -> float:
        counts = self._settings.consumers
        known = [median_of_valid(self._runs, Mode.CAPACITY, n, "throughput_per_s") for n in counts]
        smallest = min((per_s for per_s in known if per_s), default=None)
        if smallest is None:
            reasons = sorted({run.reason for run in self._runs})
            msg = f"no valid capacity run ({'; '.join(reasons)}): give a rate, or more seconds"
            raise BenchError(msg)
        return float(f"{AUTO_SHARE * smallest:.3g}")

    def _order(self) -> Iterator[tuple[int, int]]:
        """(repeat, consumers): a random order in each repeat, so that drift hits all alike."""
        for repeat in range(1, self._settings.repeats + 1):
            for count in self._random.sample(
                self._settings.consumers, len(self._settings.consumers)
            ):
                yield repeat, count

    def _tick(self, text: str) -> None:
        self._progress(text, self._step / self._steps)
        self._step += 1

    def _note(self, run: Run) -> None:
        self._runs.append(run)
        self._table.write(run)

    def _save(self, facts: dict[str, Any]) -> None:
        text = json.dumps(facts, indent=2, ensure_ascii=False)
        (self._settings.out / "manifest.json").write_text(text + "\n", encoding="utf-8")
