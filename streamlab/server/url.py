"""Addresses of servers, printed without their passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_USERINFO = re.compile(r"(?P<before>://[^/?#@\s:]*:)[^\s'\"]*@")
_IN_QUERY = re.compile(r"(?P<before>[?&](?:password|ssl_password)=)[^&#\s]*", re.IGNORECASE)


def redact(text: str) -> str:
    """`text` with the password of every URL in it replaced by ``***``."""
    text = _IN_USERINFO.sub(r"\g<before>***@", text)
    return _IN_QUERY.sub(r"\g<before>***", text)


class RedisUrl(str):
    """A URL for ``redis.Redis.from_url`` whose repr, which notebooks and logs print, is redacted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redact(str(self)))


@dataclass(frozen=True, slots=True)
class CliCall:
    """How to call redis-cli: the arguments, and what to add to its environment.

    A password is in `env` (``REDISCLI_AUTH``), where neither `ps` nor this repr shows it.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
