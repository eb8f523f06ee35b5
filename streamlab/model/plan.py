"""How many consumers are needed, so that tasks at a rate are done in time, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.errors import BadArgumentError
from streamlab.load.settings import MOST_CONSUMERS, Load, WorkShape, check_number, consumers_text
from streamlab.model.law import ENOUGH_COUNTS, FARTHEST
from streamlab.model.simulation import BUSIEST, Simulation

if TYPE_CHECKING:
    from streamlab.model.law import Law
    from streamlab.model.simulation import Tried

# How far the law's time of a task may lie from work + overhead, as a share of it.
_OTHER_WORK = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An answer to "how many consumers?", with its reason.

    Attributes
    ----------
    consumers
        The fewest that keep the target.
    utilisation
        The share of the time that each is busy.
    p50_ms, p99_ms
        Predicted, from when a task is due to when it is done.
    reason, reserve
        In words: why so many; what happens when one of them dies, and what one more brings.
    one_dead_p99_ms
        The p99 with one consumer less; None when those that are left cannot follow.
    extrapolated
        Whether that count lies beyond the largest which the law was fitted to.
    table
        What was tried, from one consumer on.
    """

    consumers: int
    utilisation: float
    p50_ms: float
    p99_ms: float
    reason: str
    reserve: str
    one_dead_p99_ms: float | None
    extrapolated: bool
    table: tuple[Tried, ...]


def plan(
    rate_per_s: float,
    work_ms: float,
    target_p99_ms: float,
    *,
    overhead_ms: float,
    law: Law | None = None,
    most: int = MOST_CONSUMERS,
    work_shape: WorkShape = WorkShape.FIXED,
    seed: int = 1,
) -> Plan:
    """The fewest consumers with which 99 % of the tasks are done within the target.

    Simulated: tasks arrive at random (a Poisson process) and are taken in order by the first
    consumer that is free. With a law, a task takes N / X(N), as if all consumers were always busy,
    which errs on the safe side. Batches are not in it: of consumers that read many entries at
    once, some keep tasks waiting while others have none.

    Parameters
    ----------
    rate_per_s
        Mean arrivals per second, in the busiest minute and not over the day, to 1,000,000.
    work_ms
        What the handler takes, in ms, 0 to 10,000; its mean for an exponential `work_shape`.
    target_p99_ms
        From when a task is due to when it is done, in ms, > 0.
    overhead_ms
        What a consumer spends on a task beside the work, in ms, 0 to 10,000.
    law
        Measured with the same work; it must be `trusted`.
    most
        The most consumers that are tried, 1 to 64.
    work_shape, seed
        Fixed or exponential work; the seed of the simulation.

    Raises
    ------
    BadArgumentError
        No count within what was measured does it, and why; or an argument is out of its bounds.
    """
    check_number("rate_per_s", rate_per_s, float, 1e-3, 1e6)
    check_number("work_ms", work_ms, float, 0, 10_000)
    check_number("overhead_ms", overhead_ms, float, 0, 10_000)
    check_number("work_ms + overhead_ms", work_ms + overhead_ms, float, 1e-3, 20_000)
    check_number("target_p99_ms", target_p99_ms, float, 1e-3, 1e9)
    check_number("most", most, int, 1, MOST_CONSUMERS)
    shape = Load(work_shape=work_shape).work_shape  # it refuses what is none
    queue = Simulation(rate_per_s, work_ms + overhead_ms, law, shape, seed)
    _refuse_too_long(queue, target_p99_ms)
    if law is not None:
        _refuse_law(law, queue.single_ms)
        most = min(most, FARTHEST * law.largest)
    _refuse_too_much(queue, most)
    table: list[Tried] = []
    for consumers in range(1, most + 1):
        table.append(queue.tried(consumers))
        if table[-1].keeps(target_p99_ms):
            return _answer(table, queue, target_p99_ms, most)
    best = min(table, key=lambda one: one.p99_ms or math.inf)
    msg = (
        f"no number of consumers up to {most} has a p99 of {target_p99_ms:g} ms at {rate_per_s:g} "
        f"tasks/s; {consumers_text(best.consumers)} come nearest: {best.words()}"
    )
    raise BadArgumentError(msg)


