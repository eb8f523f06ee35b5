"""The folder of a study: a manifest that must agree, rows, and files beside each row."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from streamlab.errors import BenchError
from streamlab.measure.details import Details
from streamlab.measure.folder import DETAILS, HDR, MANIFEST, RUNS, read_runs
from streamlab.measure.hdr_log import CORRECTED, UNCORRECTED, write_log
from streamlab.measure.tasks import Tasks

if TYPE_CHECKING:
    from pathlib import Path

    from streamlab.load.observed import Observed
    from streamlab.measure.judged import Asked
    from streamlab.measure.runs import Mode

# The manifest's entries that must agree for runs to stand in one folder.
_SAME = ("experiment", "settings", "machine", "versions")


def remove_results(out: Path) -> None:
    """Remove what an earlier study wrote, by its manifest and its rows; nothing else is touched.

    The folder may be one in which the reader keeps other things.
    """
    if not (out / MANIFEST).exists():
        return
    manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    names = [run.name for run in read_runs(out / RUNS)] if (out / RUNS).exists() else []
    ours = [MANIFEST, RUNS, "report.html", *(f"{chart}.png" for chart in manifest["charts"])]
    ours += [f"{HDR}/{name}.hdr" for name in names] + [f"{DETAILS}/{name}.json" for name in names]
    for name in ours:
        (out / name).unlink(missing_ok=True)


def agreed(out: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """The manifest to go on with: that of the folder if it has runs, else `facts`.

    Raises
    ------
    BenchError
        The folder's runs are of another experiment, machine or version.
    """
    path = out / MANIFEST
    if not (out / RUNS).exists() or not path.exists():
        return facts
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for what in _SAME:
        if before.get(what) != json.loads(json.dumps(facts[what])):
            msg = (
                f"{out} holds results with another {what}: {before.get(what)!r} instead of "
                f"{facts[what]!r}; give another folder, or --fresh (of bench: no --resume)"
            )
            raise BenchError(msg)
    return before | {"resumed": facts["date"]}


def save_manifest(out: Path, facts: dict[str, Any]) -> None:
    """Write ``manifest.json``: whole or not at all, however this process ends."""
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    new = out / f"{MANIFEST}.new"
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(out / MANIFEST)


def keep_files(out: Path, seen: Observed, name: str) -> None:
    """Write a run's histogram log (of an open loop) and its details."""
    Details.of(seen).write(out / DETAILS / f"{name}.json")
    if len(seen.due_ns):
        tasks = Tasks.of(seen)
        right = ~tasks.out_of_order()
        due, sent, done = tasks.due[right], tasks.sent[right], tasks.done[right]
        latencies = {CORRECTED: done - due, UNCORRECTED: done - sent}
        write_log(out / HDR / f"{name}.hdr", due, latencies, seen.began_s)


def name_of(mode: Mode, asked: Asked) -> str:
    """The name of a run's files: what it was, in lower case, without spaces."""
    parts = [mode, asked.case]
    if asked.share is not None:
        parts.append(f"{asked.share:.0%}")
    elif asked.rate_per_s is not None:
        parts.append(f"{asked.rate_per_s:.4g}-per-s")
    parts.append(str(asked.repeat))
    return re.sub(r"[^a-z0-9.%]+", "-", "-".join(parts).lower()).strip("-").replace("%", "pc")
