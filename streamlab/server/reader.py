"""The reader's own server, named by STREAMLAB_REDIS_URL: used with care, never killed."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from streamlab.errors import NotOurServerError, ReaderServerError
from streamlab.server.capabilities import MINIMUM_VERSION, capabilities_of, parse_version
from streamlab.server.url import CliCall, RedisUrl, redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

#: Names a server of the reader's own for notebooks and load tests; see `ReaderServer`.
URL_VARIABLE = "STREAMLAB_REDIS_URL"


def reader_url() -> RedisUrl | None:
    """The URL in ``STREAMLAB_REDIS_URL``, or None when it is unset or empty."""
    value = os.environ.get(URL_VARIABLE)
    return RedisUrl(value) if value else None


class ReaderServer:
    """A server of the reader's own, with the face of `RedisServer` as far as that is harmless.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` (TLS) or ``unix://``, with user and password of an ACL if
        needed, percent-encoded; TLS settings as redis-py takes them in the query, for example
        ``?ssl_ca_certs=/path/ca.pem``.
    keys
        The keys that the lesson or the load test will use. None of them may exist yet: the lab
        neither overwrites nor deletes what it did not make. `stop` deletes them.

    Raises
    ------
    ReaderServerError
        The URL is malformed, the server cannot be reached, refuses the user, is not Redis, is
        older than 6.2, or holds one of `keys` already.
    """

    def __init__(self, url: str, *, keys: tuple[str, ...] = ()) -> None:
        self.url = RedisUrl(url)
        self._keys = keys
        if fault := self.url.fault():
            raise ReaderServerError(f"{URL_VARIABLE}={self.url!r}: {fault}")
        with self._explained():
            self.version = self._checked_version()
            self._reserve()

    def __repr__(self) -> str:
        return f"<ReaderServer {self.version} at {self.url.shown}>"

    def _trouble(self, fact: object, step: str) -> ReaderServerError:
        text = redact(str(fact))
        for secret in {self.url.password, quote(self.url.password, safe="")} - {""}:
            text = text.replace(
                secret, "***"
            )  # a server that is not Redis may echo what it was sent
        return ReaderServerError(f"{URL_VARIABLE}={self.url!r}: {text}: {step}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what redis-py raises into `ReaderServerError`."""
        import redis  # noqa: PLC0415 - 200 ms, only when used

        try:
            yield
        # The chain is cut: a traceback through redis-py's frames could show the password.
        except redis.AuthenticationError as exc:
            raise self._trouble(exc, "correct the user and the password") from None
        except redis.exceptions.NoPermissionError as exc:
            step = "give this user +@connection +info +@stream +exists +del, and ~* for the keys"
            raise self._trouble(exc, step) from None
        except (redis.ConnectionError, redis.TimeoutError) as exc:
            raise self._trouble(exc, "start it, or unset the variable for a private one") from None
        except (redis.RedisError, OSError, ValueError, TypeError, KeyError) as exc:
            raise self._trouble(exc, "give the URL of a Redis, redis://HOST:PORT/0") from None

    def _impatient_client(self) -> redis.Redis:
        """A client that gives up after 5 s, for a server that may not be there at all."""
        return self.client(retry=None, socket_connect_timeout=5.0, socket_timeout=5.0)

    def _checked_version(self) -> str:
        with self._impatient_client() as client:
            version = str(client.info("server")["redis_version"])
        if parse_version(version) < parse_version(MINIMUM_VERSION):
            raise self._trouble(f"it is Redis {version}", f"the lab needs >= {MINIMUM_VERSION}")
        return version

    def _reserve(self) -> None:
        if not self._keys:
            return
        with self._impatient_client() as client:
            taken = [key for key in self._keys if client.exists(key)]
        if taken:
            raise self._trouble(
                f"the key {taken[0]!r} exists on this server and the lab will not touch it",
                "rename or delete it, or choose an empty database, such as /1 at the URL's end",
            )

    @functools.cached_property
    def capabilities(self) -> frozenset[str]:
        """The names of the `CAPABILITIES` that this version has."""
        return capabilities_of(self.version)

    @property
    def running(self) -> bool:
        """Whether it answers PING now."""
        import redis  # noqa: PLC0415

        try:
            with self._impatient_client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self, **options: Any) -> redis.Redis:
        """A new `redis.Redis` with ``decode_responses=True``; `options` go to redis-py as given."""
        import redis  # noqa: PLC0415

        options = {"decode_responses": True} | options
        return redis.Redis.from_url(str(self.url), **options)

    def cli(self) -> CliCall:
        """How to call a redis-cli from PATH for this server; the password travels in the env.

        Raises
        ------
        ReaderServerError
            If there is no redis-cli.
        """
        from streamlab.server.find import found_redis  # noqa: PLC0415 - runs redis-server once

        parts = urlsplit(str(self.url))
        # The lab's own builds of redis-cli have no TLS; a packaged one on PATH does.
        own = next((str(b.cli) for b in found_redis() if b.cli), None)
        on_path = shutil.which("redis-cli")
        cli = (on_path or own) if parts.scheme == "rediss" else (own or on_path)
        if cli is None:
            raise self._trouble("no redis-cli found", "run `streamlab redis install`")
        query = parse_qs(parts.query)
        if parts.scheme == "unix":
            argv = [cli, "-s", unquote(parts.path), "-n", query.get("db", ["0"])[0]]
        else:
            database = parts.path.strip("/") or query.get("db", ["0"])[0]
            host, port = parts.hostname or "localhost", parts.port or 6379
            argv = [cli, "-h", host, "-p", str(port), "-n", database]
        if parts.scheme == "rediss":
            argv.append("--tls")
            for name, flag in (
                ("ssl_ca_certs", "--cacert"),
                ("ssl_certfile", "--cert"),
                ("ssl_keyfile", "--key"),
            ):
                argv += [flag, query[name][0]] if name in query else []
            argv += ["--insecure"] if query.get("ssl_cert_reqs") == ["none"] else []
        if parts.username:
            argv += ["--user", unquote(parts.username)]
        password = self.url.password
        return CliCall(tuple(argv), {"REDISCLI_AUTH": password} if password else {})

    def _refuse(self) -> NoReturn:
        msg = (
            "this server is yours, and the lab stops only servers that it started: "
            f"unset {URL_VARIABLE} to run this lesson on a private one"
        )
        raise NotOurServerError(msg)

    def kill(self) -> None:
        """Refused with `NotOurServerError`."""
        self._refuse()

    def pause(self) -> None:
        """Refused with `NotOurServerError`."""
        self._refuse()

    def resume(self) -> None:
        """Refused with `NotOurServerError`."""
        self._refuse()

    def restart(self) -> None:
        """Refused with `NotOurServerError`."""
        self._refuse()

    def stop(self) -> None:
        """Delete the keys that were reserved (DEL); the server itself is left alone.

        Raises
        ------
        ReaderServerError
            If it cannot be reached any more; the keys stay reserved.
        """
        if self._keys:
            with self._explained(), self._impatient_client() as client:
                client.delete(*self._keys)
            self._keys = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
