"""Numbers, durations and reasons as words: small pieces that sentences are made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlab.measure.runs import Run
    from streamlab.report.spread import Spread

_MINUS = "\N{MINUS SIGN}"
_REASONS_TOLD, _LONGEST = 2, 110


def runs_text(count: int) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} run" + "s" * (count != 1)


def time_text(us: float) -> str:
    """A duration given in µs, with three digits and the unit that suits it."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= 0.9995 * size:  # 999.7 µs is 1 ms, not 1000 µs
            return f"{number_text(us / size)} {unit}"
    return f"{number_text(us)} µs"


def number_text(value: float) -> str:
    """A number with three digits, or all that it has before the point: ``1,230``, ``0.0412``."""
    sign, size = (_MINUS if value < 0 else ""), abs(value)
    if size >= 100:  # noqa: PLR2004 - from here on three digits leave no decimals
        return f"{sign}{float(f'{size:.4g}'):,.0f}"
    return f"{sign}{size:.3g}" if size >= 0.001 or not size else f"{sign}{size:.2g}"  # noqa: PLR2004


def rate_text(per_s: float) -> str:
    """``500 tasks/s``."""
    return f"{number_text(per_s)} tasks/s"


def percent_text(share: float) -> str:
    """``80 %``, ``0.3 %``."""
    return f"{number_text(100 * share)} %"


def bytes_text(count: float) -> str:
    """A size in memory, with three digits."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= size:
            return f"{number_text(count / size)} {unit}"
    return f"{number_text(count)} B"


def list_text(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) <= 1:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def interval_text(spread: Spread, before: str = "interval ") -> str:
    """`` (interval 1.8 to 2.2)``; nothing for fewer than three runs."""
    if spread.interval is None:
        return ""
    low, high = (number_text(end) for end in (spread.interval.low, spread.interval.high))
    return f" ({before}{low} to {high})"


def reasons(runs: Sequence[Run]) -> list[str]:
    """The distinct reasons why runs are invalid, most frequent first.

    Reasons that differ only in their numbers are one; the first of each stands for it.
    """
    first: dict[str, str] = {}
    times: dict[str, int] = {}
    for run in runs:
        for reason in run.reason.split("; ") if not run.valid and run.reason else ():
            kind = re.sub(r"[-+]?\d[\d.,]*", "#", reason)
            first.setdefault(kind, reason)
            times[kind] = times.get(kind, 0) + 1
    return [first[kind] for kind in sorted(first, key=lambda kind: -times[kind])]


def invalid_text(runs: Sequence[Run], drawn: int | None = None, *, how: str = "") -> str:
    """How many of the runs are invalid, what became of these, and why; nothing if none is.

    Parameters
    ----------
    runs
        All the runs that a figure is about.
    drawn
        How many of the invalid ones it shows, hollow; None for all.
    how
        What became of the invalid ones, where it is neither drawn hollow nor not drawn.
    """
    bad = [run for run in runs if not run.valid]
    if not bad:
        return ""
    shown = len(bad) if drawn is None else drawn
    text = f"{len(bad)} of {runs_text(len(runs))} {'is' if len(bad) == 1 else 'are'} invalid"
    if how:
        text += f", {how}"
    elif shown == len(bad):
        text += ", drawn hollow"
    elif shown:
        text += f": {shown} drawn hollow, {len(bad) - shown} without a figure to draw"
    else:
        text += " and not drawn, for want of a figure"
    return joined(f"{text}.", why_text(runs))


def why_text(runs: Sequence[Run]) -> str:
    """The first two of the distinct reasons why runs are invalid; nothing if none is."""
    why = reasons(runs)
    told = "; ".join(_short(reason) for reason in why[:_REASONS_TOLD])
    more = len(why) - _REASONS_TOLD
    if not told:
        return ""
    others = f"; and {more} more" if more > 0 else ""
    return f"{'Reason' if len(why) == 1 else 'Reasons'}: {told}{others}."


def _short(reason: str) -> str:
    """What fits into a sentence; the table of runs has the rest."""
    return reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 2].rstrip()} …"


def joined(*sentences: str) -> str:
    """The sentences that are not empty, with a space between them."""
    return " ".join(sentence for sentence in sentences if sentence)
