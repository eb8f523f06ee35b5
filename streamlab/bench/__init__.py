"""Experiments whose figures can be trusted: runs in a random order, a manifest, a results folder.

Each run is judged by itself before anybody else sees it. Nothing here imports Locust, so that a
notebook may import all of it.
"""

from __future__ import annotations
