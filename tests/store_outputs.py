"""Run notebooks from top to bottom and store their outputs: ``make notebooks``.

    python tests/store_outputs.py [NOTEBOOK ...]      (all of them if none is named)

An output that differs from the stored one only in what `nbval-sanitize.cfg` masks, such as an idle
time, is left as it is, so that running this twice changes nothing.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient
from nbval.plugin import get_sanitize_patterns

from streamlab.server import find_redis
from streamlab.server.install import DEFAULT_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

TESTS = Path(__file__).resolve().parent
NOTEBOOKS = TESTS.parent / "notebooks"
SANITIZE = TESTS / "nbval-sanitize.cfg"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_MASKS = get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8"))


def all_notebooks() -> list[Path]:
    """The notebooks in the order of a reader; copies that Jupyter keeps are none."""
    found = NOTEBOOKS.rglob("*.ipynb")
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def masked(value):
    """`value`, a JSON of any depth, with what differs between two runs replaced."""
    if isinstance(value, dict):
        return {key: masked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part) for part in value]
    if isinstance(value, str):
        for pattern, replacement in _MASKS:
            value = re.sub(pattern, replacement, value)
    return value


def run(path: Path, env: Mapping[str, str] | None = None) -> nbformat.NotebookNode:
    """The notebook at `path` after a run in its own folder, without what changes each time.

    The kernel has the variables of `env` on top of this process's own. A cell that fails ends the
    run with nbclient's `CellExecutionError`, which shows the cell.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=120,  # s, each cell
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute(env=os.environ | (env or {}))
    notebook.metadata = {
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
        "streamlab": notebook.metadata["streamlab"],
    }
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
    return notebook


def store(path: Path) -> bool:
    """Run the notebook at `path` and write it back; whether that changed the file."""
    before = path.read_text(encoding="utf-8")
    stored = {c.id: c for c in nbformat.reads(before, as_version=4).cells if c.cell_type == "code"}
    notebook = run(path)
    for cell in notebook.cells:
        if cell.cell_type == "code" and masked(stored[cell.id].outputs) == masked(cell.outputs):
            cell.outputs = stored[cell.id].outputs
    nbformat.validate(notebook)
    after = nbformat.writes(notebook, version=4) + "\n"
    if after != before:
        path.write_text(after, encoding="utf-8")
    return after != before


def main(names: list[str]) -> None:
    # Stored outputs are those of one version on a private server, whatever the reader has.
    os.environ.pop("STREAMLAB_REDIS_URL", None)
    os.environ.pop("STREAMLAB_REDIS_SERVER", None)
    os.environ["STREAMLAB_REDIS_SERVER"] = str(find_redis(DEFAULT_VERSION).server)
    for path in [Path(name).resolve() for name in names] or all_notebooks():
        started = time.monotonic()
        changed = store(path)
        word = "changed" if changed else "as it was"
        print(f"{time.monotonic() - started:5.1f} s  {word:9}  {path.relative_to(NOTEBOOKS)}")


if __name__ == "__main__":
    main(sys.argv[1:])
