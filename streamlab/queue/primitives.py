"""What the server can do for a queue, asked once: the newest command it has is used."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Self

import redis

log = logging.getLogger("streamlab.queue")

_OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class Primitives:
    """Which commands are used; what a queue does, seen from outside, is the same without them.

    Attributes
    ----------
    ackdel
        XACKDEL acknowledges and deletes (8.2); else a script does.
    claim
        XREADGROUP … CLAIM takes over what is idle while it reads (8.4); else a script sweeps.
    idmp
        XADD … IDMP stores once what is sent twice (8.6); else a lost reply is an unknown outcome.
    nack
        XNACK hands an entry back (8.8); else a script makes it idle, so that a sweep takes it.
    """

    ackdel: bool = False
    claim: bool = False
    idmp: bool = False
    nack: bool = False

    @classmethod
    def of(cls, version: tuple[int, ...]) -> Self:
        """Those of a Redis `version`, such as ``(8, 10, 2)``."""
        return cls(
            ackdel=version >= (8, 2),
            claim=version >= (8, 4),
            idmp=version >= (8, 6),
            nack=version >= (8, 8),
        )

    @classmethod
    def ask(cls, client: redis.Redis) -> Self:
        """Those of the server behind `client` (INFO server).

        A user who may not ask gets those of the oldest server, 6.2.
        """
        try:
            version = client.info("server")["redis_version"]
        except redis.exceptions.NoPermissionError:
            log.warning("the user may not ask INFO: only commands of Redis 6.2 are used")
            return cls.of(_OLDEST)
        return cls.of(tuple(int(part) for part in str(version).split(".") if part.isdigit()))
