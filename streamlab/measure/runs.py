"""A run as a row: what it was, what it measured, whether it may be trusted, and why not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Any

from streamlab.load.settings import Load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Mode(StrEnum):
    """What a run measures; they are never mixed."""

    CAPACITY = "capacity"  # a backlog is drained: how many
    SEARCH = "search"  # a short open loop at a rate that is tried: does the backlog grow?
    LATENCY = "latency"  # an open loop at a fixed λ: how long
    COMMAND = "command"  # one command again and again: how long it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, with the columns of ``runs.csv``; None is an empty cell: not measured, or unknown.

    After these come the columns of `Load`.

    Attributes
    ----------
    mode
        ``capacity``, ``search``, ``latency`` or ``command``; see `Mode`.
    case
        What is compared in this folder: ``2 consumers``, ``COUNT 100``, ``fsync always``.
    repeat
        From 1 on.
    persistence
        Of the server: ``none``, ``everysec``, ``always``; empty for the reader's own server.
    rate_per_s
        λ of an open loop, or the rate that a search tried.
    share
        λ as a share of the case's own capacity, where it was chosen so.
    seconds
        How long was measured.
    throughput_per_s
        Tasks (or calls) per second, over the middle of a backlog or the measured part of a loop.
    p50_us, p90_us, p99_us, p999_us, max_us
        Latency in µs from when a task was due to when its handler had ended; of a command, from its
        sending to its reply. A percentile without ten samples beyond it is empty.
    uncorrected_p50_us, uncorrected_p99_us, uncorrected_max_us
        The same counted from when a task was sent: what a benchmark that waits would have said.
    lag_us, add_us, wait_us, handler_us, ack_us
        Where a message spends its time, in µs, means: late sending, XADD, waiting for the handler,
        the handler, the acknowledgement.
    lag_p99_us
        The p99 of the late sending.
    in_system
        L, how many tasks were in the system in the mean.
    producer_cpu, server_cpu
        Shares of one core.
    server_task_us
        The server's own time per task, all its stream commands together, in µs (INFO commandstats).
    memory_bytes, memory_grown_bytes
        used_memory at the end, and how much more that was than at the beginning.
    kills, held
        Consumers that were killed, and entries that they held then.
    recovery_ms
        The median time from a kill until all that had been sent before it was done.
    lost
        Tasks that XADD acknowledged and nobody did or will do.
    duplicated
        Tasks done more than once.
    valid
        Whether every gate let the run pass.
    reason
        What the gates said; empty for a valid run.
    name
        Of its files: ``hdr/NAME.hdr``, its latencies, and ``details/NAME.json``, its timeline and
        the server's share; empty without them.
    """

    mode: Mode
    case: str
    repeat: int
    persistence: str = ""
    rate_per_s: float | None = None
    share: float | None = None
    seconds: float | None = None
    throughput_per_s: float | None = None
    p50_us: int | None = None
    p90_us: int | None = None
    p99_us: int | None = None
    p999_us: int | None = None
    max_us: int | None = None
    uncorrected_p50_us: int | None = None
    uncorrected_p99_us: int | None = None
    uncorrected_max_us: int | None = None
    lag_us: float | None = None
    add_us: float | None = None
    wait_us: float | None = None
    handler_us: float | None = None
    ack_us: float | None = None
    lag_p99_us: float | None = None
    in_system: float | None = None
    producer_cpu: float | None = None
    server_cpu: float | None = None
    server_task_us: float | None = None
    memory_bytes: int | None = None
    memory_grown_bytes: int | None = None
    kills: int | None = None
    held: int | None = None
    recovery_ms: float | None = None
    lost: int = 0
    duplicated: int = 0
    valid: bool
    reason: str = ""
    name: str = ""
    load: Load = field(default_factory=Load)

    @property
    def consumers(self) -> int:
        """Consumer processes in each group."""
        return self.load.consumers

    @property
    def kept_up(self) -> bool:
        """Of a search's try: whether the consumers kept up, and the producer too."""
        return not any(word in self.reason for word in _NOT_HELD)

    def row(self) -> dict[str, str]:
        """The cells of ``runs.csv``, by column."""
        cells = {name: getattr(self, name) for name in _OWN} | asdict(self.load)
        return {name: _cell(value) for name, value in cells.items()}

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Run:
        """The run that `row` wrote."""
        own = {name: _value(_OWN[name], row[name]) for name in _OWN}
        load = {name: _value(kind, row[name]) for name, kind in _LOAD.items()}
        return cls(**own | {"mode": Mode(row["mode"])}, load=Load(**load))


_NOT_HELD = ("saturated", "unread", "pending", "instead of", "bottleneck", "nothing was sent")
_OWN: dict[str, str] = {one.name: str(one.type) for one in fields(Run) if one.name != "load"}
_LOAD: dict[str, str] = {one.name: str(one.type) for one in fields(Load)}
#: The columns of ``runs.csv``, in their order.
COLUMNS = (*_OWN, *_LOAD)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _value(kind: str, text: str) -> Any:
    if kind.endswith("| None") and not text:
        return None
    if kind == "bool":
        return text == "true"
    if kind.startswith("int"):
        return int(text)
    return float(text) if kind.startswith("float") else text


def median_of_valid(runs: Iterable[Run], mode: Mode, column: str, **wanted: object) -> float | None:
    """The median of a column over the valid runs of one mode; None without any.

    `wanted` are values that a run's attributes must have: ``case="fsync always"``, ``consumers=2``.
    A p99 that stands for several runs is the median of theirs, never their mean.
    """
    values = values_of_valid(runs, mode, column, **wanted)
    return median(values) if values else None


def values_of_valid(runs: Iterable[Run], mode: Mode, column: str, **wanted: object) -> list[float]:
    """The column's values in the valid runs of one mode that have what is `wanted`."""
    values = [
        getattr(run, column)
        for run in runs
        if run.mode is mode
        and run.valid
        and all(getattr(run, name) == value for name, value in wanted.items())
    ]
    return [value for value in values if value is not None]
