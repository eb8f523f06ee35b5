"""Command lines that mend, with real names: safe on a terminal, and to paste into a shell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from streamlab.server.url import RedisUrl

_TLS_FLAGS = (
    ("ssl_ca_certs", "--cacert"),
    ("ssl_certfile", "--cert"),
    ("ssl_keyfile", "--key"),
)


class Shell:
    """Writes commands for the server at `url`; a password is never in them.

    redis-cli takes it from ``REDISCLI_AUTH``, ``streamlab worker`` takes the URL from
    ``STREAMLAB_REDIS_URL``.
    """

    def __init__(self, url: RedisUrl) -> None:
        self._url = url
        self._redis_cli = shlex.join(["redis-cli", *_address(url)])

    def redis(self, *words: str) -> str:
        """A redis-cli line.

        Words with characters that are not printable go in on its standard input, in redis-cli's
        own escapes: no shell quoting that every shell knows could show them.
        """
        if all(word.isprintable() for word in words):
            return f"{self._redis_cli} {shlex.join(words)}"
        quoted = " ".join(_escaped(word) for word in words)
        return f"printf '%s\\n' {shlex.quote(quoted)} | {self._redis_cli}"

    def setting(self, name: str, value: str, *, config_file: str | None) -> str:
        """The line that sets `name` now, and in the server's file if it has one."""
        now = self.redis("CONFIG", "SET", name, value)
        return f"{now} && {self.redis('CONFIG', 'REWRITE')}" if config_file else now

    def doctor(self, host: str, port: str) -> str:
        """The line that examines another server; a password there is the reader's to add."""
        other = f"{self._url.partition('://')[0].replace('unix', 'redis')}://{host}:{port}/0"
        return shlex.join(["streamlab", "doctor", other])

    def worker(self, stream: str, group: str, *options: str) -> str | None:
        """The line that starts our worker; None for names that cannot be typed."""
        if not (stream.isprintable() and group.isprintable()):
            return None
        address = [] if "@" in self._url or self._url.password else ["--url", str(self._url)]
        words = ["worker", "MODULE:FUNCTION", *address, "--stream", stream, "--group", group]
        return shlex.join(["streamlab", *words, *options])


def _escaped(word: str) -> str:
    """A word as redis-cli reads it between double quotes."""
    return '"' + "".join(map(_escape, word.encode("utf-8", "surrogateescape"))) + '"'


def _escape(byte: int) -> str:
    printable = ord(" ") <= byte <= ord("~") and chr(byte) not in '"\\'
    return chr(byte) if printable else f"\\x{byte:02x}"


def _address(url: RedisUrl) -> list[str]:
    """What tells redis-cli where the server is."""
    parts = urlsplit(str(url))
    query = parse_qs(parts.query)
    database = query.get("db", [""])[0]
    if parts.scheme == "unix":
        words = ["-s", unquote(parts.path)]
    else:
        database = database or parts.path.strip("/")
        words = ["-h", parts.hostname or "localhost", "-p", str(parts.port or 6379)]
    words += ["-n", database] if database not in {"", "0"} else []
    if parts.scheme == "rediss":
        words.append("--tls")
        for name, flag in _TLS_FLAGS:
            words += [flag, query[name][0]] if name in query else []
    user = unquote(parts.username or "") or query.get("username", [""])[0]
    return [*words, "--user", user] if user else words
