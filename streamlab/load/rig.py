"""One run on real processes, a backlog to drain or an open loop at λ: what was seen, unjudged."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from streamlab.errors import BenchError
from streamlab.load.cast import Cast
from streamlab.load.ledger import SEND, Ledger
from streamlab.load.observed import WARMUP_SHARE, Observed
from streamlab.load.sampler import Sampler
from streamlab.load.schedule import due_offsets_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from streamlab.load.children import Child
    from streamlab.load.disturb import Disturbance, Stage
    from streamlab.load.ledger import Records
    from streamlab.load.schedule import Offsets
    from streamlab.load.settings import Load
    from streamlab.server import ReaderServer, RedisServer

# The first task is due so long after "go", when the consumers' reads are waiting: a worker sweeps
# before it reads, after a random pause of at most 0.1 s.
_LEAD_NS = 200_000_000
_POLL_S = 0.02
#: A bound on the load: so many tasks in one run fit into memory on any machine.
MOST_TASKS = 1_000_000


@dataclass(frozen=True, slots=True)
class Rig:
    """Where runs take place: a server, and one key that each run makes anew and deletes.

    Attributes
    ----------
    server
        Private, or the reader's own.
    client
        A client of it, with decoded replies.
    stream
        The key.
    """

    server: RedisServer | ReaderServer
    client: redis.Redis
    stream: str

    def drain(self, load: Load, backlog: int, *, within_s: float = 60.0) -> Observed:
        """Let consumers work off `backlog` tasks that are all there when they begin.

        It is given up after `within_s`; what is left then is in the `Observed`.
        """
        with Cast(self.server, self.client, self.stream, load) as cast:
            cast.start()
            cast.fill(backlog)
            cast.children.wait_ready()
            before = cast.reading()
            cast.children.go(0)
            cast.until_done(backlog * load.groups, within_s)
            share = cast.share_since(before)
            sends = np.zeros(backlog, np.dtype([(name, "<i8") for name in SEND]))
            sends["number"] = np.arange(backlog)
            seen = cast.observed(backlog, np.empty(0, np.int64), sends)
            return replace(seen, share=share)

    def open_loop(
        self,
        load: Load,
        rate_per_s: float,
        seconds: float,
        *,
        disturbances: tuple[Disturbance, ...] = (),
    ) -> Observed:
        """Send at a mean of `rate_per_s` for the warm-up and `seconds`; wait until all is done.

        Raises
        ------
        BenchError
            A process did not start, or the run would be of more than a million tasks.
        """
        warmup_s = WARMUP_SHARE * seconds
        offsets = _offsets_ns(load, rate_per_s, seconds, warmup_s)
        with Cast(self.server, self.client, self.stream, load) as cast:
            cast.start()
            producer = cast.start_producer(offsets)
            cast.children.wait_ready()
            before, t0_ns = cast.reading(), time.monotonic_ns() + _LEAD_NS
            stage = cast.stage(t0_ns)
            cast.children.go(t0_ns)
            sampler = Sampler(cast.watcher, self.stream, cast.groups[0])
            with sampler, _during(disturbances, stage):
                sends = _sends(producer, within_s=30 + 2 * (seconds + warmup_s))
                cast.until_done(len(sends) * load.groups, 5 + seconds)
            share = cast.share_since(before)
            return replace(
                cast.observed(len(offsets), t0_ns + offsets, sends),
                measured_from=int(np.searchsorted(offsets, round(warmup_s * 1e9))),
                share=share,
                samples=tuple(sampler.samples),
                incidents=tuple(stage.incidents),
                began_s=time.time() - (time.monotonic_ns() - t0_ns) / 1e9,
            )


@contextlib.contextmanager
def _during(disturbances: tuple[Disturbance, ...], stage: Stage) -> Iterator[None]:
    """Let each happen in a thread of its own; what one raises is raised here at the end."""
    errors: list[BaseException] = []

    def act(disturbance: Disturbance) -> None:
        try:
            disturbance(stage)
        except Exception as exc:  # noqa: BLE001 - raised below, in the thread that asked for it
            errors.append(exc)

    threads = [threading.Thread(target=act, args=(one,)) for one in disturbances]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stage.over.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


def _offsets_ns(load: Load, rate_per_s: float, seconds: float, warmup_s: float) -> Offsets:
    """The schedule of a run, within the bound of what it may hold."""
    if rate_per_s * (seconds + warmup_s) > MOST_TASKS:
        msg = f"a run is of at most {MOST_TASKS} tasks, got {rate_per_s:g}/s for {seconds:g} s"
        raise BenchError(msg)
    return due_offsets_ns(load.schedule, rate_per_s, seconds, seed=load.seed, warmup_s=warmup_s)


def _sends(producer: Child, within_s: float) -> Records:
    """What the producer sent, when it has ended; or until it is given up."""
    deadline = time.monotonic() + within_s
    while producer.alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return Ledger.read([producer.job.path("sends")], SEND)
