"""The package's Lua scripts, each in a file of its own under a header that names its keys."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis


@cache
def _text(room: str, name: str) -> str:
    return (resources.files(f"streamlab.{room}") / "lua" / f"{name}.lua").read_text("utf-8")


def run_script(
    client: redis.Redis, script: str, keys: Sequence[str], arguments: Sequence[object]
) -> Any:
    """Run ``ROOM/NAME`` with EVAL, which needs no script cache and survives a restart.

    The server compiles a text once; sending a few hundred bytes again costs less than asking
    whether it still knows it.
    """
    text = _text(*script.split("/"))
    return client.eval(text, len(keys), *keys, *arguments)  # type: ignore[arg-type]
