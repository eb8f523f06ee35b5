"""One tree of errors: each says the fact, the value, the rule and the next step.

::

    StreamlabError
    ├── BadArgumentError (also a ValueError)   a parameter out of its bounds or of the wrong type
    ├── ServerError
    │   ├── ServerNotFoundError                no redis-server that would do
    │   ├── ServerStartError                   it was found and did not start
    │   ├── InstallError                       pip could not bring it
    │   ├── NotOurServerError                  a thing we only do to a private server
    │   └── ReaderServerError                  STREAMLAB_REDIS_URL cannot be used as it is
    ├── QueueError
    │   ├── GroupMissingError                  the server said NOGROUP
    │   ├── WrongTypeError                     the key holds something else than a stream
    │   ├── NameInUseError                     another live worker holds the consumer name
    │   ├── NotEnqueuedError                   the XADD was never sent, or was refused
    │   │   └── QueueFullError                 as many unfinished tasks as were allowed
    │   ├── OutcomeUnknownError                the XADD was sent and its reply never came
    │   ├── CommitError                        an effect in Redis that is there in part only
    │   └── PayloadError                       an entry that is no task, or data that is not JSON
    ├── LedgerError                            a history that could not be written or read
    ├── ChaosError                             a chaos run that could not be run
    └── BenchError                             a load test that could not be run
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class StreamlabError(Exception):
    """The root: catch this to catch everything the package raises by itself."""


class BadArgumentError(StreamlabError, ValueError):
    """A parameter is out of its bounds or of the wrong type; nothing was done."""


class ServerError(StreamlabError):
    """Something about a Redis server, not about the data in it."""


class ServerNotFoundError(ServerError):
    """No redis-server of the wanted version is installed or on PATH."""


class ServerStartError(ServerError):
    """A redis-server was found, and did not start or did not answer."""


class InstallError(ServerError):
    """Pip could not download or build a redis-server."""


class NotOurServerError(ServerError):
    """The lab kills, pauses and restarts only servers that it started itself."""


class ReaderServerError(ServerError):
    """The server named by ``STREAMLAB_REDIS_URL`` cannot be reached or used."""


class QueueError(StreamlabError):
    """Something about the stream, its group or a task."""


class GroupMissingError(QueueError):
    """The stream or the group does not exist (the server's ``NOGROUP``)."""


class WrongTypeError(QueueError):
    """The key exists and is not a stream (the server's ``WRONGTYPE``)."""


class NameInUseError(QueueError):
    """Another live worker of the same group holds this consumer name."""


class NotEnqueuedError(QueueError):
    r"""A task is definitely not on the stream; `enqueued` has the `Task`\ s before it that are."""

    def __init__(self, message: str, *, enqueued: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.enqueued = list(enqueued)


class OutcomeUnknownError(QueueError):
    """The XADD was sent and no reply came: the tasks of `task_ids` may or may not be there."""

    def __init__(
        self, message: str, *, task_ids: tuple[str, ...], enqueued: Sequence[object] = ()
    ) -> None:
        super().__init__(message)
        self.task_ids = task_ids
        self.enqueued = list(enqueued)


class QueueFullError(NotEnqueuedError):
    """A bounded queue had no room; `depth` is how many unfinished tasks it has."""

    def __init__(self, message: str, *, depth: int, enqueued: Sequence[object] = ()) -> None:
        super().__init__(message, enqueued=enqueued)
        self.depth = depth


class PayloadError(QueueError):
    """An entry without the fields of a task, or a payload that is not what was asked for."""


class CommitError(QueueError):
    """One command of an idempotent handler failed in its transaction; Redis undoes none of it."""


class LedgerError(StreamlabError):
    """An event could not be written to a ledger, or what is in one is not what was written."""


class ChaosError(StreamlabError):
    """A chaos run could not be run: its processes do not work even before anything is broken."""


class BenchError(StreamlabError):
    """A load test could not be run, or would have measured something else."""


class WorkKeptWarning(UserWarning):
    """A stream is longer than was wished, since the rest of it is work nobody has done yet."""
