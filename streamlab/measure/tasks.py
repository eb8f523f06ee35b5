"""The six moments of each task side by side, and the parts of its latency that lie between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from streamlab.load.observed import Observed

    Times = npt.NDArray[np.int64]

#: The parts of a task's time, in their order; they add up to the time from due to acknowledged.
PARTS = ("lag", "add", "wait", "handler", "ack")


@dataclass(frozen=True, slots=True)
class Tasks:
    """The measured tasks that were done, one row a task and group, in ns of one clock.

    A task that was done twice was done when it was done first.

    Attributes
    ----------
    number
        Its number, task * groups + group.
    due, sent, added, received, started, done
        When it was due; when XADD was sent; when it is known to be on the stream (XADD's reply, or
        its reception by the consumer, whichever came first); when the consumer had it; when the
        handler began, and ended.
    acked
        When the reply to its acknowledgement came; `done` where there was none (NOACK).
    """

    number: Times
    due: Times
    sent: Times
    added: Times
    received: Times
    started: Times
    done: Times
    acked: Times

    @classmethod
    def of(cls, observed: Observed) -> Tasks:
        """The tasks from `measured_from` on whose sending and whose effect are both known."""
        groups = observed.load.groups
        sends = np.sort(observed.sends, order="number")
        effects = np.sort(observed.effects, order="done_ns")
        _, first = np.unique(effects["number"], return_index=True)
        effects = effects[first]
        task = effects["number"] // groups
        known = np.isin(task, sends["number"]) & (task >= observed.measured_from)
        effects, task = effects[known], task[known]
        row = np.searchsorted(sends["number"], task)
        sent, replied = sends["sent_ns"][row], sends["replied_ns"][row]
        return cls(
            number=effects["number"],
            due=observed.due_ns[task] if len(observed.due_ns) else sent,
            sent=sent,
            added=np.maximum(sent, np.minimum(replied, effects["received_ns"])),
            received=effects["received_ns"],
            started=effects["started_ns"],
            done=effects["done_ns"],
            acked=_acked(effects["number"], effects["done_ns"], observed),
        )

    def __len__(self) -> int:
        return len(self.number)

    def parts_ns(self) -> dict[str, Times]:
        """What lies between the moments, of each task, in ns, by the names of `PARTS`.

        lag: due to sent. add: sent to on the stream. wait: to the handler's beginning, on the
        stream and in the consumer's hand. handler: to its end. ack: to the acknowledgement.
        """
        marks = (self.due, self.sent, self.added, self.started, self.done, self.acked)
        return {
            part: after - before
            for part, (before, after) in zip(PARTS, pairwise(marks), strict=True)
        }

    def out_of_order(self) -> npt.NDArray[np.bool_]:
        """Which tasks were done before they began, received before they were sent, and so on."""
        marks = (self.sent, self.received, self.started, self.done, self.acked)
        wrong = np.zeros(len(self), bool)
        for before, after in pairwise(marks):
            wrong |= after < before
        return wrong | (self.done < self.due)


def _acked(number: Times, done: Times, observed: Observed) -> Times:
    """When each was acknowledged first after it was done; `done` where nothing is known."""
    acks = np.sort(observed.acks, order="acked_ns")
    numbers, first = np.unique(acks["number"], return_index=True)
    if not len(numbers):
        return done
    at = np.minimum(np.searchsorted(numbers, number), len(numbers) - 1)
    found = numbers[at] == number
    return np.where(found, acks["acked_ns"][first][at], done)
