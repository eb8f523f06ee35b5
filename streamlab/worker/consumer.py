"""What one consumer asks of the server: the commands and scripts, and none of the decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from streamlab.queue import replies
from streamlab.queue.connection import same_pool
from streamlab.queue.dead_letter import MARK, dead_letter_key
from streamlab.queue.group import ensure_group
from streamlab.queue.primitives import Primitives
from streamlab.queue.scripts import run_script
from streamlab.worker.lease import lease_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from redis.connection import ConnectionInterface

    from streamlab.queue.replies import Delivery
    from streamlab.worker.settings import WorkerSettings

# Ids that one script looks at: some ms of the server's time.
_PAGE = 500


class Consumer:
    """One consumer of a group, on connections of its own.

    Parameters
    ----------
    settings
        The worker's: queue, name, times.
    timeout_s
        For how long a reply is waited for, in s; None for what the reader's client has.

    Attributes
    ----------
    client_id
        Of the connection that reads, for CLIENT UNBLOCK; None before `watch_connection`.
    """

    def __init__(self, settings: WorkerSettings, timeout_s: float | None = None) -> None:
        changes = {} if timeout_s is None else {"socket_timeout": timeout_s}
        self.client = redis.Redis.from_pool(same_pool(settings.queue.client, **changes))
        self.stream, self.group = settings.queue.stream, settings.queue.group
        self.name = settings.name
        self.client_id: int | None = None
        self._settings = settings
        self._primitives: Primitives | None = None

    @property
    def has(self) -> Primitives:
        """What the server can do; asked once."""
        if self._primitives is None:
            self._primitives = Primitives.ask(self.client)
        return self._primitives

    def join(self, start: str) -> bool:
        """Make the group at `start` if it is missing; whether it was."""
        return ensure_group(self.client, self.stream, self.group, start)

    def read(
        self, finished: Sequence[str], count: int, block_ms: int
    ) -> tuple[int, list[Delivery]]:
        """Acknowledge `finished` and wait for entries, in one round trip; (acknowledged, entries).

        New entries; from Redis 8.4 on first those that nobody touched for min-idle (CLAIM).
        """
        with self.client.pipeline(transaction=False) as pipe:
            if finished:
                self._acknowledge(pipe, finished)
            pipe.xreadgroup(
                self.group,
                self.name,
                {self.stream: ">"},
                count=count,
                block=block_ms,
                claim_min_idle_time=self._settings.min_idle_ms if self.has.claim else None,
            )
            # redis-py would raise with the whole command in the text; the server's words suffice.
            answers = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        acknowledged = self._acknowledged(answers[0]) if finished else 0
        return acknowledged, replies.read_entries(answers[-1])

    def acknowledge(self, finished: Sequence[str]) -> int:
        """Take entries off the pending list; how many were on it."""
        return self._acknowledged(self._acknowledge(self.client, finished))

    def _acknowledge(self, to: redis.Redis, finished: Sequence[str]) -> object:
        if not self._settings.delete_done:
            return to.xack(self.stream, self.group, *finished)
        if self.has.ackdel:
            return to.xackdel(self.stream, self.group, *finished, ref_policy="ACKED")
        return run_script(to, "worker/ackdel", [self.stream], [self.group, *finished])

    def _acknowledged(self, answer: object) -> int:
        """A number from XACK and the script; from XACKDEL 1 or 2 for each, -1 if not pending."""
        if isinstance(answer, list):
            return sum(one > 0 for one in answer)
        return int(answer)  # type: ignore[call-overload,no-any-return]

    def drain(
        self, count: Callable[[], int], known: Collection[str], on_gone: Callable[[int], None]
    ) -> Iterator[list[Delivery]]:
        """Walk once through the entries that this name holds, but for those in `known`."""
        return self._take("", count, known, on_gone)

    def sweep(
        self, count: Callable[[], int], known: Collection[str], on_gone: Callable[[int], None]
    ) -> Iterator[list[Delivery]]:
        """Take over every entry of the group that nobody has touched for min-idle.

        The cursor is followed until it comes back to its beginning (F29).
        """
        return self._take(str(self._settings.min_idle_ms), count, known, on_gone)

    def _take(
        self,
        idle_ms: str,
        count: Callable[[], int],
        known: Collection[str],
        on_gone: Callable[[int], None],
    ) -> Iterator[list[Delivery]]:
        cursor = ""
        while wanted := count():
            arguments = [self.group, self.name, wanted, cursor, idle_ms, *known]
            found = replies.taken(run_script(self.client, "worker/take", [self.stream], arguments))
            if found.gone:
                on_gone(found.gone)
            if found.entries:
                yield found.entries
            cursor = found.cursor
            if not cursor:
                return

    def renew(self, entry_ids: Sequence[str], idle_ms: int = 0) -> list[str]:
        """Set the idle time of what is still ours; returns the ids that are not."""
        return self._each_page("renew", entry_ids, idle_ms, 0)

    def release(self, entry_ids: Sequence[str], *, begun: bool) -> None:
        """Hand entries back: any worker may take them at once, and they were not delivered to us.

        Those that were `begun` keep their number of deliveries.
        """
        if self.has.nack:
            self._each_page("nack", entry_ids, "FAIL" if begun else "SILENT")
        else:
            self._each_page("renew", entry_ids, self._settings.min_idle_ms, 0 if begun else 1)

    def _each_page(self, script: str, entry_ids: Sequence[str], *how: object) -> list[str]:
        lost: list[str] = []
        for at in range(0, len(entry_ids), _PAGE):
            arguments = [self.group, self.name, *how, *entry_ids[at : at + _PAGE]]
            lost += run_script(self.client, f"worker/{script}", [self.stream], arguments)
        return lost

    def bury(self, entry_id: str, error: str, reason: str) -> bool:
        """Move an entry to the dead letters; False if it is not ours any more, or gone."""
        keys = [self.stream, dead_letter_key(self.stream, self.group)]
        arguments = [self.group, self.name, entry_id, MARK, error, reason]
        return bool(run_script(self.client, "worker/bury", keys, arguments))

    def reap(self, at_least_ms: int) -> int:
        """Remove the consumers that hold nothing, have no lease, and were idle for so long (F24).

        XINFO CONSUMERS, EXISTS, and a script that looks once more; returns how many.
        """
        infos = self.client.xinfo_consumers(self.stream, self.group)
        resting = [n for n in replies.resting_consumers(infos, at_least_ms) if n != self.name]
        with self.client.pipeline(transaction=False) as pipe:
            for name in resting:
                pipe.exists(lease_key(self.stream, self.group, name))
            leased = pipe.execute()
        return sum(self._remove(n) for n, held in zip(resting, leased, strict=True) if not held)

    def leave(self) -> None:
        """Take this consumer out of the group, unless it still holds entries."""
        self._remove(self.name)

    def _remove(self, name: str) -> bool:
        return bool(run_script(self.client, "worker/leave", [self.stream], [self.group, name]))

    def watch_connection(self) -> None:
        """Know the client id of the connection that reads, also after redis-py renewed it."""
        pool = self.client.connection_pool
        connection = pool.get_connection()
        try:
            connection.register_connect_callback(self._connected)  # type: ignore[no-untyped-call]
            self._connected(connection)
        finally:
            pool.release(connection)

    def _connected(self, connection: ConnectionInterface) -> None:
        connection.send_command("CLIENT", "ID")  # type: ignore[no-untyped-call]
        try:
            self.client_id = int(connection.read_response())
        except redis.exceptions.NoPermissionError:  # an ACL; a stop then waits out the read
            self.client_id = None
