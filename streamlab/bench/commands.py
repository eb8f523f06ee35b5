"""One command again and again, in a closed loop: its round trip, and the server's own time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import redis

from streamlab.load.settings import Load, check_number
from streamlab.load.share import Reading
from streamlab.measure.histogram import LatencyHistogram, samples_needed
from streamlab.measure.judged import Asked
from streamlab.measure.runs import Mode, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.bench.study import Study
    from streamlab.load.share import CommandShare, ServerShare

#: Calls that come before the first one that counts.
WARMUP_CALLS = 3
#: However slow a command is, it is called so often that its median may be told.
LEAST_CALLS = samples_needed(0.5)
_MOST_CALLS = 100_000


def _nothing() -> None:
    """What a command needs that wants nothing done before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is timed.

    Attributes
    ----------
    name
        The command as INFO commandstats spells it: ``xack``, ``xinfo|groups``.
    call
        Sends it and returns when the reply has come.
    before
        What makes the next call possible; it is not timed, and must not send a command of the
        same name.
    each
        How many commands one `call` sends, >= 1: more than one in a pipeline.
    """

    name: str
    call: Callable[[], object]
    before: Callable[[], object] = _nothing
    each: int = 1


def time_command(
    study: Study,
    case: str,
    repeat: int,
    command: Command,
    *,
    seconds: float,
    load: Load | None = None,
) -> Run:
    """The row of one command, measured now unless the folder has it already.

    Parameters
    ----------
    study
        Whose folder it is, and whose server (`Study.rig`) the command is sent to.
    case, repeat
        What distinguishes the row.
    seconds
        How long it is called, in s, 0.001 to 3,600; longer where that makes fewer calls than
        `LEAST_CALLS`.
    load
        What the row says of payload, COUNT and the like.
    """
    study.tick(f"{Mode.COMMAND}: {case}, repeat {repeat}")
    run = study.known(Mode.COMMAND, case, repeat)
    if run is None:
        asked = Asked(case=case, repeat=repeat, seconds=seconds)
        run = command_run(study.rig().client, command, asked, load or Load())
        study.note(run)
    return run


def command_run(client: redis.Redis, command: Command, asked: Asked, load: Load) -> Run:
    """Call a command for `asked.seconds`, one call at a time, and judge what was seen.

    There is no schedule that a stall could put behind: a closed loop says what one call takes, and
    nothing of what a task would wait for.
    """
    check_number("seconds", asked.seconds, float, 0.001, 3600)
    for _ in range(WARMUP_CALLS):
        command.before()
        command.call()
    before = _reading(client)
    times_ns = _round_trips_ns(command, asked.seconds or 0.0)
    after = _reading(client)
    share = before.until(after) if before and after else None
    histogram = LatencyHistogram.of_ns(times_ns)
    counted = _counted(command, share)
    reason = _judged(histogram.count, command, counted) if share else ""
    return Run(
        mode=Mode.COMMAND,
        **asked.columns(),
        throughput_per_s=round(command.each * len(times_ns) * 1e9 / int(times_ns.sum()), 1),
        p50_us=histogram.quantile_us(0.5),
        p90_us=histogram.quantile_us(0.9),
        p99_us=histogram.quantile_us(0.99),
        p999_us=histogram.quantile_us(0.999),
        max_us=histogram.max_us,
        server_cpu=round(share.cpu_share, 3) if share else None,
        server_task_us=round(counted.usec_per_call, 2) if counted else None,
        memory_bytes=share.memory_bytes if share else None,
        memory_grown_bytes=share.memory_grown_bytes if share else None,
        valid=not reason,
        reason=reason,
        load=load,
    )


def _reading(client: redis.Redis) -> Reading | None:
    """The server's counters; None where an ACL forbids to look."""
    try:
        return Reading.take(client)
    except redis.exceptions.NoPermissionError:
        return None


def _round_trips_ns(command: Command, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    clock, before, call = time.perf_counter_ns, command.before, command.call
    times: list[int] = []
    until = clock() + round(seconds * 1e9)
    while len(times) < LEAST_CALLS or (clock() < until and len(times) < _MOST_CALLS):
        before()
        began = clock()
        call()
        times.append(clock() - began)
    return np.array(times, np.int64)


def _counted(command: Command, share: ServerShare | None) -> CommandShare | None:
    """What the server says of it; before Redis 7.0 it counts all subcommands as one."""
    commands = share.commands if share else {}
    return commands.get(command.name) or commands.get(command.name.partition("|")[0])


def _judged(calls: int, command: Command, counted: CommandShare | None) -> str:
    """What is wrong with the run: where somebody else called it too, the time is not ours."""
    seen, sent = (counted.calls if counted else 0), calls * command.each
    if seen == sent:
        return ""
    return f"the server counted {seen} calls of {command.name} instead of {sent}: who else uses it?"
