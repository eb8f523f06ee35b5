"""What the driver starts: ``python run.py peer_rq enqueue`` or ``... work``, in a peer's Python.

The peer is imported by its name, not run as ``__main__``: queues find tasks by module and name.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys

name, command = sys.argv[1:]
logging.disable(logging.INFO)
peer = importlib.import_module(name)
if command == "enqueue":
    peer.enqueue(int(os.environ["PEER_TASKS"]))
else:
    peer.work(int(os.environ["PEER_TASKS"]))
