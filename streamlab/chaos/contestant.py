"""``python -m streamlab.chaos.contestant``: the process of a consumer under test."""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path

from streamlab.chaos.arena import Arena, Job


def main() -> None:
    """Call the contestant's function with its arena."""
    logging.basicConfig(level=logging.CRITICAL)
    sys.path.insert(0, str(Path.cwd()))  # a contestant of the reader's own
    job = Job.from_environment()
    module, _, function = job.contestant.partition(":")
    getattr(importlib.import_module(module), function)(Arena(job))


if __name__ == "__main__":
    main()
