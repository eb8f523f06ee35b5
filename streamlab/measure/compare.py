"""Two results folders held against each other: faster, slower, or cannot tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from streamlab.errors import BenchError
from streamlab.measure.alike import differences
from streamlab.measure.change import Change, Verdict, changed, table
from streamlab.measure.pairs import pairs
from streamlab.measure.regression import regressions
from streamlab.measure.runs import Mode, values_of_valid
from streamlab.measure.spread import false_alarms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamlab.measure.folder import Results
    from streamlab.measure.pairs import Pair

__all__ = ["Comparison", "compare", "regressions"]

_LATENCIES = (
    ("p50_us", "p50 µs", False, "bare_p50_us"),
    ("p99_us", "p99 µs", False, "bare_p50_us"),
)
#: Per mode: column, what it is called, whether more is better, the bare loop's figure beside it.
_FIGURES = {
    Mode.CAPACITY: (("throughput_per_s", "tasks/s", True, "bare_per_s"),),
    Mode.LATENCY: _LATENCIES,
    Mode.COMMAND: _LATENCIES,
}
# How often equals are set apart where the bare loop must agree; see `changed`.
_BESIDE_BARE = 0.03
# Of the manifest's floor: entry, case, figure, whether more is better.
_MACHINE = (
    ("bare_p50_us", "bare loop", "p50 µs", False),
    ("bare_per_s", "bare loop", "tasks/s", True),
)
_OURS = (
    ("p50_ratios", "ours to bare", "p50", False),
    ("throughput_ratios", "ours to bare", "tasks/s", True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What became of each figure.

    Attributes
    ----------
    machine
        The bare loop, after over before: what the machine itself, or what lies beneath the
        package, has become.
    floor
        The package's ratio to the bare loop of the same run: no machine is in it.
    changes
        The figures of the cases that both folders have.
    caveats
        What to keep in mind, in words.
    left_out
        Invalid runs before and after, which count for nothing.
    """

    machine: tuple[Change, ...]
    floor: tuple[Change, ...]
    changes: tuple[Change, ...]
    caveats: tuple[str, ...]
    left_out: tuple[int, int]

    @property
    def slower(self) -> list[Change]:
        """What is slower; the machine itself does not count."""
        return [one for one in (*self.floor, *self.changes) if one.verdict is Verdict.SLOWER]

    @property
    def faster(self) -> list[Change]:
        """What is faster; the machine itself does not count."""
        return [one for one in (*self.floor, *self.changes) if one.verdict is Verdict.FASTER]

    def lines(self) -> list[str]:
        """A table as text, the bare loop first, and below it what to keep in mind."""
        told = table([*self.machine, *self.floor, *self.changes])
        both = len(self.floor) + len(self.changes)
        told.append(f"{len(self.faster)} faster, {len(self.slower)} slower, of {both} figures.")
        if any(self.left_out):
            before, after = self.left_out
            told.append(f"Left out as invalid: {before} runs before, {after} after.")
        return [*told, *(f"Note: {caveat}." for caveat in self.caveats)]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def compare(before: Results, after: Results, *, force: bool = False) -> Comparison:
    """Hold the valid runs of two folders against each other.

    Parameters
    ----------
    force
        Compare what was measured on different machines, or of different things, all the same.

    Raises
    ------
    BenchError
        Machine, experiment or settings differ, and it is not forced; or they share no case.
    """
    forbidden, caveats = differences(before, after)
    if forbidden and not force:
        msg = f"{'; '.join(forbidden)}: measure both alike, or force the comparison (--force)"
        raise BenchError(msg)
    found, lone = pairs(before, after)
    if not found:
        msg = f"{before.path} and {after.path} share no case: compare two runs of one experiment"
        raise BenchError(msg)
    old, new = _floor(before), _floor(after)
    each = [change for pair in found for change in _changes(pair, old, new, force=force)]
    changes = [change for change in each if any(change.runs)]
    told = [*forbidden, *caveats, *lone, *_chance(changes)]
    if blank := len(each) - len(changes):
        told.append(f"not shown, without a valid run on either side: {blank} figures")
    if not (old and new):
        told.append("no bare loop in both: a faster machine looks like a faster package")
    return Comparison(
        machine=tuple(_of_floor(_MACHINE, old, new)),
        floor=tuple(_of_floor(_OURS, old, new)),
        changes=tuple(changes),
        caveats=tuple(told),
        left_out=(_invalid(before), _invalid(after)),
    )


def _floor(results: Results) -> Mapping[str, list[float]]:
    return results.manifest.get("floor") or {}


def _invalid(results: Results) -> int:
    return sum(not run.valid for run in results.runs if run.mode is not Mode.SEARCH)


def _of_floor(
    rows: Sequence[tuple[str, str, str, bool]],
    old: Mapping[str, list[float]],
    new: Mapping[str, list[float]],
) -> Iterator[Change]:
    for name, case, figure, more in rows:
        if name in old and name in new:
            yield changed(
                case, figure, old[name], new[name], more_is_better=more, rests_on="its rounds"
            )


def _changes(
    pair: Pair, old: Mapping[str, list[float]], new: Mapping[str, list[float]], *, force: bool
) -> Iterator[Change]:
    for column, figure, more, bare in _FIGURES[pair.mode]:
        change = changed(
            pair.case,
            figure,
            values_of_valid(pair.before, pair.mode, column),
            values_of_valid(pair.after, pair.mode, column),
            more_is_better=more,
            bare=(old.get(bare, []), new.get(bare, [])),
            doubt="" if force or not pair.unlike else f"other settings: {pair.unlike}",
        )
        yield _at_its_rate(change, pair.rates_per_s)


def _at_its_rate(change: Change, rates_per_s: tuple[float, float] | None) -> Change:
    """A latency rises with λ: it is faster at a higher one, or slower at a lower, or unknown."""
    if rates_per_s is None:
        return change
    was, now = rates_per_s
    told = f"at {was:g}/s before, {now:g}/s after"
    against = Verdict.FASTER if now < was else Verdict.SLOWER
    verdict = Verdict.CANNOT_TELL if change.verdict is against else change.verdict
    return replace(change, verdict=verdict, reason="; ".join(filter(None, [change.reason, told])))


def _chance(changes: Sequence[Change]) -> list[str]:
    """How many verdicts are to be expected from runs that do not differ at all."""
    sure = [change for change in changes if change.interval is not None]
    expected = sum(
        false_alarms(min(one.runs)) if one.to_bare is None else _BESIDE_BARE for one in sure
    )
    if not round(expected):
        return []
    told = (
        f"chance alone sets about {expected:.0f} of {len(sure)} equal figures apart: a verdict "
        "that stands alone is a reason to measure again"
    )
    return [told]
