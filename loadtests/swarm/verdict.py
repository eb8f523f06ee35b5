"""A test judges itself: what it may be quoted for, which limits it kept, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamlab.measure.histogram import samples_needed
from swarm.reasons import Account, Ending, Limit, reasons_of, remarks_of

if TYPE_CHECKING:
    from swarm.settings import Settings
    from swarm.whole import Whole

#: Exit codes of a test that ran; 0 is neither.
NOT_TRUSTED, LIMIT_FAILED = 1, 3
#: The exit code of a test that was not begun.
NOT_STARTED = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a test.

    Attributes
    ----------
    groups
        The account of each group.
    reasons
        Why it is not to be trusted; empty if it is.
    remarks
        What a reader of the figures should know besides.
    limits
        Those that were stated.
    """

    groups: tuple[Account, ...]
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def exit_code(self) -> int:
        """1: not to be trusted. 3: to be trusted, and a limit was not kept. 0: neither."""
        if self.reasons:
            return NOT_TRUSTED
        return 0 if all(limit.kept for limit in self.limits) else LIMIT_FAILED

    @property
    def told(self) -> str:
        """In one line."""
        if self.reasons:
            return f"not to be trusted: {'; '.join(self.reasons)}"
        failed = ", ".join(limit.rule for limit in self.limits if not limit.kept)
        return "to be trusted" + (f", and not within the limit {failed}" if failed else "")


def judge(whole: Whole, settings: Settings, ending: Ending) -> Verdict:
    """Hold what was sent against what was done, and look at clocks, rate, generator and limits."""
    groups = tuple(_account(whole, ending, group) for group in range(whole.groups))
    lost = sum(one.lost or 0 for one in groups) if ending.complete else None
    limits = tuple(_limits(whole, settings, lost))
    reasons = reasons_of(whole, settings, ending, groups) + [
        f"the limit {one.rule} cannot be judged: {one.found}" for one in limits if one.kept is None
    ]
    return Verdict(groups, tuple(reasons), tuple(remarks_of(whole, settings, ending)), limits)


def _account(whole: Whole, ending: Ending, group: int) -> Account:
    done, pending, unread = whole.done[group], ending.pending[group], ending.unread[group]
    left = pending | unread
    lost = sum(not done.times(n) and n not in left for n in whole.sent.numbers())
    known = lost if ending.complete else None
    return Account(done.distinct, done.repeated, known, len(pending), len(unread))


def _limits(whole: Whole, settings: Settings, lost: int | None) -> list[Limit]:
    due, limits = whole.latencies()[0], []
    for quantile, most_ms in ((0.5, settings.slo_median_ms), (0.99, settings.slo_tail_ms)):
        if most_ms is None:
            continue
        found_us, need = due.quantile_us(quantile), samples_needed(quantile)
        few = f"{due.count} samples of the {need} that it needs"
        found = few if found_us is None else f"{found_us / 1000:.3f} ms"
        kept = None if found_us is None else found_us <= most_ms * 1000
        limits.append(Limit(f"p{quantile * 100:.0f} <= {most_ms:g} ms", found, kept))
    if settings.slo_lost is not None:
        known = "unknown" if lost is None else str(lost)
        kept = None if lost is None else lost <= settings.slo_lost
        limits.append(Limit(f"lost <= {settings.slo_lost}", known, kept))
    return limits
