"""streamlab: a lab for Redis Streams as task queues.

The names below are all that a lesson needs. They are imported when first used, so that
``import streamlab`` itself costs next to nothing (redis-py alone takes 200 ms).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.4.0"

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from streamlab.errors import StreamlabError
    from streamlab.queue import QueueDepth, Task, TaskQueue
    from streamlab.server import ReaderServer, RedisServer, find_redis, lab_server
    from streamlab.view import show
    from streamlab.worker import Worker, WorkerReport

_HOME = {
    "QueueDepth": "streamlab.queue",
    "ReaderServer": "streamlab.server",
    "RedisServer": "streamlab.server",
    "StreamlabError": "streamlab.errors",
    "Task": "streamlab.queue",
    "TaskQueue": "streamlab.queue",
    "Worker": "streamlab.worker",
    "WorkerReport": "streamlab.worker",
    "find_redis": "streamlab.server",
    "lab_server": "streamlab.server",
    "show": "streamlab.view",
}

__all__ = [
    "QueueDepth",
    "ReaderServer",
    "RedisServer",
    "StreamlabError",
    "Task",
    "TaskQueue",
    "Worker",
    "WorkerReport",
    "find_redis",
    "lab_server",
    "show",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module 'streamlab' has no attribute {name!r}: it has {', '.join(__all__)}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """What ``%load_ext streamlab`` runs: gives ``%redis``, ``%%redis`` and ``%%needs``."""
    from streamlab.view import magics, needs  # noqa: PLC0415

    magics.register(shell)
    needs.register(shell)
