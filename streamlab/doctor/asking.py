"""A connection that only asks: raw replies in one shape, and refusals told from failures.

What it asks: INFO, CONFIG GET, CLIENT LIST, SCAN, TYPE, PTTL, MEMORY USAGE, XINFO, XPENDING and
XRANGE. None of them writes; a user with ``+@read +@connection +info +config|get`` may ask all.
"""

from __future__ import annotations

import contextlib
import functools
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from streamlab.doctor.words import printable
from streamlab.errors import ServerError
from streamlab.server.capabilities import parse_version
from streamlab.server.url import RedisUrl, redact

if TYPE_CHECKING:
    from collections.abc import Iterator

# Nothing that is asked takes long, so a server that is silent for so long will stay silent.
_PATIENCE_S = 10.0

_RESP3_ONLY = ("maint_notifications", "orig_")

# Commands whose second word says which: what is refused is told by both.
_CONTAINERS = frozenset({"CLIENT", "CONFIG", "MEMORY", "XINFO"})


class NotPermittedError(ServerError):
    """The user may not ask this, or the server (a managed one, say) has no such command."""


class _Info(dict[str, str]):
    """INFO; what a server leaves out of it is as unknown as what it does not permit."""

    def __missing__(self, name: str) -> str:
        raise NotPermittedError(f"INFO ({name})")


class Asker:
    """Asks one server, and never sends a command twice.

    Replies are RESP2's, whatever the URL says, and unparsed: lists, text and numbers. Text that is
    not UTF-8 is kept as it is (``surrogateescape``), so that it can be sent back.

    Parameters
    ----------
    url
        Already found good by `RedisUrl.fault`.

    Raises
    ------
    ServerError
        If redis-py does not understand the URL's query.

    Attributes
    ----------
    socket_timeout_s
        How long a client made from this URL waits for a reply; None: for ever.
    database
        The number of the database that is looked at.
    """

    def __init__(self, url: RedisUrl) -> None:
        import redis  # noqa: PLC0415 - costs 200 ms
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        try:
            pool = redis.ConnectionPool.from_url(str(url))
            connection = pool.make_connection()  # unopened: it knows redis-py's own defaults
        except (ValueError, TypeError):  # their texts may quote the URL
            msg = f"{url.shown}: redis-py does not know what follows the ?: correct it"
            raise ServerError(msg) from None
        self.socket_timeout_s: float | None = getattr(connection, "socket_timeout", None)
        self.database = int(getattr(connection, "db", 0) or 0)
        # What serves maintenance notifications needs RESP3, and has an address of its own.
        kept = {k: v for k, v in pool.connection_kwargs.items() if not k.startswith(_RESP3_ONLY)}
        settings = kept | {
            "protocol": 2,
            "decode_responses": True,
            "encoding_errors": "surrogateescape",
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": _PATIENCE_S,
            "socket_connect_timeout": _PATIENCE_S,
        }
        self._client = redis.Redis.from_pool(
            redis.ConnectionPool(pool.connection_class, **settings)
        )
        self._client.response_callbacks.clear()

    def __call__(self, *words: str) -> Any:
        """The reply to a command.

        Raises
        ------
        NotPermittedError
            If the server does not let this user ask, or does not know the command.
        """
        import redis  # noqa: PLC0415

        try:
            return self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except redis.ResponseError as exc:
            refused, text = isinstance(exc, redis.exceptions.NoPermissionError), str(exc).lower()
            if not refused and not re.match(r"(err )?unknown (sub)?command", text):
                raise
            command = " ".join(words[: 2 if words[0] in _CONTAINERS else 1])
            raise NotPermittedError(command) from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    @functools.cached_property
    def info(self) -> dict[str, str]:
        """INFO, a value for each name.

        Raises
        ------
        NotPermittedError
            If the server does not let this user ask.
        """
        lines = str(self("INFO")).splitlines()
        return _Info(line.split(":", 1) for line in lines if ":" in line)

    def config(self, name: str) -> str | None:
        """The value of a setting (CONFIG GET); None when it is not known here."""
        try:
            return table(self("CONFIG", "GET", name)).get(name)
        except NotPermittedError:
            return None

    def now_ms(self) -> int | None:
        """The server's clock when INFO was first asked; None when that is not permitted."""
        try:
            return int(self.info["server_time_usec"]) // 1000
        except NotPermittedError:
            return None

    @property
    def version(self) -> tuple[int, ...]:
        """The server's version as numbers; empty when INFO is not permitted."""
        try:
            numbers = re.match(r"\d+(\.\d+)*", self.info["redis_version"])
        except NotPermittedError:
            return ()
        return parse_version(numbers[0]) if numbers else ()


def table(reply: Any) -> dict[str, Any]:
    """A flat list of names and values, as RESP2 sends a map."""
    return dict(zip(reply[::2], reply[1::2], strict=True))


@contextlib.contextmanager
def explained(url: RedisUrl) -> Iterator[None]:
    """Turn what redis-py raises into a `ServerError` of one line, without the password."""
    import redis  # noqa: PLC0415

    def trouble(fact: object, step: str) -> ServerError:
        text = redact(printable(" ".join(str(fact).split())))
        for secret in {url.password, quote(url.password, safe="")} - {""}:
            text = text.replace(secret, "***")
        return ServerError(f"{url.shown}: {text}: {step}")

    try:
        yield
    # The chain is cut: a traceback through redis-py's frames could show the password.
    except redis.AuthenticationError as exc:
        raise trouble(exc, "correct the user and the password") from None
    except (redis.ConnectionError, redis.TimeoutError) as exc:
        raise trouble(exc, "start that server, or correct the address") from None
    except (redis.RedisError, OSError) as exc:
        raise trouble(exc, "give the URL of a Redis, redis://HOST:PORT/0") from None
