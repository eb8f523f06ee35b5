"""The main experiment: capacity of each number of consumers, latency at one λ, and by load."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from streamlab.bench.experiment import Experiment
from streamlab.bench.search import saturation_per_s
from streamlab.errors import BadArgumentError, BenchError
from streamlab.load.settings import Load, check_number, consumers_text
from streamlab.measure.histogram import samples_needed
from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamlab.bench.study import Study

#: λ of an automatic rate, as a share of the smallest capacity.
AUTO_SHARE = 0.6
_TWO_MODES = (
    "Capacity and latency come from different runs. A drained backlog says how much, an open loop "
    "says how long; a percentile under saturation would only say how long the run was."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumers:
    """What is measured for which numbers of consumers.

    Attributes
    ----------
    counts
        Numbers of consumer processes, each 1 to 64, none twice.
    load
        What else producers and consumers are.
    rate_per_s
        λ of the latency runs, tasks per second, 1 to 100,000; None for 60 % of the smallest
        capacity, so that one λ serves every number of consumers; 0 leaves these runs out.
    shares
        Loads, as shares of each count's own capacity, in (0, 1), at which latency is measured too.
    load_counts
        The counts for which that is done; empty for all of them.
    search
        Whether the rate that each count holds is searched with a producer beside it; `shares` are
        then of that rate, else of what a drained backlog gave.

    Raises
    ------
    BadArgumentError
        A value is out of its bounds.
    """

    counts: tuple[int, ...] = (1, 2, 4)
    load: Load = field(default_factory=Load)
    rate_per_s: float | None = None
    shares: tuple[float, ...] = ()
    load_counts: tuple[int, ...] = ()
    search: bool = False

    def __post_init__(self) -> None:
        if not self.counts or len(set(self.counts)) < len(self.counts):
            msg = f"consumers must be numbers, none of them twice, got {self.counts!r}"
            raise BadArgumentError(msg)
        for count in self.counts:
            replace(self.load, consumers=count)
        if self.rate_per_s:
            check_number("rate_per_s", self.rate_per_s, float, 1, 100_000)
        for share in self.shares:
            if not 0 < share < 1:
                msg = f"shares must lie between 0 and 1, got {share!r}: 0.8 is 80 % of capacity"
                raise BadArgumentError(msg)

    def experiment(self) -> Experiment:
        """The experiment that these make."""
        charts = ["capacity"]
        charts += ["search"] * self.search + ["latency"] * (self.rate_per_s != 0)
        charts += ["load"] * bool(self.shares) + ["percentiles", "budget", "timeline"]
        return Experiment(
            name="consumers",
            question="How many consumers, and what latency?",
            measure=self.measure,
            charts=tuple(charts),
            axis="consumer processes",
            caveats=(_TWO_MODES,),
        )

    def settings(self) -> dict[str, object]:
        """As the manifest has them."""
        told = asdict(self)
        return told | {"load": {name: str(v) for name, v in told["load"].items() if v is not None}}

    def measure(self, study: Study) -> None:
        """Capacity first, since λ may depend on it; then the floor, then latency."""
        loads = {consumers_text(n): replace(self.load, consumers=n) for n in sorted(self.counts)}
        study.add_facts({"cases": list(loads)})
        repeats, loaded = (
            study.size.repeats,
            [consumers_text(n) for n in self.load_counts] or list(loads),
        )
        study.expect(
            repeats * len(loads) * (1 + (self.rate_per_s != 0))
            + repeats * len(loaded) * len(self.shares)
            + 12 * len(loads) * self.search
            + 6
        )
        for repeat, case in study.shuffled(list(loads)):
            study.capacity(case, loads[case], repeat)
        study.floor()
        held = {case: self._held(study, case, load) for case, load in loads.items()}
        if self.rate_per_s != 0:
            self._fixed_rate(study, loads)
        points = [(case, share) for case in loaded for share in self.shares if held[case]]
        for repeat, (case, share) in study.shuffled(points):
            rate_per_s = float(f"{share * (held[case] or 0):.4g}")
            seconds = latency_seconds(study.size.seconds, rate_per_s)
            study.latency(case, loads[case], rate_per_s, repeat, share=share, seconds=seconds)

    def _held(self, study: Study, case: str, load: Load) -> float | None:
        """The rate that a case holds: searched, or the capacity of a drained backlog."""
        drained = study.median(Mode.CAPACITY, "throughput_per_s", case=case)
        if not self.search or drained is None:
            return drained
        return saturation_per_s(study, case, load, drained)

    def _fixed_rate(self, study: Study, loads: dict[str, Load]) -> None:
        rate_per_s = self.rate_per_s or auto_rate_per_s(study, loads)
        seconds = latency_seconds(study.size.seconds, rate_per_s)
        study.add_facts({"latency": {"rate_per_s": rate_per_s, "seconds": round(seconds, 3)}})
        for repeat, case in study.shuffled(list(loads)):
            study.latency(case, loads[case], rate_per_s, repeat, seconds=seconds)


def auto_rate_per_s(study: Study, cases: Iterable[str], share: float = AUTO_SHARE) -> float:
    """λ that each of `cases` can hold: a share of the smallest of their capacities, measured.

    Raises
    ------
    BenchError
        None of them has a valid capacity run.
    """
    known = [study.median(Mode.CAPACITY, "throughput_per_s", case=case) for case in cases]
    smallest = min((per_s for per_s in known if per_s), default=None)
    if smallest is None:
        reasons = "; ".join(sorted({run.reason for run in study.runs}))
        msg = f"no valid capacity run ({reasons}): give a rate, or more seconds"
        raise BenchError(msg)
    return float(f"{share * smallest:.3g}")


def latency_seconds(seconds: float, rate_per_s: float) -> float:
    """How long a latency run is measured: `seconds`, or until there are enough tasks for a p99.

    No longer than five times `seconds`; a run that is too short even so is judged invalid.
    """
    enough = 1.05 * samples_needed(0.99) / rate_per_s
    return max(seconds, min(5 * seconds, enough))
