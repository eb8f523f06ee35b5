"""Runs as they would be seen, made up: for tests of what is concluded from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamlab.load.ledger import ACK, EFFECT, SEND
from streamlab.load.life import Life
from streamlab.load.observed import Observed
from streamlab.load.settings import Load
from streamlab.measure.judged import Asked, latency_run

US, MS, S = 1_000, 1_000_000, 1_000_000_000


def records(fields, rows):
    """An array as `Ledger.read` gives it."""
    return np.array([tuple(map(int, row)) for row in rows], [(name, "<i8") for name in fields])


def observed(*, sends=(), effects=(), acks=None, due=None, load=None, **more):
    """What a run left; an effect's acknowledgement follows at once unless `acks` are given."""
    sends, effects = records(SEND, sends), records(EFFECT, effects)
    if acks is None:
        acks = [(n, at) for n, at in zip(effects["number"], effects["done_ns"], strict=True)]
    due = sends["sent_ns"] if due is None else np.array(due, np.int64)
    given = {"tasks": len(due)} | more
    return Observed(
        load=load or Load(),
        due_ns=due,
        sends=sends,
        effects=effects,
        acks=records(ACK, acks),
        **given,
    )


def open_loop(
    latency_ns=lambda _: MS, *, rate=1000.0, seconds=2.0, behind_ns=0, handler_ns=MS // 2
):
    """An ideal run: task i takes latency_ns(i), and is sent `behind_ns` after it was due.

    The first fifth is the warm-up, as in a real one.
    """
    warmup = int(rate * seconds / 4)
    due = [round(n * 1e9 / rate) + S for n in range(warmup + int(rate * seconds))]
    sends = [(n, at + behind_ns, at + behind_ns + 10 * US) for n, at in enumerate(due)]
    effects = []
    for n, at in enumerate(due):
        done = at + latency_ns(n)
        began = max(at + behind_ns, done - handler_ns)
        effects.append((n, began, began, max(began, done)))
    acks = [(n, done + 5 * US) for n, *_, done in effects]
    lives = {"producer": Life(0.1, 0, seconds), "consumer-1": Life(0.2, 0, seconds)}
    return observed(
        due=due, sends=sends, effects=effects, acks=acks, measured_from=warmup, lives=lives
    )


def judged(seen, *, rate=1000.0, seconds=2.0):
    """The row of an open loop."""
    return latency_run(seen, Asked(case="made up", rate_per_s=rate, seconds=seconds))


def changed(seen, **what):
    """The same run, but."""
    return replace(seen, **what)
