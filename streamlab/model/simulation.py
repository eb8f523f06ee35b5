"""Consumers in a simulated queue: how busy each is, and how long their tasks take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamlab.load.settings import WorkShape
from streamlab.model.law import curve
from streamlab.model.theory import many_servers

if TYPE_CHECKING:
    from streamlab.model.law import Law

#: How many tasks a simulation has; the first tenth fills the queue and does not count. Two seeds
#: then have p99s within 2 % of each other at 80 % busy, 4 % at 90 %, 13 % at 95 %.
TASKS = 400_000
#: Busier than this, no p99 is told: seeds differ by more, and a rate that is 5 % higher than was
#: thought makes the queue grow without end.
BUSIEST = 0.95


@dataclass(frozen=True, slots=True)
class Tried:
    """A count of consumers that was tried; percentiles are None when it is too busy to have any.

    `utilisation` is the share of the time that each is busy; above 1 the queue grows without end.
    """

    consumers: int
    utilisation: float
    p50_ms: float | None
    p99_ms: float | None

    def keeps(self, target_ms: float) -> bool:
        """Whether 99 % of the tasks are done within the target."""
        return self.p99_ms is not None and self.p99_ms <= target_ms

    def words(self) -> str:
        """How it fares, as part of a sentence."""
        if self.utilisation >= 1:
            return f"the queue grows without end (work for {self.utilisation:.0%} of their time)"
        busy = f"each is busy {self.utilisation:.0%} of the time"
        if self.p99_ms is None:
            return f"{busy}, which leaves nothing for a burst"
        return f"{busy}, and the p99 is {self.p99_ms:.3g} ms"


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is simulated, for any count of consumers.

    Attributes
    ----------
    rate_per_s
        Mean arrivals per second, at random.
    single_ms
        What a task takes one consumer, in ms, its mean for an exponential `shape`.
    law
        By which that grows with the count; None when it does not.
    shape
        How the times are distributed.
    seed
        Of arrivals and times.
    """

    rate_per_s: float
    single_ms: float
    law: Law | None
    shape: WorkShape
    seed: int

    def service_ms(self, consumers: int) -> float:
        """What a task takes a consumer when all are busy: N / X(N), if there is a law."""
        if self.law is None:
            return self.single_ms
        law = self.law
        return 1000 * consumers / float(curve(consumers, law.lambda_per_s, law.sigma, law.kappa))

    def per_s(self, consumers: int) -> float:
        """What so many consumers finish at the most, tasks per second."""
        return 1000 * consumers / self.service_ms(consumers)

    def busy(self, consumers: int) -> float:
        """The share of the time that each is busy; above 1 the queue grows without end."""
        return self.rate_per_s / self.per_s(consumers)

    def tried(self, consumers: int) -> Tried:
        """Seeded arrivals at random; the same for each count and, but for their pace, each rate."""
        busy, mean_ms = self.busy(consumers), self.service_ms(consumers)
        if busy > BUSIEST:
            return Tried(consumers, busy, None, None)
        rng = np.random.default_rng(self.seed)
        arrivals_ns = np.cumsum(rng.exponential(1e9, TASKS)) / self.rate_per_s
        fixed = self.shape is WorkShape.FIXED
        shares = np.ones(TASKS) if fixed else rng.exponential(1.0, TASKS)
        service_ns = np.rint(shares * mean_ms * 1e6).astype(np.int64)
        waits_ns = many_servers(np.rint(arrivals_ns).astype(np.int64), service_ns, consumers)
        took_ms = (waits_ns + service_ns)[TASKS // 10 :] / 1e6
        p50_ms, p99_ms = np.quantile(took_ms, [0.5, 0.99])
        return Tried(consumers, busy, float(p50_ms), float(p99_ms))
