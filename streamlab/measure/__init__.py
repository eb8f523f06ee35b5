"""From what a run left behind to figures that are judged: pure, no server, no process.

A run becomes a `Run`, a row of ``runs.csv``; rows become medians with intervals, laws and plans.
"""

from __future__ import annotations
