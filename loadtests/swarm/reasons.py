"""Why a test is not to be trusted, and what else to know: each looks at one thing, and says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.measure.gates import (
    GROWTH_FLOOR,
    GROWTH_SHARE,
    LAG_FLOOR_US,
    LAG_SHARE,
    RATE_TOLERANCE,
)
from streamlab.measure.histogram import samples_needed
from swarm.clock import ClockKind

if TYPE_CHECKING:
    from swarm.settings import Settings
    from swarm.whole import Whole

_SLOW_WORK = 1.5  # times what was asked for, in the mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What was found when the test had ended.

    Attributes
    ----------
    pending, unread
        The numbers of the tasks left, by group.
    backlog
        How many tasks, over all groups, were not done when the last had been sent.
    memory_bytes
        used_memory of the server before and after the test; 0 is unknown.
    complete
        Whether each process has sent its last report.
    faults
        What else went wrong at the end, in words.
    """

    pending: tuple[frozenset[int], ...]
    unread: tuple[frozenset[int], ...]
    backlog: int = 0
    memory_bytes: tuple[int, int] = (0, 0)
    complete: bool = True
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """Where the tasks of one group are; None is unknown."""

    done: int
    twice: int
    lost: int | None = None
    pending: int | None = None
    unread: int | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that was stated: its rule, what was found, whether it was kept (None: unknown)."""

    rule: str
    found: str
    kept: bool | None


def reasons_of(
    whole: Whole, settings: Settings, ending: Ending, groups: tuple[Account, ...]
) -> list[str]:
    """All that is wrong with a test; nothing when it is to be trusted."""
    return [
        *_unaccounted(groups, settings, ending),
        *_failed(whole),
        *_clocks(whole, settings),
        *_sending(whole, ending),
    ]


def _unaccounted(groups: tuple[Account, ...], settings: Settings, ending: Ending) -> list[str]:
    reasons = list(ending.faults)
    if not ending.complete:
        reasons.append("not every process sent its last report: what is lost is not known")
    lost = sum(one.lost or 0 for one in groups)
    if lost and settings.slo_lost is None:
        reasons.append(f"{lost} tasks were lost")
    left = sum((one.pending or 0) + (one.unread or 0) for one in groups)
    if left:
        reasons.append(f"{left} tasks were not done in the end: their latencies are missing")
    return reasons


def _failed(whole: Whole) -> list[str]:
    reasons = [f"{times} commands failed: {text}" for text, times in whole.failed.most_common(3)]
    if whole.begun > 1:
        reasons.append(f"the schedule was begun {whole.begun} times: Locust moved the producer")
    return reasons


def _clocks(whole: Whole, settings: Settings) -> list[str]:
    reasons = []
    hosts = len({reading.host for reading in whole.readings.values()})
    if settings.clock is ClockKind.HOST and hosts > 1:
        reasons.append(
            f"latencies compare different clocks, of {hosts} hosts: start it with --clock server"
        )
    for process, reading in whole.readings.items():
        if reading.step_ns:
            step = f"by {reading.step_ns / 1e6:+.1f} ms, as {process} saw it"
            reasons.append(f"a clock was set during the test: {step}")
    if whole.impossible:
        reasons.append(f"clocks disagree: {whole.impossible} tasks were done before they were sent")
    return reasons


def _sending(whole: Whole, ending: Ending) -> list[str]:
    off, sent = whole.off(), whole.sent.distinct * whole.groups
    if off is None:
        return ["no rate: fewer than two tasks were sent"]
    reasons = []
    if abs(off) > RATE_TOLERANCE:
        reasons.append(
            "not steady, the latencies above are not those of this rate: it was sent "
            f"{abs(off):.1%} too {'slowly' if off > 0 else 'fast'}"
        )
    p99_us, lag_us = whole.latencies()[0].quantile_us(0.99), whole.own_lag.quantile_us(0.99)
    if p99_us and lag_us and lag_us > max(LAG_FLOOR_US, LAG_SHARE * p99_us):
        reasons.append(
            f"generator late: its own send lag has a p99 of {lag_us} µs, of {p99_us} in all: "
            "give it a process with --processes, or a lower rate"
        )
    if ending.backlog > max(GROWTH_FLOOR, GROWTH_SHARE * sent):
        reasons.append(
            f"saturated: {ending.backlog} of {sent} tasks were waiting when the last was sent, so "
            "that latencies tell how long the test was: give more consumers, or a lower rate"
        )
    return reasons


def remarks_of(whole: Whole, settings: Settings, ending: Ending) -> list[str]:
    """What a reader of the figures should know besides."""
    before, after = (size / 1e6 for size in ending.memory_bytes)
    remarks = [f"server memory {before:.1f} MB before, {after:.1f} MB after"] if after else []
    have, need = whole.latencies()[0].count, samples_needed(0.99)
    if have < need:
        remarks.append(f"too few samples for a p99: {have} of {need}")
    asked_ms, took_ms = settings.load.work_ms, (whole.work_us or 0.0) / 1000
    if asked_ms and took_ms > _SLOW_WORK * asked_ms + 0.1:
        remarks.append(
            f"a task's work took {took_ms:.3g} ms instead of {asked_ms:g}: consumers that share a "
            "process wait for its core: give them more with --processes"
        )
    if settings.stages and not whole.ended:
        reached = 1 + max(whole.stages, default=-1)
        remarks.append(f"the shape was cut short in stage {reached} of {len(settings.stages)}")
    return remarks
