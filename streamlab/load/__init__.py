"""One run of load on real processes and a real server: what was seen, unjudged.

A run is a `Load` (what producers and consumers are), put on a `Rig` (a server and a stream). It
leaves an `Observed`: for each task when it was due, sent, received, done and acknowledged, in ns
of one clock. Nothing here imports Locust, so that a notebook may import all of it.
"""

from __future__ import annotations
