"""Addresses of servers, checked and printed without their passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_IN_USERINFO = re.compile(r"(?P<before>://[^/?#@\s:]*:)[^\s'\"]*@")
_IN_QUERY = re.compile(r"(?P<before>[?&](?:ssl_)?password=)[^&#\s]*", re.IGNORECASE)
_HIDDEN = "***"


def redact(text: str) -> str:
    """`text` with the password of every URL in it replaced by ``***``."""
    text = _IN_USERINFO.sub(rf"\g<before>{_HIDDEN}@", text)
    return _IN_QUERY.sub(rf"\g<before>{_HIDDEN}", text)


class RedisUrl(str):
    """A URL for ``redis.Redis.from_url``; its repr, which notebooks and logs print, is redacted.

    `str` of it is the address itself, with the password: that is what redis-py needs.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(self.shown)

    @property
    def shown(self) -> str:
        """The URL to print. Where it is malformed, more than the password may be hidden."""
        scheme, colon, rest = self.partition("://")
        if not colon:
            return _HIDDEN  # it may be a password, put in the wrong variable
        userinfo, at, place = rest.rpartition("@")
        if at:
            user, has_password, _ = userinfo.partition(":")
            userinfo = f"{user}:{_HIDDEN}" if has_password else _HIDDEN
        elif not re.match(r"(\[[^]]*\]|[^:/?#]*)(:\d*)?([/?#]|$)", place):
            place = _HIDDEN  # a password that lost its @
        return _IN_QUERY.sub(rf"\g<before>{_HIDDEN}", f"{scheme}://{userinfo}{at}{place}")

    @property
    def password(self) -> str:
        """The decoded password, or the empty string."""
        parts = urlsplit(self)
        return unquote(parts.password or "") or parse_qs(parts.query).get("password", [""])[0]

    def fault(self) -> str | None:
        """What is wrong with it, in words that quote nothing of it, or None.

        Stricter than redis-py, which takes a part of a password with an unescaped ``/`` or ``#``
        for the port or the database, and then prints it.
        """
        scheme = self.partition("://")[0]
        if "://" not in self or scheme not in ("redis", "rediss", "unix"):
            return "its scheme is not one of redis://, rediss://, unix://"
        escape = "percent-encode what stands in a password (%20 space, %2F /, %23 #, %3F ?, %40 @)"
        if re.search(r"[\s\x00-\x1f\x7f]", self):
            return f"it holds a space or a control character: {escape}"
        try:
            parts = urlsplit(self)
            port_is_good = parts.port != 0
        except ValueError:
            port_is_good = False
        if not port_is_good:
            return f"its port is not a number in 1..65535: correct it, or {escape}"
        path_is_good = (
            len(parts.path) > 1 and "@" not in parts.path
            if scheme == "unix"
            else re.fullmatch(r"/?\d*/?", parts.path)
        )
        if not path_is_good or parts.fragment or "#" in self:
            wanted = "/FOLDER/SOCKET" if scheme == "unix" else "the database's number, as in /0"
            return f"what follows the host is not {wanted}: correct it, or {escape}"
        if not all(re.fullmatch(r"\w+=[^=]*", pair) for pair in parts.query.split("&") if pair):
            return f"what follows the ? is not NAME=VALUE&NAME=VALUE: correct it, or {escape}"
        return None


@dataclass(frozen=True, slots=True)
class CliCall:
    """How to call redis-cli: the arguments, and what to add to its environment.

    A password is in `env` (``REDISCLI_AUTH``), where neither `ps` nor this repr shows it.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
