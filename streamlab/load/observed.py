"""What a run left behind, and which part of it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from streamlab.load.disturb import Incident
    from streamlab.load.ledger import Records
    from streamlab.load.life import Life
    from streamlab.load.sampler import Sample
    from streamlab.load.settings import Load
    from streamlab.load.share import ServerShare

#: The part of an open loop that comes before the measured one and is thrown away, as a share of it.
WARMUP_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a run left behind; times in ns of `time.monotonic_ns`, which is one clock per host.

    A task that goes to several groups is one record of `sends` and one effect in each group. An
    effect, an acknowledgement, a leftover is known by its number: task * groups + group.

    Attributes
    ----------
    load
        What the run was made of.
    due_ns
        When each task was due, by number; empty for a backlog. The producer sent all of them, or
        was about to.
    tasks
        How many tasks there were to be.
    measured_from
        The number of the first task that counts; those before it were the warm-up.
    sends
        A record for each task whose XADD was acknowledged. A backlog has no times in it.
    effects
        What the consumers did: a record for each time a handler ran to its end.
    acks
        A record for each acknowledgement whose reply came.
    pending, unread
        The tasks left on the stream: delivered and not acknowledged; never delivered.
    endings
        How processes ended that should not have ended like that.
    lives
        What each process told of itself at its end, by name.
    share
        What the server did meanwhile; None if it could not be asked.
    samples
        The server's own view, in order of time.
    incidents
        What was done to the run.
    began_s
        When task 0 was due, in s since 1970.
    """

    load: Load
    tasks: int
    due_ns: npt.NDArray[np.int64]
    measured_from: int = 0
    sends: Records
    effects: Records
    acks: Records
    pending: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    endings: tuple[str, ...] = ()
    lives: Mapping[str, Life] = field(default_factory=dict)
    share: ServerShare | None = None
    samples: tuple[Sample, ...] = ()
    incidents: tuple[Incident, ...] = ()
    began_s: float = 0.0

    @property
    def producer(self) -> Life | None:
        """What the producer told of itself; None for a backlog, or if it was killed."""
        return self.lives.get("producer")
