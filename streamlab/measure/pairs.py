"""Which runs of two results folders are of the same thing, and what sets them apart even so."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from streamlab.measure.runs import Mode

if TYPE_CHECKING:
    from streamlab.measure.folder import Results
    from streamlab.measure.runs import Run

# Rates that lie closer than this share are one rate.
_SAME_RATE = 0.01


@dataclass(frozen=True, slots=True)
class _Key:
    """What must agree, the rate apart."""

    mode: Mode
    case: str
    consumers: int
    persistence: str
    share: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Valid and invalid runs of one thing, before and after.

    Attributes
    ----------
    mode
        Capacity, latency or command.
    case
        With the persistence, the rate or the load, where there is one.
    rates_per_s
        λ before and after; None when it is one, or there is none.
    unlike
        Which settings of the load differ, in words.
    """

    mode: Mode
    case: str
    before: list[Run]
    after: list[Run]
    rates_per_s: tuple[float, float] | None
    unlike: str


def pairs(before: Results, after: Results) -> tuple[list[Pair], list[str]]:
    """The pairs, in the order of the cases, and in words what only one of the folders has.

    A latency is of one λ, or of one share of its case's own capacity: there λ moves with the
    capacity, as it does where it was chosen automatically.
    """
    old, new = _groups(before), _groups(after)
    found, lone = [], []
    cases = {case: place for place, case in enumerate(before.manifest.get("cases", []))}
    for key in sorted(old, key=lambda key: (key.mode, cases.get(key.case, len(cases)))):
        for rate, runs in old[key].items():
            match = _match(rate, old[key], new.get(key, {}))
            if match is None:
                lone.append(f"only before: {_name(key, rate)}")
                continue
            others = new[key].pop(match)
            found.append(
                Pair(
                    mode=key.mode,
                    case=_name(key, rate),
                    before=runs,
                    after=others,
                    rates_per_s=None if _close(rate, match) else (rate, match),
                    unlike=_unlike(runs[0], others[0]),
                )
            )
    lone += [f"only after: {_name(key, rate)}" for key, rates in new.items() for rate in rates]
    return found, lone


def _groups(results: Results) -> dict[_Key, dict[float, list[Run]]]:
    """By what they are of, and then by λ; 0 is none."""
    groups: dict[_Key, dict[float, list[Run]]] = {}
    for run in results.runs:
        if run.mode is Mode.SEARCH:  # a search tries rates; what it found is not in its runs
            continue
        key = _Key(run.mode, run.case, run.consumers, run.persistence, run.share)
        groups.setdefault(key, {}).setdefault(run.rate_per_s or 0.0, []).append(run)
    return groups


def _match(
    rate: float, siblings: dict[float, list[Run]], others: dict[float, list[Run]]
) -> float | None:
    """The rate of the other folder that stands for this one: the same, or the only one of each."""
    near = [other for other in others if _close(rate, other)]
    if not near and len(siblings) == len(others) == 1:
        near = list(others)
    return near[0] if near else None


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SAME_RATE)


def _name(key: _Key, rate: float) -> str:
    parts = [key.case]
    if key.persistence not in ("", "none") and key.persistence not in key.case:
        parts.append(f"fsync {key.persistence}")
    if key.share is not None:
        parts.append(f"at {key.share:.0%} load")
    elif rate:
        parts.append(f"at {rate:g}/s")
    return ", ".join(parts)


def _unlike(one: Run, other: Run) -> str:
    """The settings of the two loads that differ; the seed is none of what is measured."""
    old, new = asdict(one.load), asdict(other.load)
    differ = [name for name in old if old[name] != new[name] and name != "seed"]
    return ", ".join(f"{name} {old[name]} before, {new[name]} after" for name in differ)
