"""The figures of a test, as they are printed at its end and shown while it runs: one source."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from swarm.clock import ClockKind
from swarm.reasons import Account

if TYPE_CHECKING:
    from streamlab.measure.histogram import LatencyHistogram
    from swarm.settings import Settings
    from swarm.verdict import Verdict
    from swarm.whole import Whole

QUANTILES = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99}


def figures(
    whole: Whole,
    settings: Settings,
    verdict: Verdict | None = None,
    left: tuple[tuple[int | None, int | None], ...] = (),
) -> dict[str, Any]:
    """All figures, as JSON has them; None is unknown.

    Parameters
    ----------
    verdict
        That of the end; None while the test runs, when nobody can say what is lost.
    left
        While it runs: (pending, unread) of each group, as the server tells them.
    """
    due, sent = whole.latencies()
    running = tuple(
        Account(done.distinct, done.repeated, None, *some)
        for done, some in zip(whole.done, left, strict=False)
    )
    groups = verdict.groups if verdict else running
    return {
        "latency": [_row("from due", due), _row("from sent", sent)],
        "stages": [
            _row(stage.told(settings.task_rate), whole.stages[number][0])
            for number, stage in enumerate(settings.stages)
            if number in whole.stages
        ],
        "counts": {"sent": whole.sent.distinct} | _sums(groups),
        "groups": [
            {"name": name} | asdict(one) for name, one in zip(settings.groups, groups, strict=False)
        ],
        "rate": _rate(whole, settings, running=verdict is None),
        "work_us": whole.work_us,
        "clock": _clock(whole, settings),
        "limits": [asdict(limit) for limit in verdict.limits] if verdict else [],
        "remarks": list(verdict.remarks) if verdict else [],
        "reasons": list(verdict.reasons) if verdict else [],
        "verdict": verdict.told if verdict else None,
        "exit_code": verdict.exit_code if verdict else None,
    }


def _rate(whole: Whole, settings: Settings, *, running: bool) -> dict[str, Any]:
    return {
        "asked_per_s": settings.task_rate,
        "sent_per_s": whole.rate_per_s(),
        "scheduled_per_s": whole.scheduled_per_s(),
        "now_per_s": whole.rate_per_s(now=True) if running else None,
        "own_lag_p50_us": whole.own_lag.quantile_us(0.5),
        "own_lag_p99_us": whole.own_lag.quantile_us(0.99),
    }


def _clock(whole: Whole, settings: Settings) -> dict[str, Any]:
    # A latency has two moments, each of a process with an error of its own: hence / 500.
    error_us = max((one.error_ns for one in whole.readings.values()), default=0) / 500
    return {
        "kind": str(settings.clock),
        "error_us": error_us,
        "processes": len(whole.readings),
    }


def _row(name: str, histogram: LatencyHistogram) -> dict[str, Any]:
    values = {key: histogram.quantile_us(quantile) for key, quantile in QUANTILES.items()}
    return {"name": name, "tasks": histogram.count, **values, "max_us": histogram.max_us}


def _sums(groups: tuple[Account, ...]) -> dict[str, int | None]:
    """Over all groups; unknown where it is unknown of one."""
    sums: dict[str, int | None] = {}
    for name in ("done", "twice", "lost", "pending", "unread"):
        values = [getattr(one, name) for one in groups]
        sums[name] = None if None in values or not values else sum(values)
    return sums


def printed(told: dict[str, Any], settings: Settings) -> str:
    """What the terminal shows of the `figures` of an ended test."""
    lines = [f"{'latency, µs':<24}{'tasks':>8}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}"]
    lines += [_line(row) for row in told["latency"] + told["stages"]]
    lines.append(_counts(told["counts"], "sent"))
    if len(told["groups"]) > 1:
        lines[-1] += f" (done once by each of {len(told['groups'])} groups)"
        lines += [f"  {one['name']}: {_counts(one, 'done')}" for one in told["groups"]]
    lines.append(_rate_told(told["rate"], settings))
    if told["work_us"] and (asked_ms := settings.load.work_ms):
        lines.append(
            f"work took {told['work_us'] / 1000:.3f} ms in the mean, asked for {asked_ms:g}"
        )
    if settings.clock is ClockKind.SERVER:
        clock = told["clock"]
        lines.append(
            f"clock: Redis TIME, as {clock['processes']} processes measured it: each latency "
            f"± {clock['error_us']:.0f} µs"
        )
    for one in told["limits"]:
        kept = {True: "kept", False: "NOT KEPT", None: "unknown"}[one["kept"]]
        lines.append(f"limit {one['rule']}: {kept} ({one['found']})")
    return "\n".join(["", *lines, *told["remarks"], told["verdict"]])


def _line(row: dict[str, Any]) -> str:
    values = [row[name] for name in (*QUANTILES, "max_us")]
    cells = "".join(f"{'-' if value is None else value:>10}" for value in values)
    return f"{row['name']:<24}{row['tasks']:>8}{cells}"


def _counts(counts: dict[str, Any], first: str) -> str:
    names = ("sent", "done", "twice", "lost", "pending", "unread")
    cells = [(name, counts[name]) for name in names[names.index(first) :]]
    return ", ".join(f"{name} {'unknown' if value is None else value}" for name, value in cells)


def _rate_told(rate: dict[str, Any], settings: Settings) -> str:
    if rate["sent_per_s"] is None or rate["scheduled_per_s"] is None:
        return "no rate: fewer than two tasks were sent"
    text = f"rate {rate['sent_per_s']:.1f}/s, asked for {settings.task_rate:g}/s"
    if settings.stages or settings.load.schedule != "fixed":
        high = " at the highest" if settings.stages else ""
        text += f"{high}, {rate['scheduled_per_s']:.1f}/s by the schedule"
    lag = rate["own_lag_p99_us"], rate["own_lag_p50_us"]
    name, value = ("p99", lag[0]) if lag[0] is not None else ("p50", lag[1])
    return text + ("" if value is None else f"; own send lag {name} {value} µs")
