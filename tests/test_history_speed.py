"""The checker's cost: time in proportion to events, memory in proportion to tasks, and bounded.

``python tests/test_history_speed.py 1000000`` measures so many tasks, and prints what it took.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
MIB = 2**20

CHECK = """
import json, resource, sys, time
from pathlib import Path
from streamlab.history import check, tally
def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux's ru_maxrss would begin with that of the process that started this one.
    (line,) = [n for n in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in n]
    return int(line.split()[1]) * 1024
folder, room = sys.argv[1:]
tally.ROOM = int(room)
paths = sorted(Path(folder).iterdir())
check(paths[:1])  # what a check of a few events takes is not what is measured
before, started = peak(), time.process_time()
verdict = check(paths)
cpu_s = time.process_time() - started
print(json.dumps(verdict.as_dict() | {"cpu_s": cpu_s, "bytes": peak() - before}))
"""


def write_history(folder, tasks, effects=1):
    """A producer's ledger and those of three consumers; every 1,000th task is lost.

    Returns the number of events.
    """
    (folder / "0").write_bytes(b"attempted\tfirst\t0\tproducer\t\t\n")
    files = [(folder / f"{n}").open("wb", MIB) for n in range(1, 5)]
    for n in range(tasks):
        # As long as a UUID, and spread as little as numbers are.
        task, end = b"%036d" % n, b"\t%d\tconsumer-1\t1666886400000-%d\t\n" % (10**15 + n, n)
        files[0].write(b"attempted\t" + task + end + b"acknowledged\t" + task + end)
        if n % 1_000:
            run = b"delivered\t" + task + end + b"effect\t" + task + end
            files[n % 3 + 1].write(run * effects + b"acked\t" + task + end)
    for file in files:
        file.close()
    return 1 + 2 * tasks + (2 * effects + 1) * (tasks - (tasks + 999) // 1_000)


def measure(tasks, *, effects=1, room=256 * MIB):
    """What a check of so many tasks takes, in a process of its own."""
    with TemporaryDirectory() as name:
        events = write_history(Path(name), tasks, effects)
        answer = subprocess.run(
            [sys.executable, "-c", CHECK, name, str(room)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    told = json.loads(answer.stdout)
    assert told["attempted"] == tasks + 1
    assert told["lost"] == (tasks + 999) // 1_000
    assert told["effects"] == tasks - told["lost"]
    told["us_per_event"] = told["cpu_s"] / events * 1e6
    print(
        f"{tasks:,} tasks, {events:,} events: {told['cpu_s']:.2f} s of CPU, "
        f"{told['us_per_event']:.2f} µs an event, {told['bytes'] / MIB:.0f} MiB, "
        f"{told['bytes'] / tasks:.0f} bytes a task"
    )
    return told


def test_time_is_in_proportion_to_events():
    small, middle, large = map(measure, (20_000, 60_000, 200_000))
    assert middle["us_per_event"] < 1.6 * small["us_per_event"]
    assert large["us_per_event"] < 1.6 * small["us_per_event"]
    assert large["bytes"] < 50 * MIB


def test_memory_does_not_grow_with_the_events_of_a_task():
    few, many = measure(20_000, effects=1), measure(20_000, effects=10)
    assert many["duplicated"] == many["effects"]
    assert many["bytes"] < 1.3 * few["bytes"] + MIB


def test_memory_is_bounded_where_tasks_are_many():
    """In less room the ledgers are read more often, and the verdict is the same."""
    plenty, little = measure(100_000), measure(100_000, room=4 * MIB)
    assert little["bytes"] < 8 * MIB < plenty["bytes"]
    assert little["examples"] == plenty["examples"]
    assert little["timeline"] == plenty["timeline"]


if __name__ == "__main__":
    for number in sys.argv[1:]:
        measure(int(number))
