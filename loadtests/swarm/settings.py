"""What one test was asked to be, from Locust's options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from streamlab.load.settings import Ack, Load, Reader, Sender
from swarm.clock import ClockKind
from swarm.options import OPTIONS
from swarm.shapes import Shape, Stage, stages_of

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a test was asked to be.

    Attributes
    ----------
    load
        What its users are; of it `consumers` is not used: Locust's own ``-u`` says how many.
    task_rate, shape, clock, slo_median_ms, slo_tail_ms, slo_lost
        The options with these names; None is no limit.
    stages
        The shape, laid out; empty for a rate without end.
    keep
        Whether to keep each single latency, for a log.
    """

    load: Load
    task_rate: float
    shape: Shape
    stages: tuple[Stage, ...]
    clock: ClockKind
    slo_median_ms: float | None
    slo_tail_ms: float | None
    slo_lost: int | None
    keep: bool

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The settings in Locust's options, be they values or the text of the web form.

        Raises
        ------
        BadArgumentError
            One is out of its bounds.
        """
        values = {one.name: one.again(given[one.name]) for one in OPTIONS}
        keep, noack, seconds = (values.pop(name) for name in ("hdr", "noack", "shape_seconds"))
        own = {name: values.pop(name) for name in _OWN}
        shape = Shape(own["shape"])
        load = Load(
            sender=Sender.XADD, reader=Reader.LOOP, ack=Ack.NOACK if noack else Ack.XACK, **values
        )
        own |= {"shape": shape, "clock": ClockKind(own["clock"]), "keep": bool(keep)}
        return cls(load=load, stages=stages_of(shape, seconds or shape.usual_s), **own)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the consumer groups."""
        if self.load.groups == 1:
            return ("workers",)
        return tuple(f"workers-{number}" for number in range(1, self.load.groups + 1))

    @property
    def longest_hold_s(self) -> float:
        """How long a consumer may need for what it waits for and has in hand: BLOCK and more."""
        in_hand_s = 2 * self.load.count * self.load.work_ms / 1000
        return self.load.block_ms / 1000 + min(60.0, in_hand_s) + 1


_OWN = ("task_rate", "shape", "clock", "slo_median_ms", "slo_tail_ms", "slo_lost")


def too_few(users: int, groups: int) -> str | None:
    """What is wrong with so few users, in words, or None."""
    if users > groups:
        return None
    return (
        f"users must be > groups, one producer and a consumer for each group, got {users} and "
        f"groups {groups}: give for example -u {groups + 1}"
    )