def _refuse_too_long(queue: Simulation, target_ms: float) -> None:
    spread = queue.shape is WorkShape.EXPONENTIAL
    alone_ms = queue.single_ms * (math.log(100) if spread else 1)
    if target_ms < alone_ms:
        what = "one task in a hundred" if spread else "a task"
        msg = (
            f"target_p99_ms must be >= {alone_ms:.4g}, what {what} takes without any waiting, got "
            f"{target_ms:g}: no number of consumers makes a task shorter"
        )
        raise BadArgumentError(msg)


def _refuse_law(law: Law, single_ms: float) -> None:
    if not law.trusted:
        msg = (
            f"law must have {ENOUGH_COUNTS} or more counts that its curve meets, got "
            f"{len(law.counts)} and a miss of {law.miss:.1%}: measure more counts, or plan without"
        )
        raise BadArgumentError(msg)
    measured_ms = 1000 / law.lambda_per_s
    if abs(measured_ms / single_ms - 1) > _OTHER_WORK:
        msg = (
            f"work_ms + overhead_ms must be within {_OTHER_WORK:.0%} of the {measured_ms:.3g} ms "
            f"that the law gives a task, got {single_ms:.3g}: measure a law with this work"
        )
        raise BadArgumentError(msg)


def _refuse_too_much(queue: Simulation, most: int) -> None:
    best = max(range(1, most + 1), key=queue.per_s)
    if queue.busy(best) <= BUSIEST:
        return
    law, why = queue.law, "allow more consumers, or shorten the work"
    if best < most:
        why = "beyond this peak more finish less: shorten the work, or split the stream"
    elif law is not None and most == FARTHEST * law.largest:
        why = f"more than twice the {law.largest} measured are not answered: measure more"
    msg = (
        f"rate_per_s must be <= {BUSIEST * queue.per_s(best):,.0f}, {BUSIEST:.0%} of what "
        f"{consumers_text(best)} can finish, got {queue.rate_per_s:,g}; {why}"
    )
    raise BadArgumentError(msg)


def _answer(table: list[Tried], queue: Simulation, target_ms: float, most: int) -> Plan:
    found, before = table[-1], table[-2] if len(table) > 1 else None
    far = queue.law is not None and found.consumers > queue.law.largest
    reason = f"{consumers_text(found.consumers)}: {found.words()}"
    if before is not None:
        reason += f"; with {before.consumers} only, {before.words()}"
    if far:
        reason += "; so many were not measured: do that before you rely on it"
    return Plan(
        consumers=found.consumers,
        utilisation=found.utilisation,
        p50_ms=found.p50_ms or 0.0,
        p99_ms=found.p99_ms or 0.0,
        reason=reason,
        reserve=_reserve(found, before, queue, target_ms, most),
        one_dead_p99_ms=before.p99_ms if before else None,
        extrapolated=far,
        table=tuple(table),
    )


def _reserve(
    found: Tried, before: Tried | None, queue: Simulation, target_ms: float, most: int
) -> str:
    """The rule N + 1: one may die; and how long a pause is worked off."""
    dead = before.words() if before else "nothing is done"
    told = f"When one of {consumers_text(found.consumers)} is dead, {dead}. "
    if found.consumers == most:
        told += f"One more than {most} is not answered."
    elif (more := queue.tried(found.consumers + 1)).keeps(target_ms):
        told += f"With {more.consumers} one may be dead, and the target is kept."
    else:
        told += f"One more is no reserve: with {more.consumers}, {more.words()}."
    catch_up_s = found.utilisation / (1 - found.utilisation)
    return f"{told} A pause of 1 s is worked off in {catch_up_s:.2g} s."
