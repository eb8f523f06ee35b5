"""The server of a chaos run: broken by the nemesis, and watched for what it loses."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import redis

from streamlab.chaos.arena import effects_key
from streamlab.faults.nemesis import FaultKind
from streamlab.faults.server import crash
from streamlab.history import Kind
from streamlab.queue import replies
from streamlab.server.conf import Persistence

if TYPE_CHECKING:
    from streamlab.history import Ledger
    from streamlab.queue.replies import Delivery
    from streamlab.server import RedisServer

_PAGE = 1_000
# Longer than a look at the stream takes; the server is killed before that.
_WRITES_WAIT_MS = 5_000


class Stage:
    """A private server with one stream and one group, and what it has forgotten.

    Parameters
    ----------
    server
        The server.
    ledger
        Where losses are noted, as the server's and not the queue's.
    """

    def __init__(self, server: RedisServer, persistence: Persistence, ledger: Ledger) -> None:
        self.stream, self.group = "tasks", "workers"
        self._server, self._persistence, self._ledger = server, persistence, ledger
        self._client = server.client(socket_timeout=10)
        self._client.xgroup_create(self.stream, self.group, id="0", mkstream=True)

    # -- what the nemesis does -----------------------------------------------------------------

    def crash(self, down_s: float) -> None:
        """SIGKILL the server and start it again; what is missing then is noted."""
        self.resume()  # a stopped one could not be asked
        if self._persistence is Persistence.ALWAYS:
            crash(self._server, down_s=down_s)
            return
        # Writes wait while we look, so that nothing is acknowledged between the look and the kill.
        self._client.client_pause(_WRITES_WAIT_MS, all=False)
        before = self._tasks()
        crash(self._server, down_s=down_s)
        self._note_lost(before, self._tasks())

    def pause(self) -> None:
        """SIGSTOP it."""
        self._server.pause()

    def resume(self) -> None:
        """SIGCONT it."""
        self._server.resume()

    def fill(self, *, full: bool) -> None:
        """Let it refuse whatever needs memory, or no longer."""
        self.resume()
        self._client.config_set("maxmemory", 1 if full else 0)

    def wipe(self, kind: FaultKind) -> None:
        """FLUSHALL, DEL or XGROUP DESTROY, in one step with the look at what is lost."""
        self.resume()
        with self._client.pipeline() as pipe:
            pipe.xrange(self.stream)
            if kind is FaultKind.FLUSH:
                pipe.flushall()
            elif kind is FaultKind.DELETE_KEY:
                pipe.delete(self.stream)
            else:
                pipe.execute_command("XGROUP", "DESTROY", self.stream, self.group)  # type: ignore[no-untyped-call]
            before = replies.range_entries(pipe.execute()[0])
        if kind is not FaultKind.DESTROY_GROUP:
            self._note_lost(_task_ids(before), {})

    def _tasks(self) -> dict[str, str]:
        """The task of each entry on the stream."""
        return _task_ids(self._all(self.stream))

    def _note_lost(self, before: dict[str, str], after: dict[str, str]) -> None:
        for entry_id in before.keys() - after.keys():
            self._ledger.record(Kind.SERVER_LOST, before[entry_id], "server", entry_id)

    # -- what is seen at the end ---------------------------------------------------------------

    def mend(self) -> None:
        """It answers, and takes writes."""
        self.resume()
        self.fill(full=False)

    def settled(self) -> bool:
        """Whether nothing is pending or unread."""
        return not self._pending(1) and not self._unread(1)

    def note_rest(self) -> None:
        """Note what remains, what was given up, and the effects that were committed in Redis."""
        for entry_id in {*self._pending(), *self._unread()}:
            self._note(Kind.REMAINING, entry_id)
        for entry in self._all(f"{{{self.stream}}}:dead:{self.group}"):
            task_id = entry.fields.get("task_id", entry.entry_id)
            self._ledger.record(Kind.DEAD_LETTERED, task_id, "server", entry.entry_id)
        for effect in self._client.lrange(effects_key(self.stream), 0, -1):
            self._ledger.record(Kind.EFFECT, str(effect), "server")

    def _note(self, kind: Kind, entry_id: str) -> None:
        found = replies.range_entries(self._client.xrange(self.stream, entry_id, entry_id))
        task_id = found[0].fields.get("task_id", entry_id) if found else f"(no entry {entry_id})"
        self._ledger.record(kind, task_id, "server", entry_id)

    def _pending(self, most: int | None = None) -> list[str]:
        ids: list[str] = []
        start = "-"
        with contextlib.suppress(redis.ResponseError):  # no group: nothing is pending
            while page := replies.pending_page(
                self._client.xpending_range(self.stream, self.group, start, "+", most or _PAGE)
            ):
                ids += [entry_id for entry_id, _ in page]
                if most:
                    break
                start = f"({ids[-1]}"
        return ids

    def _unread(self, most: int | None = None) -> list[str]:
        if not self._client.exists(self.stream):
            return []
        info = replies.find_group(self._client.xinfo_groups(self.stream), self.group) or {}
        start = f"({info.get('last-delivered-id', '0-0')}"
        if most:
            page = replies.range_entries(self._client.xrange(self.stream, start, "+", most))
            return [entry.entry_id for entry in page]
        return [entry.entry_id for entry in self._all(self.stream, start)]

    def _all(self, stream: str, start: str = "-") -> list[Delivery]:
        entries: list[Delivery] = []
        while page := replies.range_entries(self._client.xrange(stream, start, "+", _PAGE)):
            entries += page
            start = f"({page[-1].entry_id}"
        return entries


def _task_ids(entries: list[Delivery]) -> dict[str, str]:
    return {entry.entry_id: entry.fields.get("task_id", entry.entry_id) for entry in entries}
