"""The processes of one run, the stream and groups that they alone use, and what they leave."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import redis

from streamlab.load.child import Job
from streamlab.load.children import Child, Children
from streamlab.load.disturb import Stage
from streamlab.load.ledger import ACK, EFFECT, Ledger
from streamlab.load.leftover import leftover
from streamlab.load.life import Life
from streamlab.load.observed import Observed
from streamlab.load.payload import payload_of
from streamlab.load.settings import Ack
from streamlab.load.share import Reading, ServerShare
from streamlab.queue import TaskQueue

if TYPE_CHECKING:
    import numpy.typing as npt

    from streamlab.load.ledger import Records
    from streamlab.load.settings import Load
    from streamlab.server import ReaderServer, RedisServer

# When nothing gets done for so long, in s, the rest of a run is given up, and reported.
_QUIET_S = 2.0
_POLL_S = 0.02
_NO_ACKS = np.empty(0, np.dtype([(name, "<i8") for name in ACK]))


class Cast:
    """A stream and groups that nobody has used, processes, and a folder for their ledgers."""

    def __init__(
        self,
        server: RedisServer | ReaderServer,
        client: redis.Redis,
        stream: str,
        load: Load,
    ) -> None:
        self._server, self._client, self._stream, self.load = server, client, stream, load
        self.groups = [f"workers-{n + 1}" if n else "workers" for n in range(load.groups)]
        self._run = secrets.token_hex(4)
        self.children = Children(str(server.url))
        self.consumers: list[Child] = []
        self._everybody: list[Child] = []
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with self._exits:
            name = tempfile.TemporaryDirectory(prefix="streamlab-bench-")
            self.folder = Path(self._exits.enter_context(name))
            self._exits.callback(self._client.delete, self._stream)
            for group in self.groups:
                TaskQueue(self._client, self._stream, group=group).ensure_group()
            self.watcher = self._exits.enter_context(self._server.client())
            self._exits.enter_context(self.children)
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def job(self, name: str, group: str = "") -> Job:
        """What a process of that name is to do."""
        return Job(self.load, self._stream, group, name, self._run, str(self.folder))

    def start(self) -> None:
        """Start the consumers of each group."""
        for _ in range(self.load.consumers):
            self.add_consumers()

    def start_producer(self, offsets_ns: npt.NDArray[np.int64]) -> Child:
        """Start a producer, which finds its schedule in the folder."""
        (self.folder / "due").write_bytes(offsets_ns.tobytes())
        return self.children.start("producer", self.job("producer"))

    def add_consumers(self, groups: list[str] | None = None) -> Child:
        """Start one more consumer in each group; the last of them."""
        for group in groups or self.groups:
            name = f"consumer-{len(self._everybody) + 1}"
            child = self.children.start("consumer", self.job(name, group))
            self.consumers.append(child)
            self._everybody.append(child)
        return self.consumers[-1]

    def stage(self, t0_ns: int) -> Stage:
        """What a disturbance can reach."""

        def replace_one() -> None:
            child = self.add_consumers(self.groups[:1])
            child.wait_ready(time.monotonic() + 30)
            child.go(t0_ns)

        return Stage(
            server=self._server,
            client=self.watcher,
            stream=self._stream,
            group=self.groups[0],
            consumers=self.consumers,
            replace=replace_one,
            over=threading.Event(),
            t0_ns=t0_ns,
            incidents=[],
        )

    def fill(self, backlog: int) -> None:
        """Put tasks on the stream that are all there when the consumers begin."""
        queue = TaskQueue(self._client, self._stream)
        queue.enqueue_many(payload_of(n, self.load.payload_bytes) for n in range(backlog))

    def reading(self) -> Reading | None:
        """The server's counters; None where an ACL forbids to look."""
        try:
            return Reading.take(self.watcher)
        except redis.exceptions.NoPermissionError:
            return None

    def share_since(self, before: Reading | None) -> ServerShare | None:
        """What the server did since; None where it could not be asked."""
        after = self.reading()
        return before.until(after) if before and after else None

    def until_done(self, effects: int, timeout_s: float) -> None:
        """Wait until the ledgers have `effects`: the server is not asked while it works."""
        quiet_s = _QUIET_S + 2 * (self.load.work_ms + self.load.min_idle_ms * self._recovers) / 1000
        now = time.monotonic()
        done, progress, deadline = 0, now, now + timeout_s
        while now < min(deadline, progress + quiet_s) and any(c.alive for c in self.consumers):
            before, done = done, Ledger.count(self._files("effects"), EFFECT)
            if done >= effects:
                return
            progress = now if done > before else progress
            time.sleep(_POLL_S)
            now = time.monotonic()

    @property
    def _recovers(self) -> bool:
        """Whether a task may lie still until min-idle is over and be done all the same."""
        return self._everybody != self.consumers

    def _files(self, suffix: str, group: str | None = None) -> list[Path]:
        return [
            child.job.path(suffix)
            for child in self._everybody
            if group is None or child.job.group == group
        ]

    def _records(self, suffix: str, fields: tuple[str, ...]) -> Records:
        """Of all groups, each number made one of its task and its group."""
        parts = []
        for at, group in enumerate(self.groups):
            records = Ledger.read(self._files(suffix, group), fields)
            records["number"] = records["number"] * len(self.groups) + at
            parts.append(records)
        return np.concatenate(parts)

    def observed(self, tasks: int, due_ns: npt.NDArray[np.int64], sends: Records) -> Observed:
        """Stop all processes, and gather what they and the server have to tell."""
        endings = self.children.stop()
        pending: list[int] = []
        unread: list[int] = []
        for at, group in enumerate(self.groups):
            held, waiting = leftover(self._client, self._stream, group)
            pending += [number * len(self.groups) + at for number in held]
            unread += [number * len(self.groups) + at for number in waiting]
        lives = {path.stem: Life.read(path) for path in self.folder.glob("*.life")}
        return Observed(
            load=self.load,
            tasks=tasks,
            due_ns=due_ns,
            sends=sends,
            effects=self._records("effects", EFFECT),
            acks=self._records("acks", ACK) if self.load.ack is not Ack.NOACK else _NO_ACKS,
            pending=pending,
            unread=unread,
            endings=endings,
            lives={name: life for name, life in lives.items() if life},
        )
