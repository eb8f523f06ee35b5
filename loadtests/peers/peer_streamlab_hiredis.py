# /// script
# dependencies = ["redis==8.1.0", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 100_000
# promise = "at least once"
# settings = "batch=100, with the parser that all peers have"
# ///
"""Ours with hiredis: redis-py's own parser takes most of our time."""

from __future__ import annotations

from peer_streamlab import enqueue, work

__all__ = ["enqueue", "work"]
