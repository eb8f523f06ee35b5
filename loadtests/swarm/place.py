"""Where a test happens: the server, and on it a stream and groups that nobody had before."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import redis

from streamlab.errors import ReaderServerError
from streamlab.load.leftover import leftover
from streamlab.queue import replies
from streamlab.server import ReaderServer, RedisServer, lab_server
from streamlab.server.reader import URL_VARIABLE, reader_url

KEY = "streamlab-locust-"
_RIGHTS = f"+@connection +info +time +@stream +del, and ~{KEY}* for the keys"


def open_server() -> RedisServer | ReaderServer:
    """A private server, or the one that STREAMLAB_REDIS_URL names.

    Raises
    ------
    StreamlabError
        There is none, it is a cluster's, or its user may not do what a test does.
    """
    server = lab_server()
    if isinstance(server, ReaderServer):
        with server.client() as client:
            try:
                clustered = client.info("cluster").get("cluster_enabled")
                if not clustered:
                    _rehearse(client)
            except redis.exceptions.NoPermissionError as exc:
                raise _trouble(exc, f"give this user {_RIGHTS}") from None
            except redis.RedisError as exc:
                raise _trouble(exc, "give the URL of a server that takes writes") from None
        if clustered:
            fact = "it is a node of a cluster, and these users speak to one server"
            raise _trouble(fact, "give the URL of one that is not, or unset the variable")
    return server


def _trouble(fact: object, step: str) -> ReaderServerError:
    return ReaderServerError(f"{URL_VARIABLE}={reader_url()!r}: {fact}: {step}")


def _rehearse(client: redis.Redis) -> None:
    """Each command of a test, on a key that is not there: it leaves no trace, and an ACL speaks."""
    key, group = f"{KEY}rehearsal", "nobody"
    for ask in (
        lambda: client.delete(key),
        client.time,
        lambda: client.xadd(key, {"data": ""}, nomkstream=True),
        lambda: client.xgroup_create(key, group),
        lambda: client.xreadgroup(group, group, {key: ">"}),
        lambda: client.xack(key, group, "0-1"),
        lambda: client.xinfo_groups(key),
        lambda: client.xpending(key, group),
        lambda: client.xrange(key, count=1),
    ):
        try:
            ask()
        except (redis.exceptions.NoPermissionError, redis.exceptions.ReadOnlyError):
            raise
        except redis.ResponseError:  # no such key, no such group
            continue


def reach(url: str, block_ms: int, **options: Any) -> redis.Redis:
    """A client that sends no command twice, and outwaits a read that blocks for `block_ms`.

    Parameters
    ----------
    url
        Of a private server; the reader's own, which may hold a password, is in the environment of
        every worker, and travels nowhere else.

    Raises
    ------
    ReaderServerError
        The reader's own cannot be used, or a worker on another host was not told of it.
    """
    options |= {"socket_timeout": block_ms / 1000 + 4, "retry": None}
    if url:
        return redis.Redis.from_url(url, decode_responses=True, **options)
    own = reader_url()
    if own is None:
        msg = f"{URL_VARIABLE} is set where Locust's master runs, and not here: set it here too"
        raise ReaderServerError(msg)
    return ReaderServer(own).client(**options)


@dataclass(frozen=True, slots=True)
class Place:
    """A stream with its groups; what its methods ask goes to `client`.

    Attributes
    ----------
    stream
        The key.
    groups
        The names of the groups; each gets every task.
    """

    stream: str
    groups: tuple[str, ...]

    @classmethod
    def new(cls, groups: tuple[str, ...]) -> Place:
        """A name that nobody has."""
        return cls(f"{KEY}{secrets.token_hex(4)}", groups)

    def create(self, client: redis.Redis) -> None:
        """XGROUP CREATE with MKSTREAM, for each group."""
        for group in self.groups:
            client.xgroup_create(self.stream, group, id="0", mkstream=True)

    def delete(self, client: redis.Redis) -> None:
        """Delete it all: at the next test's begin, and not at its end, when consumers may read."""
        client.delete(self.stream, self._seats)

    @property
    def _seats(self) -> str:
        return f"{self.stream}-seats"

    def seat(self, client: redis.Redis) -> int:
        """The group of one more consumer, by its index: round robin over all processes.

        A place in a stream of their own is what no two consumers can have: the n-th entry is the
        n-th consumer's. (Only stream commands, so that an ACL needs nothing more.)
        """
        if len(self.groups) == 1:
            return 0
        entry_id = client.xadd(self._seats, {"data": ""})
        taken = client.xrange(self._seats, max=str(entry_id)) or []
        return (len(taken) - 1) % len(self.groups)

    def drained(self, client: redis.Redis) -> bool:
        """Whether every task has been delivered to each group, and acknowledged where it is."""
        for info in client.xinfo_groups(self.stream):
            after = f"({info['last-delivered-id']}"
            if info["pending"] or client.xrange(self.stream, after, "+", count=1):
                return False
        return True

    def left(self, client: redis.Redis) -> tuple[tuple[list[int], list[int]], ...]:
        """The numbers of the (pending, unread) tasks of each group."""
        return tuple(leftover(client, self.stream, group) for group in self.groups)

    def told(self, client: redis.Redis) -> tuple[tuple[int | None, int | None], ...]:
        """How many are pending and unread in each group now; None where the server cannot say."""
        infos = client.xinfo_groups(self.stream)
        found = [replies.find_group(infos, group) for group in self.groups]
        return tuple(
            (int(info["pending"]), replies.group_lag(info)) if info else (None, None)
            for info in found
        )

    def waiting(self, client: redis.Redis) -> int:
        """How many tasks are not done yet, over all groups."""
        told = self.told(client)
        if all(unread is not None for _, unread in told):
            return sum((pending or 0) + (unread or 0) for pending, unread in told)
        return sum(len(pending) + len(unread) for pending, unread in self.left(client))


def used_bytes(client: redis.Redis) -> int:
    """used_memory of INFO memory."""
    return int(client.info("memory")["used_memory"])
