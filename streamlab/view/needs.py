"""``%%needs VERSION``: a cell that an older server cannot run says so, and the notebook goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from streamlab.errors import BadArgumentError, StreamlabError
from streamlab.server.capabilities import parse_version

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_USAGE = "usage: %%needs VERSION as the first line of a cell, for example %%needs 8.4"


def _note(wanted: str) -> str | None:
    """What to print instead of running the cell; None if the server is new enough."""
    from streamlab.server.lab import current_server  # noqa: PLC0415 - may start a server

    if not wanted:
        raise UsageError(_USAGE)
    try:
        least = parse_version(wanted)
        here = current_server().version
    except BadArgumentError as exc:
        raise UsageError(f"{_USAGE}: {exc}") from exc
    except StreamlabError as exc:
        raise UsageError(str(exc)) from exc
    if parse_version(here) >= least:
        return None
    return f"needs Redis ≥ {wanted}, this one is {here}: not run"


def _decide(lines: list[str]) -> list[str]:
    """The lines of a cell to be run: without a ``%%needs`` at its head, or only what that says.

    IPython calls this before anything else reads the cell, so that the rest runs as if the line
    were not there: other magics, the last value shown, a traceback.
    """
    name, _, wanted = lines[0].strip().partition(" ") if lines else ("", "", "")
    if name != "%%needs":
        return lines
    try:
        note = _note(wanted.strip())
    except UsageError:
        return lines  # the magic says what is wrong: an error raised here would not reach the cell
    return lines[1:] if note is None else [f"print({note!r})\n"]


# IPython asks whether a cell is complete while somebody types it: that must not start a server.
_decide.has_side_effects = True  # type: ignore[attr-defined]


@no_var_expand
def needs(line: str, cell: str) -> None:  # noqa: ARG001 - what it gets could not be decided
    """``%%needs VERSION``: run this cell only on a Redis that is at least as new.

    The first line of a cell; what follows is an ordinary cell, of other magics too. On an older
    server the cell prints ``needs Redis ≥ 8.4, this one is 7.0.15: not run``, and the notebook
    goes on. The server is the one that ``%redis`` talks to.

    Raises
    ------
    UsageError
        If there is no version, or no server, or the line is not the cell's first.
    """
    _note(line.strip())
    raise UsageError(_USAGE)


def register(shell: InteractiveShell) -> None:
    """Give `shell` the magic; ``%load_ext streamlab`` calls this, and may do so twice."""
    transformers = shell.input_transformers_cleanup
    if _decide not in transformers:
        transformers.append(_decide)
    shell.magics_manager.register_function(needs, magic_kind="cell", magic_name="needs")
