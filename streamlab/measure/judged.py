"""From what was seen to a row: the figures of a run, judged."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from streamlab.measure.account import account
from streamlab.measure.figures import middle_throughput_per_s, open_loop_figures, recovery_ms
from streamlab.measure.gates import Facts, judge, saturated
from streamlab.measure.runs import Mode, Run

if TYPE_CHECKING:
    from streamlab.load.observed import Observed
    from streamlab.load.settings import Load
    from streamlab.measure.figures import OpenLoop


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run was to be: the columns of its row that were known before it.

    Attributes are those of `Run` with the same names.
    """

    case: str
    repeat: int = 1
    persistence: str = ""
    rate_per_s: float | None = None
    share: float | None = None
    seconds: float | None = None

    def columns(self) -> dict[str, Any]:
        """As keyword arguments of `Run`."""
        return {name: getattr(self, name) for name in self.__slots__}

    def answered_by(self, run: Run, mode: Mode, load: Load) -> bool:
        """Whether `run`, of an earlier sitting, is the one asked for.

        A rate that was chosen as a share of a measured capacity need not be the same again.
        """
        return (
            (run.mode, run.case, run.repeat, run.share, run.load)
            == (mode, self.case, self.repeat, self.share, load)
        ) and (self.share is not None or run.rate_per_s == self.rate_per_s)


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)


def capacity_run(observed: Observed, asked: Asked, name: str = "") -> Run:
    """Judge a drained backlog. It has no percentiles: a saturated system's say nothing."""
    tasks = account(observed)
    per_s = middle_throughput_per_s(observed.effects["done_ns"])
    per_group_s = None if per_s is None else per_s / observed.load.groups
    reason = judge(Facts(tasks, observed.endings, observed.lives, throughput_per_s=per_group_s))
    return Run(
        mode=Mode.CAPACITY,
        **asked.columns(),
        throughput_per_s=_rounded(per_group_s),
        **_server(observed, observed.tasks),
        lost=tasks.lost,
        duplicated=tasks.duplicated,
        valid=not reason,
        reason=reason,
        name=name,
        load=observed.load,
    )


def latency_run(observed: Observed, asked: Asked, mode: Mode = Mode.LATENCY, name: str = "") -> Run:
    """Judge an open loop. Percentiles stay out when it was saturated, or has too few samples."""
    tasks = account(observed)
    loop = open_loop_figures(observed)
    facts = Facts(
        tasks,
        observed.endings,
        observed.lives,
        asked.rate_per_s,
        loop,
        percentiles=mode is Mode.LATENCY,
        disturbed=bool(observed.incidents),
    )
    reason = judge(facts)
    publish = mode is Mode.LATENCY and not saturated(facts) and not loop.out_of_order
    return Run(
        mode=mode,
        **asked.columns(),
        throughput_per_s=_rounded(loop.throughput_per_s),
        **(_latencies(loop) if publish else {}),
        lag_p99_us=_rounded(loop.lag_p99_us),
        in_system=_rounded(loop.in_system, 3),
        producer_cpu=_rounded(observed.producer.cpu_share, 3) if observed.producer else None,
        **_server(observed, len(observed.sends)),
        **_kills(observed),
        lost=tasks.lost,
        duplicated=tasks.duplicated,
        valid=not reason,
        reason=reason,
        name=name,
        load=observed.load,
    )


def _latencies(loop: OpenLoop) -> dict[str, Any]:
    parts = {f"{name}_us": _rounded(mean_us) for name, mean_us in loop.parts_us.items()}
    return parts | {
        "p50_us": loop.corrected.quantile_us(0.5),
        "p90_us": loop.corrected.quantile_us(0.9),
        "p99_us": loop.corrected.quantile_us(0.99),
        "p999_us": loop.corrected.quantile_us(0.999),
        "max_us": loop.corrected.max_us,
        "uncorrected_p50_us": loop.uncorrected.quantile_us(0.5),
        "uncorrected_p99_us": loop.uncorrected.quantile_us(0.99),
        "uncorrected_max_us": loop.uncorrected.max_us,
    }


def _server(observed: Observed, tasks: int) -> dict[str, Any]:
    share = observed.share
    if share is None:
        return {}
    return {
        "server_cpu": _rounded(share.cpu_share, 3),
        "server_task_us": _rounded(share.task_us(tasks), 2),
        "memory_bytes": share.memory_bytes,
        "memory_grown_bytes": share.memory_grown_bytes,
    }


def _kills(observed: Observed) -> dict[str, Any]:
    kills = [incident for incident in observed.incidents if incident.what == "killed"]
    if not kills:
        return {}
    recoveries = recovery_ms(observed)
    return {
        "kills": len(kills),
        "held": sum(kill.held for kill in kills),
        "recovery_ms": _rounded(median(recoveries)) if recoveries else None,
    }
