"""Whether two results folders may be compared: what differs, and which of it forbids it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamlab.measure.folder import Results

# By what a machine is known: seconds of another one say nothing of the code.
_MACHINE = ("processor", "architecture", "cores", "usable_cores")
# Settings of how much was measured, and not of what.
_HOW_MUCH = ("size", "seconds", "repeats", "seed")


def differences(before: Results, after: Results) -> tuple[list[str], list[str]]:
    """What forbids a comparison, and what a reader should know all the same; both in words.

    Another machine, another experiment or other settings forbid it. Longer or more runs, and other
    versions of what lies beneath, do not: that may be the very thing that is compared.
    """
    old, new = _plain(before.manifest), _plain(after.manifest)
    forbidden = []
    if not (old.get("machine") and new.get("machine")):
        forbidden.append("a manifest does not name its machine")
    forbidden += _unlike("machine", old, new, _MACHINE)
    if old.get("experiment") != new.get("experiment"):
        both = f"{old.get('experiment')!r} before, {new.get('experiment')!r} after"
        forbidden.append(f"the experiment differs: {both}")
    settings = sorted({*old.get("settings", {}), *new.get("settings", {})} - {*_HOW_MUCH})
    forbidden += _unlike("settings", old, new, settings)
    known = [*_unlike("settings", old, new, _HOW_MUCH), *_unlike("machine", old, new, ["system"])]
    for part in ("versions", "server"):
        names = sorted({*old.get(part, {}), *new.get(part, {})} - {"streamlab"})
        known += _unlike(part, old, new, names)
    return forbidden, known


def _plain(manifest: dict[str, Any]) -> dict[str, Any]:
    """As it is read from a file: a study that has just ended still has tuples in it."""
    plain: dict[str, Any] = json.loads(json.dumps(manifest, default=str))
    return plain


def _unlike(part: str, old: dict[str, Any], new: dict[str, Any], names: Iterable[str]) -> list[str]:
    pairs = ((name, old.get(part, {}).get(name), new.get(part, {}).get(name)) for name in names)
    return [
        f"{part}.{name} differs: {was!r:.80} before, {now!r:.80} after"
        for name, was, now in pairs
        if was != now
    ]
