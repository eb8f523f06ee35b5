"""What is kept of a run beside its row: its timeline, its incidents, the server's share."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from streamlab.load.observed import Observed

#: How many steps a timeline has at the most.
_STEPS = 240
_LEAST_STEP_S = 0.05


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run over time, in steps of equal length; lists of one length, None where nothing is known.

    Attributes
    ----------
    step_s
        The length of a step, in s.
    at_s
        Where each step begins, in s after the first task was due.
    sent_per_s, done_per_s
        Rates within the step.
    waiting
        Tasks sent and not yet with a consumer, at the step's end.
    pending
        Tasks with a consumer and not yet acknowledged, at the step's end; by the records of the
        processes, so that what a killed one held counts as waiting.
    max_us
        The longest latency, from due to done, of the tasks that were due in the step, in µs.
    lag, server_pending, memory_bytes
        The server's own view, from the last sample in the step.
    """

    step_s: float
    at_s: list[float]
    sent_per_s: list[float]
    done_per_s: list[float]
    waiting: list[int]
    pending: list[int]
    max_us: list[int | None]
    lag: list[int | None]
    server_pending: list[int | None]
    memory_bytes: list[int | None]

    @classmethod
    def of(cls, observed: Observed) -> Self:
        """The timeline of an open loop, from its first due time to its last acknowledgement."""
        t0 = int(observed.due_ns[0])
        last = (observed.effects["done_ns"], observed.acks["acked_ns"], observed.due_ns)
        end = 1 + max(int(times.max(initial=t0)) for times in last)
        step_ns = max(round(_LEAST_STEP_S * 1e9), -(-(end - t0) // _STEPS))
        edges = np.arange(t0, end + step_ns, step_ns)
        sent, done = observed.sends["sent_ns"], observed.effects["done_ns"]
        groups = observed.load.groups
        each = _counts(sent, edges), _counts(done, edges)
        received = np.cumsum(_counts(observed.effects["received_ns"], edges))
        acked = np.cumsum(_counts(observed.acks["acked_ns"], edges))
        arrived = np.cumsum(each[0]) * groups
        finished = acked if len(observed.acks) else np.cumsum(each[1])
        samples = _last_samples(observed, edges)
        return cls(
            step_s=step_ns / 1e9,
            at_s=[round(float(edge - t0) / 1e9, 3) for edge in edges[:-1]],
            sent_per_s=[round(float(n * 1e9 / step_ns), 1) for n in each[0]],
            done_per_s=[round(float(n * 1e9 / step_ns / groups), 1) for n in each[1]],
            waiting=np.maximum(0, arrived - received).tolist(),
            pending=np.maximum(0, received - finished).tolist(),
            max_us=_longest(observed, edges),
            lag=[None if s is None else s[0] for s in samples],
            server_pending=[None if s is None else s[1] for s in samples],
            memory_bytes=[None if s is None else s[2] for s in samples],
        )


def _counts(times_ns: npt.NDArray[np.int64], edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.histogram(times_ns, edges)[0].astype(np.int64)


def _longest(observed: Observed, edges: npt.NDArray[np.int64]) -> list[int | None]:
    task = observed.effects["number"] // observed.load.groups
    known = (task >= 0) & (task < len(observed.due_ns))
    due = observed.due_ns[task[known]]
    latency = observed.effects["done_ns"][known] - due
    longest = np.full(len(edges) - 1, -1, np.int64)
    step = np.clip(np.searchsorted(edges, due, "right") - 1, 0, len(longest) - 1)
    np.maximum.at(longest, step, latency)
    return [None if ns < 0 else int(ns // 1000) for ns in longest]


def _last_samples(
    observed: Observed, edges: npt.NDArray[np.int64]
) -> list[tuple[int | None, int, int] | None]:
    found: list[tuple[int | None, int, int] | None] = [None] * (len(edges) - 1)
    for one in observed.samples:
        at = int(np.searchsorted(edges, one.at_ns, "right")) - 1
        if 0 <= at < len(found):
            found[at] = (one.lag, one.pending, one.memory_bytes)
    return found


@dataclass(frozen=True, slots=True)
class Details:
    """What is kept of a run beside its row.

    Attributes
    ----------
    timeline
        None for a backlog.
    incidents
        What was done to it: ``at_s`` after the first task was due, ``what``, ``name``, ``held``.
    server
        By command: ``calls``, ``usec_per_call``, and ``up_to_us``, the bounds of LATENCY HISTOGRAM
        with how many calls took no longer.
    cpu_shares
        By process (``producer``, ``consumer-1``): the share of one core that it used; without
        those that were killed.
    """

    timeline: Timeline | None
    incidents: list[dict[str, Any]]
    server: Mapping[str, Mapping[str, Any]]
    cpu_shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, observed: Observed) -> Self:
        """What is to be kept of a run."""
        t0 = int(observed.due_ns[0]) if len(observed.due_ns) else 0
        incidents = [
            {"at_s": round((one.at_ns - t0) / 1e9, 3), "what": one.what}
            | {"name": one.name, "held": one.held}
            for one in observed.incidents
        ]
        commands = observed.share.commands if observed.share else {}
        timeline = Timeline.of(observed) if len(observed.due_ns) else None
        return cls(
            timeline,
            incidents,
            {name: asdict(share) for name, share in commands.items()},
            {name: round(life.cpu_share, 4) for name, life in sorted(observed.lives.items())},
        )

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote."""
        told = json.loads(path.read_text(encoding="utf-8"))
        timeline = Timeline(**told["timeline"]) if told["timeline"] else None
        return cls(timeline, told["incidents"], told["server"], told.get("cpu_shares", {}))
