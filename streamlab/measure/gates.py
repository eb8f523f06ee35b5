"""A run judges itself: each gate looks at one thing and says what is wrong with it, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamlab.measure.histogram import samples_needed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamlab.load.life import Life
    from streamlab.measure.account import Account
    from streamlab.measure.figures import OpenLoop

#: How far the rate may be off λ, as a share of it.
RATE_TOLERANCE = 0.01
#: The producer's share of one core beyond which its lateness is its own fault.
BUSIEST_PRODUCER = 0.8
#: How far L and X * W may lie apart, as a share of the larger; a hundredth of a task is nothing.
LITTLE_TOLERANCE = 0.05
_LITTLE_FLOOR = 0.01
#: How far a wall clock may move against the monotonic one, in s, and in s per s: beyond what a
#: clock that is slewed does (500 ppm), it was set.
CLOCK_STEP_S, CLOCK_SLEW = 0.001, 0.001
#: The producer's own lag counts when it makes up half of the p99; below 1 ms it is the noise of
#: any scheduler (0.2 to 1 ms were measured on two shared cores).
LAG_SHARE = 0.5
LAG_FLOOR_US = 1000.0
#: A backlog that grows by 5 % of what is sent means that consumers lack 5 % of λ; ten tasks more
#: or less are a batch.
GROWTH_SHARE = 0.05
GROWTH_FLOOR = 10.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gates look at.

    Attributes
    ----------
    account
        Where each task ended.
    endings
        How processes ended that should not have ended like that.
    lives
        What each process told of its clocks and its share of a core.
    rate_per_s
        λ; None in capacity mode.
    open_loop
        The figures of a latency run; None in capacity mode.
    throughput_per_s
        Of a capacity run; None when its middle is too short to say.
    percentiles
        Whether they are wanted, of a latency run: a search's try may be too short for them.
    disturbed
        Whether faults were part of the plan: a task may then be done and its acknowledgement be
        lost with the process, and the number in the system is not steady.
    """

    account: Account
    endings: tuple[str, ...] = ()
    lives: Mapping[str, Life] = field(default_factory=dict)
    rate_per_s: float | None = None
    open_loop: OpenLoop | None = None
    throughput_per_s: float | None = None
    percentiles: bool = True
    disturbed: bool = False


def _conserved(facts: Facts) -> str | None:
    tasks = facts.account
    wrong = {
        "lost": tasks.lost,
        "done that nobody sent": tasks.unexpected,
        "still pending at the end": tasks.pending,
        "still unread at the end": tasks.unread,
        "acknowledged more often than done": tasks.overacked,
        "done and never acknowledged": 0 if facts.disturbed else tasks.unacked,
    }
    return ", ".join(f"{count} {what}" for what, count in wrong.items() if count) or None


def _ended_in_order(facts: Facts) -> str | None:
    return ", ".join(facts.endings) or None


def _clocks_are_one(facts: Facts) -> str | None:
    for name, life in facts.lives.items():
        step_s = life.clock_step_ns / 1e9
        if abs(step_s) > CLOCK_STEP_S + CLOCK_SLEW * life.seconds:
            return f"a clock was set during the run: by {step_s * 1000:+.1f} ms, as {name} saw it"
    if facts.open_loop is not None and facts.open_loop.out_of_order:
        tasks = facts.open_loop.out_of_order
        return f"clocks disagree: {tasks} tasks were done before they were due, or sent"
    return None


def _long_enough(facts: Facts) -> str | None:
    if facts.open_loop is None:
        return "too few tasks for a middle" if facts.throughput_per_s is None else None
    if not facts.percentiles:
        return None
    have, need = facts.open_loop.corrected.count, samples_needed(0.99)
    return None if have >= need else f"too few samples: {have} of the {need} that a p99 needs"


def _steady(facts: Facts) -> str | None:
    if facts.open_loop is None or facts.rate_per_s is None:
        return None
    off = facts.open_loop.rate_off
    if off is None:
        return f"nothing was sent at {facts.rate_per_s:g}/s"
    if abs(off) <= RATE_TOLERANCE:
        return None
    sent = facts.open_loop.sent_per_s or 0.0
    return f"sent {sent:.1f}/s instead of {sent / (1 + off):.1f}/s ({off:+.1%})"


def _little(facts: Facts) -> str | None:
    if facts.open_loop is None or facts.disturbed:
        return None
    counted, law = facts.open_loop.in_system, facts.open_loop.little
    if counted is None or law is None:
        return None
    apart = abs(counted - law)
    if apart <= max(_LITTLE_FLOOR, LITTLE_TOLERANCE * max(counted, law)):
        return None
    return f"Little's law does not hold: {counted:.3g} tasks in the system, but X * W is {law:.3g}"


def _generator_had_time(facts: Facts) -> str | None:
    if facts.open_loop is None:
        return None
    producer = facts.lives.get("producer")
    cpu = producer.cpu_share if producer else 0.0
    lag_us = facts.open_loop.own_lag_p99_us or 0.0
    if cpu > BUSIEST_PRODUCER:
        return f"the generator is the bottleneck: it used {cpu:.0%} of a core"
    p99_us = facts.open_loop.corrected.quantile_us(0.99)  # too few samples: another gate's affair
    if p99_us is not None and lag_us > max(LAG_FLOOR_US, LAG_SHARE * p99_us):
        return f"the generator is the bottleneck: its own send lag has a p99 of {lag_us:.0f} µs"
    return None


def saturated(facts: Facts) -> str | None:
    """The reason when the backlog grew through the run: its percentiles are not published."""
    if facts.open_loop is None:
        return None
    growth, sent = facts.open_loop.growth, facts.open_loop.sent
    if growth <= max(GROWTH_FLOOR, GROWTH_SHARE * sent):
        return None
    return f"saturated: the backlog grew by {growth:.0f} of {sent} tasks"


GATES: tuple[Callable[[Facts], str | None], ...] = (
    _conserved,
    _ended_in_order,
    _clocks_are_one,
    saturated,
    _steady,
    _generator_had_time,
    _little,
    _long_enough,
)


def judge(facts: Facts) -> str:
    """All that is wrong with a run, separated by semicolons; nothing when it is valid."""
    return "; ".join(reason for gate in GATES if (reason := gate(facts)))
