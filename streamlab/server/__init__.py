"""A real Redis, private and disposable: install it, start it, stop it, kill it.

This room knows nothing of streams. It depends on redis-py and on the operating system only.
"""

from streamlab.server.capabilities import CAPABILITIES, capabilities_of
from streamlab.server.find import RedisBinary, find_redis, found_redis
from streamlab.server.lab import lab_server
from streamlab.server.process import RedisServer
from streamlab.server.reader import ReaderServer

__all__ = [
    "CAPABILITIES",
    "ReaderServer",
    "RedisBinary",
    "RedisServer",
    "capabilities_of",
    "find_redis",
    "found_redis",
    "lab_server",
]
