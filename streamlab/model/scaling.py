"""The Universal Scalability Law, fitted to runs: contention, coherency and the peak."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamlab.errors import BadArgumentError
from streamlab.load.settings import check_number
from streamlab.measure.spread import of_draws
from streamlab.model.law import Law, curve, peak_of
from streamlab.model.law_words import caveats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Triple = tuple[float, float, float]

__all__ = ["PUBLISHED", "Law", "Published", "fit"]

_PARAMETERS = 3
# What takes less than a thousandth of the throughput at the largest count, no run can measure.
_NOTHING = 1e-3


def fit(
    counts: Sequence[int], throughputs: Sequence[float], *, draws: int = 1000, seed: int = 1
) -> Law:
    """The law through measured throughputs; a count may stand there once for each of its runs.

    The fit is one of logarithms, since a run is off by a share and not by a number of tasks.
    Intervals come from `draws` (100 to 100,000) bootstraps of the residuals, seeded. Residuals are
    stretched: by the parameters that were spent on them, by Student's t, since a few residuals do
    not know their own size, and, where the curve misses the counts by more than their runs
    scatter, by the root of that ratio (as the Particle Data Group stretches its errors).

    Raises
    ------
    BadArgumentError
        Fewer than three different counts, a count that is no whole number >= 1, a throughput that
        is not finite and > 0, or lists of different lengths.
    """
    check_number("draws", draws, int, 100, 100_000)
    n, per_s = _checked(counts, throughputs)
    found = _fitted(n, per_s)
    runs = {int(count): per_s[n == count].tolist() for count in np.unique(n)}
    off = {c: float(np.log(np.array(x) / curve(c, *found)).mean()) for c, x in runs.items()}
    over = len(runs) > _PARAMETERS
    cloud = _cloud(n, per_s, found, off, np.random.default_rng(seed), draws) if over else None
    spread = [None if cloud is None else of_draws(cloud[row]) for row in range(_PARAMETERS + 1)]
    left = float(((per_s - per_s.mean()) ** 2).sum())
    missed = float(((per_s - curve(n, *found)) ** 2).sum())
    miss = math.sqrt(math.fsum(one**2 for one in off.values()) / len(off))
    return Law(
        lambda_per_s=found[0],
        sigma=found[1],
        kappa=found[2],
        peak=peak_of(*found[1:]),
        lambda_interval=spread[0],
        sigma_interval=spread[1],
        kappa_interval=spread[2],
        peak_interval=spread[3],
        counts=tuple(runs),
        miss=miss,
        r_squared=1 - missed / left if over and left else None,
        caveats=tuple(caveats(runs, off, peak_of(*found[1:]), miss)),
        draws=None if cloud is None else cloud[:_PARAMETERS],
    )


def _checked(counts: Sequence[int], throughputs: Sequence[float]) -> tuple[Floats, Floats]:
    if len(counts) != len(throughputs):
        msg = f"each throughput needs its count, got {len(counts)} counts, {len(throughputs)} rates"
        raise BadArgumentError(msg)
    for n in counts:
        if not (math.isfinite(n) and n >= 1 and n == int(n)):
            msg = f"a count must be a whole number >= 1, got {n!r}: it is of consumer processes"
            raise BadArgumentError(msg)
    for per_s in throughputs:
        if not (math.isfinite(per_s) and per_s > 0):
            msg = f"throughputs must be finite and > 0 tasks/s, got {per_s!r}: leave that run out"
            raise BadArgumentError(msg)
    if (different := len(set(counts))) < _PARAMETERS:
        msg = f"a law with three parameters needs three different counts, got {different}"
        raise BadArgumentError(f"{msg}: measure more of them")
    return np.asarray(counts, np.float64), np.asarray(throughputs, np.float64)


def _linear(n: Floats, per_s: Floats) -> Triple:
    """The law with the least squares of X / X(N) - 1: N / X is linear in three terms, all >= 0.

    So there is one best solution, and no start value to be chosen: N / X = b N + d + c N (N - 1)
    with 1 / lambda = b + d, sigma = b / (b + d), kappa = c / (b + d), which keeps sigma in [0, 1].
    """
    from scipy.optimize import nnls  # noqa: PLC0415 - 0.3 s, and no run needs it

    terms = np.column_stack([n, np.ones_like(n), n * (n - 1)]) * (per_s / n)[:, None]
    (b, d, c), _ = nnls(terms, np.ones_like(n))
    one = max(b + d, 1e-9 / per_s.max())  # else nothing is left of the first consumer's time
    return 1 / one, b / one, c / one


def _fitted(n: Floats, per_s: Floats) -> Triple:
    from scipy.optimize import OptimizeWarning, curve_fit  # noqa: PLC0415 - 0.3 s, and no run needs it

    def logarithm(n: Floats, *three: float) -> Floats:
        logs: Floats = np.log(curve(n, *three))
        return logs

    start, most = _linear(n, per_s), np.inf
    bounds = ([0, 0, 0], [most, 1, most])
    with warnings.catch_warnings():
        # It may have no covariance to tell; the intervals are the bootstrap's.
        warnings.simplefilter("ignore", OptimizeWarning)
        scale = [start[0], 0.1, 0.01]
        found, _ = curve_fit(
            logarithm, n, np.log(per_s), start, bounds=bounds, x_scale=scale, xtol=1e-12
        )
    lambda_per_s, sigma, kappa = (float(one) for one in found)
    top = float(n.max())
    whole = (1 + sigma * (top - 1) + kappa * top * (top - 1)) * _NOTHING
    # The optimiser comes near a bound, and never there.
    sigma = 0.0 if sigma * (top - 1) < whole else sigma
    kappa = 0.0 if kappa * top * (top - 1) < whole else kappa
    return lambda_per_s, sigma, kappa


def _cloud(
    n: Floats,
    per_s: Floats,
    found: Triple,
    off: Mapping[int, float],
    rng: np.random.Generator,
    draws: int,
) -> Floats:
    """Laws as they might have been found: four rows, lambda, sigma, kappa and the peak."""
    from scipy.special import ndtri, stdtrit  # noqa: PLC0415 - 0.2 s, and no run needs it

    at = curve(n, *found)
    residuals = np.log(per_s / at)
    free = len(n) - _PARAMETERS
    variance = float((residuals**2).sum()) / free
    by_count = sum(off[int(count)] ** 2 for count in n) / (len(off) - _PARAMETERS)
    mean_square = float((residuals**2).mean()) or 1.0  # no residual at all: nothing to stretch
    stretch = math.sqrt(max(variance, by_count) / mean_square) * stdtrit(free, 0.975) / ndtri(0.975)
    laws = [_linear(n, at * np.exp(stretch * rng.choice(residuals, len(n)))) for _ in range(draws)]
    return np.array([(*law, peak_of(*law[1:])) for law in laws]).T


@dataclass(frozen=True, slots=True)
class Published:
    """Somebody's figures: tasks per second by name, at `counts` worker processes."""

    source: str
    counts: tuple[int, ...]
    per_s: Mapping[str, tuple[float, ...]]

    def law(self, name: str) -> Law:
        """The law through what was published under that name."""
        return fit(self.counts, self.per_s[name])


#: No-op tasks: what is published of task queues on Redis at several worker counts.
PUBLISHED = Published(
    source="README of tastyware/streaq: Apple M4, 20,000 no-op tasks, concurrency 32",
    counts=(1, 10, 40),
    per_s={
        "streaq": (2323, 5128, 4132),
        "SAQ": (2028, 5780, 5089),
        "taskiq": (3145, 6135, 3110),
    },
)
