# /// script
# dependencies = ["faststream[redis]==0.7.8", "uvloop==0.23.0", "hiredis==3.5.0"]
# [tool.peer]
# tasks = 50_000
# promise = "kept, not swept"
# settings = "group, batch=True, max_records=100: a handler gets 100 messages, acks after all"
# ///
"""FastStream with a handler for a whole batch: one failure is the batch's failure."""

from __future__ import annotations

import peer_faststream

enqueue = peer_faststream.enqueue


def work(n: int) -> None:
    """As `peer_faststream`, by batches."""
    peer_faststream.work(n, batch=True)
