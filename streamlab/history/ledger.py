"""A text file of events that survives the SIGKILL of the process that writes it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streamlab.errors import LedgerError
from streamlab.history.lines import CANCEL, LINE, to_event, to_line

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from streamlab.history.events import Event, Kind

_SHOWN_BYTES = 60


@dataclass(frozen=True, slots=True)
class TornLine:
    """A line that was not written to its end: its event was never reported as written.

    Attributes
    ----------
    path
        The ledger.
    offset
        Where the line begins, in bytes.
    length
        How many bytes of it are there.
    """

    path: Path
    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.path} at byte {self.offset:,}: {self.length:,} bytes without an end"


class Ledger:
    """Appends events to a file, each by one write(2), unbuffered.

    When `record` has returned, the line is the kernel's and a SIGKILL cannot take it back. A
    SIGKILL *within* `record` may leave the beginning of a line: Linux stops a write at a page's
    boundary. Such a line is read as torn. Threads, and children after a fork, may share a ledger;
    processes that are killed should each have their own.

    Parameters
    ----------
    path
        The file: made with mode 0600, or continued if it is there. If its last line is torn, that
        line is marked so and stays.

    Raises
    ------
    LedgerError
        If it cannot be opened.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                os.write(self._file, CANCEL + b"\n")
        except OSError as exc:
            msg = f"cannot open ledger {self.path} ({exc.strerror}): it must be a file in a folder"
            raise LedgerError(f"{msg} that exists and that you may write") from exc

    def record(
        self, kind: Kind, task_id: str, actor: str, entry_id: str = "", detail: str = ""
    ) -> None:
        """Append one event that happens now; it is safe when this returns.

        Parameters
        ----------
        kind
            What happened.
        task_id, actor, entry_id, detail
            Any text; see `Event`.

        Raises
        ------
        LedgerError
            If the line is not written, or not to its end: the disk is full, or this was closed.
        """
        line = to_line(kind, task_id, time.monotonic_ns(), actor, entry_id, detail)
        try:
            written = os.write(self._file, line)
        except OSError as exc:
            msg = f"nothing of an event was written to ledger {self.path} ({exc.strerror})"
            raise LedgerError(f"{msg}: free some room, and record before close()") from exc
        if written < len(line):
            msg = f"{written} of an event's {len(line)} bytes were written to ledger {self.path}"
            raise LedgerError(f"{msg}, it ends in a torn line: free some room and open it again")

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_ledgers(
    paths: Iterable[Path | str], torn: list[TornLine] | None = None
) -> Iterator[Event]:
    """Every event of the ledgers, file after file, in the order in which it was written.

    Parameters
    ----------
    paths
        The ledgers.
    torn
        Lines that were not written to their end are added to this list; without one they are
        an error.

    Raises
    ------
    LedgerError
        If a file cannot be read, a line is none that a ledger writes, or a line is torn and
        there is no list for it.
    """
    for path in map(Path, paths):
        ends: list[TornLine] = []
        for line in scan(path, ends):
            yield to_event(line)
        if torn is not None:
            torn += ends
        elif ends:
            msg = f"torn line in ledger {ends[0]}: its event was never reported as written"
            raise LedgerError(f"{msg}; pass torn=[] to have it listed")


def scan(path: Path, torn: list[TornLine]) -> Iterator[re.Match[bytes]]:
    """Each whole line of a ledger, as `LINE` matches it; torn lines go into `torn`.

    A line is torn if the file ends within it, or if it was marked by the next who opened the file.

    Raises
    ------
    LedgerError
        If the file cannot be read, or a line is neither whole nor torn.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if whole := LINE.fullmatch(line):
                    yield whole
                elif line.endswith(CANCEL + b"\n") or not line.endswith(b"\n"):
                    length = len(line.removesuffix(CANCEL + b"\n"))
                    torn.append(TornLine(path, file.tell() - len(line), length))
                else:
                    msg = f"{path}, line {number}: {line[:_SHOWN_BYTES]!r} is no event"
                    next_step = "it was changed, or is no ledger: run the experiment again"
                    raise LedgerError(f"{msg} (6 fields between tabs): {next_step}")
    except OSError as exc:
        msg = f"cannot read ledger {path} ({exc.strerror}): name only ledgers that were written"
        raise LedgerError(msg) from exc
