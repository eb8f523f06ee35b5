"""The server's share of a run: what each command cost there, by INFO and LATENCY HISTOGRAM."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CommandShare:
    """One command during a run.

    Attributes
    ----------
    calls
        How often it was called.
    usec_per_call
        The server's own time for one call, in µs, without the network and the wait before it.
    up_to_us
        From LATENCY HISTOGRAM (7.0+): upper bounds in µs, rising powers of two, each with how many
        calls took no longer; empty on older servers.
    """

    calls: int
    usec_per_call: float
    up_to_us: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerShare:
    """What the server did during a run.

    Attributes
    ----------
    commands
        Of each command that was called, by its name in lower case; a subcommand: ``xinfo|groups``.
    cpu_share
        The share of one core that the server used.
    memory_bytes
        used_memory at the end.
    memory_grown_bytes
        How much more that was than at the beginning; may be negative.
    """

    commands: Mapping[str, CommandShare]
    cpu_share: float
    memory_bytes: int
    memory_grown_bytes: int

    def task_us(self, tasks: int) -> float | None:
        """The server's time for one task, in µs: all stream commands over `tasks`; None for 0."""
        if not tasks:
            return None
        spent = (c.calls * c.usec_per_call for n, c in self.commands.items() if n.startswith("x"))
        return sum(spent) / tasks


@dataclass(frozen=True, slots=True)
class Reading:
    """The server's counters at one moment: the share is the difference of two."""

    at_ns: int
    stats: Mapping[str, Mapping[str, float]]
    histograms: Mapping[str, Mapping[int, int]]
    cpu_s: float
    memory_bytes: int

    @classmethod
    def take(cls, client: redis.Redis) -> Reading:
        """INFO commandstats, INFO cpu, INFO memory and LATENCY HISTOGRAM; resets nothing."""
        info: dict[str, Any] = {}
        for section in ("commandstats", "cpu", "memory"):
            info |= client.info(section)
        stats = {
            name.removeprefix("cmdstat_"): value
            for name, value in info.items()
            if name.startswith("cmdstat_")
        }
        cpu_s = float(info["used_cpu_sys"]) + float(info["used_cpu_user"])
        memory = int(info["used_memory"])
        return cls(time.monotonic_ns(), stats, _histograms(client), cpu_s, memory)

    def until(self, later: Reading) -> ServerShare:
        """What happened between this reading and a later one."""
        seconds = max(1e-9, (later.at_ns - self.at_ns) / 1e9)
        return ServerShare(
            commands={
                name: share
                for name in sorted(later.stats)
                if (share := self._of(name, later)) is not None
            },
            cpu_share=max(0.0, later.cpu_s - self.cpu_s) / seconds,
            memory_bytes=later.memory_bytes,
            memory_grown_bytes=later.memory_bytes - self.memory_bytes,
        )

    def _of(self, name: str, later: Reading) -> CommandShare | None:
        before, after = self.stats.get(name, {}), later.stats[name]
        calls = int(after["calls"] - before.get("calls", 0))
        if calls <= 0:
            return None  # not called, or the server was restarted meanwhile
        usec = after["usec"] - before.get("usec", 0)
        return CommandShare(calls, usec / calls, self._histogram(name, later))

    def _histogram(self, name: str, later: Reading) -> dict[int, int]:
        """The difference of two cumulative histograms; a bound that is missing has that below."""
        before, after = self.histograms.get(name, {}), later.histograms.get(name, {})
        found: dict[int, int] = {}
        reached = 0
        for bound in sorted(after):
            reached = max((n for b, n in before.items() if b <= bound), default=0)
            found[bound] = after[bound] - reached
        return found


def _histograms(client: redis.Redis) -> dict[str, dict[int, int]]:
    """LATENCY HISTOGRAM of all commands; nothing where the server does not know or allow it."""
    try:
        reply: Any = client.execute_command("LATENCY", "HISTOGRAM")  # type: ignore[no-untyped-call]
    except redis.ResponseError:  # before 7.0, or an ACL
        return {}
    return {str(name): _bounds(told) for name, told in _pairs(reply).items()}


def _pairs(reply: Any) -> dict[Any, Any]:
    """A map as RESP2 sends it (a flat list), or as RESP3 does."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def _bounds(told: Any) -> dict[int, int]:
    pairs = _pairs(_pairs(told)["histogram_usec"])
    return {int(bound): int(count) for bound, count in pairs.items()}
