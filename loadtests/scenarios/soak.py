"""Does anything creep? One hour at a steady rate: the server's memory and the latency over time.

Question: a queue that is well after a minute, is it well after an hour? Does memory grow, do the
percentiles drift?

Method: 250 tasks/s for one hour, the package's queue and two of its workers, 1 ms of work. Once a
second `TaskQueue.trim` deletes what is done, as a deployment would. Beside it, each for a
twentieth of the time, a redis-py loop that deletes each task as it acknowledges it (XACKDEL, Redis
8.2+; before that XACK and XDEL in a transaction), and a control in which nothing is ever deleted.
The first fifth of each run is the warm-up and is left out.

Drift: the run is cut into windows of at least 1,000 tasks, and each has a median and a p99 (from
the histogram log, an interval a second); memory has a sample in each step of the timeline. The
slope is Theil's and Sen's, the median of the slopes of all pairs of points, with its 95 % interval
(Sen: Journal of the American Statistical Association 63, 1968): one hiccup does not turn it. It
moves when 0 is outside of that. Neighbouring windows are not quite independent, so that the
interval is somewhat too narrow.

Expect: level memory and level percentiles while the stream is kept short. In the control memory
grows by some 200 bytes a task: 180 MB in an hour at this rate.

Time: one hour and six minutes at full. In `loadtests/study.py` it is shortened to two minutes, and
at short to one.

    python loadtests/scenarios/soak.py --size full
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamlab.bench.experiment import Experiment
from streamlab.cli.scenario import main
from streamlab.load.observed import WARMUP_SHARE
from streamlab.load.settings import Ack, Load, Reader, Sender
from streamlab.measure.hdr_log import CORRECTED, read_intervals
from streamlab.measure.histogram import LatencyHistogram, samples_needed
from streamlab.queue import TaskQueue

if TYPE_CHECKING:
    from streamlab.bench.study import Study
    from streamlab.load.disturb import Stage
    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

    Points = list[tuple[float, float]]

RATE_PER_S = 250.0
#: How long is measured, in s; with the warm-up, which is a quarter of that, an hour at full.
SECONDS = {"tiny": 1.0, "short": 48.0, "full": 2880.0}
_CONTROL_SHARE = 1 / 20
_MOST_WINDOWS = 60
_FEWEST_POINTS = 3
_WORKER = Load(consumers=2)
_LOOP = Load(consumers=2, sender=Sender.XADD, reader=Reader.LOOP)
TRIMMED, CONTROL = "worker, trim()", "worker, nothing deleted"


@dataclass(frozen=True, slots=True)
class Trim:
    """Delete what is done, every `every_s`, as long as the run lasts: upkeep, no fault."""

    every_s: float = 1.0

    def __call__(self, stage: Stage) -> None:
        """Trim until the run is over."""
        queue, at_s = TaskQueue(stage.client, stage.stream, group=stage.group), self.every_s
        while stage.wait_until(at_s):
            queue.trim()
            at_s += self.every_s


def measure(study: Study) -> None:
    """The long run, the two short ones, and the drift of each."""
    seconds = SECONDS.get(study.size.name, study.size.seconds)
    in_one = "XACKDEL" in study.rig().server.capabilities
    loads = {
        TRIMMED: _WORKER,
        "loop, XACKDEL" if in_one else "loop, XACK and XDEL": replace(
            _LOOP, ack=Ack.XACKDEL if in_one else Ack.XACK_XDEL
        ),
        CONTROL: _WORKER,
    }
    enough_s = 1.05 * samples_needed(0.99) / RATE_PER_S
    short_s = study.size.seconds if study.size.tiny else max(_CONTROL_SHARE * seconds, enough_s)
    study.add_facts({"cases": list(loads)})
    study.expect(len(loads))
    for case, load in loads.items():
        study.latency(
            case,
            load,
            RATE_PER_S,
            seconds=seconds if case == TRIMMED else short_s,
            disturbances=(Trim(),) if case == TRIMMED else (),
        )
    study.add_facts({"drift": {run.case: drifts(study.results, run) for run in study.runs}})


def drifts(results: Results, run: Run) -> dict[str, dict[str, float | bool]]:
    """The drift of a run's median, p99 and memory; nothing of what has too few points."""
    points = {**latencies(results, run), "memory_bytes": memory(results, run)}
    return {name: drift(known) for name, known in points.items() if len(known) >= _FEWEST_POINTS}


def latencies(results: Results, run: Run) -> dict[str, Points]:
    """(begin in s, quantile in µs) of each window of a run, from when tasks were due."""
    log = read_intervals(results.path / "hdr" / f"{run.name}.hdr").get(CORRECTED, [])
    if not log:
        return {}
    end_s, enough_s = log[-1][0] + 1, samples_needed(0.99) / RATE_PER_S
    # Of a run that is too short for windows with a p99, the medians of its seconds.
    window_s = max(1.0, end_s / _MOST_WINDOWS, enough_s if end_s >= enough_s else 0)
    windows: dict[int, LatencyHistogram] = {}
    for at_s, part in log:
        windows.setdefault(int(at_s // window_s), LatencyHistogram()).add(part)
    found: dict[str, Points] = {"p50_us": [], "p99_us": []}
    for number, whole in windows.items():
        for name, quantile in (("p50_us", 0.5), ("p99_us", 0.99)):
            value = whole.quantile_us(quantile)
            if value is not None:
                found[name].append((number * window_s, value))
    return found


def memory(results: Results, run: Run) -> Points:
    """(s, used_memory in bytes) from the end of the warm-up to the last task that was due."""
    details = results.details(run)
    if details is None or details.timeline is None or run.seconds is None:
        return []
    line, begin_s = details.timeline, WARMUP_SHARE * run.seconds
    known = zip(line.at_s, line.memory_bytes, strict=True)
    return [(at, m) for at, m in known if m is not None and begin_s <= at <= begin_s + run.seconds]


def drift(points: Points) -> dict[str, float | bool]:
    """Theil's and Sen's slope per minute with its 95 % interval, and whether 0 is outside of it."""
    from scipy.stats import theilslopes  # noqa: PLC0415 - 0.5 s, after the last run

    seconds, values = zip(*points, strict=True)
    slope, _, low, high = theilslopes(values, seconds, 0.95)
    told = {"per_minute": slope, "low": low, "high": high}
    rounded = {name: float(f"{60 * value:.4g}") for name, value in told.items()}
    middle = sorted(values)[len(values) // 2]
    return {**rounded, "median": middle, "points": len(points), "moves": bool(low > 0 or high < 0)}


EXPERIMENT = Experiment(
    name="soak",
    question="Does memory or latency creep over an hour?",
    measure=measure,
    charts=("memory", "timeline", "percentiles"),
    axis="how the stream is kept short",
    caveats=(
        (
            "`drift` in the manifest has slopes per minute with their 95 % intervals. Whatever "
            "else the machine does drifts into the latencies, not into the memory."
        ),
        f"“{CONTROL}” is a control: its memory must grow, or the figure would see nothing.",
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
