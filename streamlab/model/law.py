"""A scaling law: throughput against consumers as a curve, its peak, and how far it may be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamlab.errors import BadArgumentError
from streamlab.load.settings import check_number
from streamlab.measure.spread import of_draws

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from streamlab.measure.spread import Interval

    Floats = npt.NDArray[np.float64]

#: Fewer different counts do not carry a plan.
ENOUGH_COUNTS = 6
#: A curve that lies farther than this share from what was measured does not describe it.
POOR_MISS = 0.05
#: How far beyond the largest count the curve may be asked, as a multiple of it.
FARTHEST = 2


@dataclass(frozen=True, slots=True)
class Prediction:
    """Tasks per second at a count, with the curve's 95 % interval (None where there is none).

    `extrapolated` says that it lies beyond the largest count measured.
    """

    consumers: float
    per_s: float
    interval: Interval | None
    extrapolated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)); intervals are of 95 %.

    Attributes
    ----------
    lambda_per_s
        Tasks per second of one consumer, > 0.
    sigma
        Contention: the share of the work that is queued for one thing, in [0, 1].
    kappa
        Coherency: what each pair of consumers costs, as a share of a task, >= 0.
    lambda_interval, sigma_interval, kappa_interval, peak_interval
        None with no more counts than parameters.
    peak
        N*, the count beyond which more consumers finish less, >= 1; infinite when kappa is 0.
    counts
        The different counts that were measured, in order.
    miss
        How far the curve lies from what the counts gave, as a share: root of the mean square.
    r_squared
        The share of the variance that the curve explains; None when nothing is left to explain.
    caveats
        What to keep in mind, in words.
    """

    lambda_per_s: float
    sigma: float
    kappa: float
    peak: float
    lambda_interval: Interval | None
    sigma_interval: Interval | None
    kappa_interval: Interval | None
    peak_interval: Interval | None
    counts: tuple[int, ...]
    miss: float
    r_squared: float | None
    caveats: tuple[str, ...]
    draws: Floats | None = field(repr=False, compare=False)

    @property
    def largest(self) -> int:
        """The largest count that was measured."""
        return self.counts[-1]

    @property
    def trusted(self) -> bool:
        """Whether a plan may rest on it: six or more counts, and the curve meets them."""
        return len(self.counts) >= ENOUGH_COUNTS and self.miss <= POOR_MISS

    def predict(self, n: float) -> Prediction:
        """Tasks per second of `n` consumers, 1 to twice the largest count measured.

        Raises
        ------
        BadArgumentError
            `n` lies outside of that: the law is a description, not a promise.
        """
        n = float(n)  # numpy's numbers are none of Python's
        check_number("consumers", n, float, 1, math.inf)
        if n > FARTHEST * self.largest:
            msg = (
                f"consumers must be <= {FARTHEST * self.largest}, twice the largest count measured "
                f"({self.largest}), got {n:g}: measure larger counts"
            )
            raise BadArgumentError(msg)
        per_s = float(curve(n, self.lambda_per_s, self.sigma, self.kappa))
        band = None if self.draws is None else of_draws(curve(n, *self.draws))
        return Prediction(n, per_s, band, n > self.largest)

    def band(self, n: float) -> Interval | None:
        """Between what the curve lies at `n`, with 95 %: of the curve, not of a single run."""
        return self.predict(n).interval

    def facts(self) -> dict[str, Any]:
        """What a manifest says of it: JSON, in which None stands for infinity."""

        def ends(one: Interval | None) -> list[float | None] | None:
            return None if one is None else [_json(one.low), _json(one.high)]

        values = {name: _json(getattr(self, name)) for name in (*NAMES, "peak", "miss")}
        intervals = {name: ends(getattr(self, name)) for name in INTERVALS}
        return (
            values
            | intervals
            | {"r_squared": self.r_squared, "counts": list(self.counts)}
            | {
                "trusted": self.trusted,
                "caveats": list(self.caveats),
            }
        )


#: The three parameters, and what has an interval, in the order of the draws.
NAMES = ("lambda_per_s", "sigma", "kappa")
INTERVALS = ("lambda_interval", "sigma_interval", "kappa_interval", "peak_interval")


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def curve(n: Any, lambda_per_s: Any, sigma: Any, kappa: Any) -> Any:
    """X(N), for numbers and arrays (Gunther: Guerrilla Capacity Planning, 2007, chapter 4)."""
    return lambda_per_s * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))


def peak_of(sigma: float, kappa: float) -> float:
    """N* = sqrt((1 - sigma) / kappa), no less than 1; infinite when kappa is 0."""
    if kappa == 0:
        return math.inf if sigma < 1 else 1.0
    return max(1.0, math.sqrt((1 - sigma) / kappa))
