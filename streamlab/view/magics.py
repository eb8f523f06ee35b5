"""``%redis`` and ``%%redis``: the real redis-cli of the current server, inside a notebook."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from streamlab.errors import StreamlabError
from streamlab.view.redis_cli import RedisCli

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_USAGE = "usage: %redis COMMAND [ARGUMENT ...], for example %redis XADD tasks 1-1 data hello"
_SELECT = re.compile(r"\s*select\s+['\"]?(\d+)['\"]?\s*", re.IGNORECASE)


class _Prompt:
    """The prompt that redis-cli would show: it tells a database and a transaction."""

    def __init__(self) -> None:
        self._database, self._transaction = "", False

    def __str__(self) -> str:
        return f"redis{self._database}{'(TX)' if self._transaction else ''}> "

    def follow(self, line: str, reply: str) -> None:
        """What `line`, answered by `reply`, makes of it; by redis-cli's own rules."""
        command = line.strip().strip("\"'").upper()
        if command == "MULTI" and reply == "OK\n":
            self._transaction = True
        elif command in {"EXEC", "DISCARD"}:
            self._transaction = False
        elif (select := _SELECT.fullmatch(line)) and reply == "OK\n":
            self._database = "" if select[1] == "0" else f"[{select[1]}]"


def _cli() -> RedisCli:
    from streamlab.server.lab import current_server  # noqa: PLC0415 - may start a server

    try:
        return RedisCli(current_server().cli())
    except StreamlabError as exc:
        raise UsageError(str(exc)) from exc


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _answer(cli: RedisCli, line: str) -> str:
    """Print the reply as it comes; return its first line."""
    first = ""
    for piece in cli.ask(line):
        first = first or piece
        _say(piece)
    return first


def _commands(cell: str) -> list[str]:
    # split("\n"), not splitlines(): any other line end is data.
    lines = (line.strip() for line in cell.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def _run_cell(commands: list[str]) -> None:
    prompt = _Prompt()
    with _cli() as cli:
        for number, line in enumerate(commands):
            _say(f"{prompt}{line}\n")
            prompt.follow(line, _answer(cli, line))
            if cli.ended and commands[number + 1 :]:
                left = len(commands) - number - 1
                msg = f"redis-cli ended at {line!r}: {left} more in this cell not sent"
                raise UsageError(msg)


@no_var_expand
def redis(line: str, cell: str | None = None) -> None:
    """``%redis COMMAND`` and ``%%redis``: what the real redis-cli prints.

    ``%redis XADD s 1-1 a 1`` prints the reply. A cell that begins with ``%%redis`` is sent one
    command a line over one connection, so that MULTI and CLIENT SETNAME last; blank lines and
    lines that begin with ``#`` are skipped. Quoting is redis-cli's; ``$`` and ``{}`` are data.

    The server is the one started last by this notebook, or named by ``STREAMLAB_REDIS_URL``; if
    there is none, a private one is started. What it answers is printed, errors too, and nothing is
    raised. MONITOR and SUBSCRIBE print until the cell is interrupted; so does a command that
    blocks for ever. An interrupt ends redis-cli and its connection.

    Raises
    ------
    UsageError
        If there is no command, no server or no redis-cli.
    """
    if cell is not None:
        commands = _commands(f"{line}\n{cell}")
        if not commands:
            msg = "usage: %%redis, and below it one command a line"
            raise UsageError(msg)
        _run_cell(commands)
        return
    if not line.strip():
        raise UsageError(_USAGE)
    with _cli() as cli:
        _answer(cli, line.strip())


def register(shell: InteractiveShell) -> None:
    """Give `shell` the magics; ``%load_ext streamlab`` calls this."""
    shell.magics_manager.register_function(redis, magic_kind="line_cell", magic_name="redis")
