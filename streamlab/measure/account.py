"""Where each task ended: every one that was sent, held against every one that was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamlab.load.settings import Ack

if TYPE_CHECKING:
    import numpy.typing as npt

    from streamlab.load.observed import Observed


@dataclass(frozen=True, slots=True)
class Account:
    """Where each task ended, in numbers of tasks; with several groups, of tasks times groups.

    Attributes
    ----------
    lost
        Acknowledged by XADD, no effect, and no longer on the stream's list of things to do.
    duplicated
        Effect seen more than once (at-least-once allows it).
    unexpected
        Effect of a task that nobody sent.
    pending, unread
        Left on the stream: delivered and not acknowledged; never delivered.
    overacked
        Acknowledged more often than done.
    unacked
        Done, off the pending list, and no acknowledgement's reply was noted; always 0 with NOACK.
    """

    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    pending: int = 0
    unread: int = 0
    overacked: int = 0
    unacked: int = 0


def account(observed: Observed) -> Account:
    """Hold the sends against the effects and these against the acknowledgements, task by task."""
    groups = observed.load.groups
    done, times = np.unique(observed.effects["number"], return_counts=True)
    sent = observed.sends["number"][:, None] * groups + np.arange(groups)
    waiting = {*observed.pending, *observed.unread}
    accounted = np.union1d(done, np.fromiter(waiting, np.int64, len(waiting)))
    acked, acks = np.unique(observed.acks["number"], return_counts=True)
    unacked = np.setdiff1d(done, np.concatenate([acked, np.array(observed.pending, np.int64)]))
    return Account(
        lost=len(np.setdiff1d(sent, accounted)),
        duplicated=int((times > 1).sum()),
        unexpected=int(((done < 0) | (done >= observed.tasks * groups)).sum()),
        # A task whose effect is known and whose XACK is not: pending, and counted as such.
        pending=len(set(observed.pending)),
        unread=len(set(observed.unread)),
        overacked=int((acks > _times_of(acked, done, times)).sum()),
        unacked=0 if observed.load.ack is Ack.NOACK else len(unacked),
    )


def _times_of(
    wanted: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64], times: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """How often each of `wanted` is counted among the sorted `numbers`: 0 for one that is not."""
    if not len(numbers):
        return np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
    return np.where(numbers[at] == wanted, times[at], 0)
