"""A file of fixed-size records that survives the SIGKILL of the process that writes it."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from streamlab.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    Records = npt.NDArray[np.void]

#: What a consumer notes about a task, after its handler has done the work.
EFFECT = ("number", "started_ns", "done_ns")
#: What a producer notes about a task, after XADD's reply.
SEND = ("number", "sent_ns", "replied_ns")


class Ledger:
    """Appends records of three 64-bit integers, each by one write(2), unbuffered.

    Nothing is lost when the process is killed: what was written is the kernel's. A write takes
    1.2 µs (measured), which is what a list in memory would be worth losing.
    """

    _RECORD = struct.Struct("<3q")

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, number: int, first_ns: int, second_ns: int) -> None:
        """Append one record."""
        os.write(self._file, self._RECORD.pack(number, first_ns, second_ns))

    @classmethod
    def count(cls, paths: Iterable[Path]) -> int:
        """How many records are in the files so far; asks the file system, not the server."""
        return sum(path.stat().st_size for path in paths if path.exists()) // cls._RECORD.size

    @classmethod
    def read(cls, paths: Iterable[Path], fields: tuple[str, str, str]) -> Records:
        """All records of the files, in order of the files, as a numpy array with named fields.

        Raises
        ------
        BenchError
            If a file ends within a record.
        """
        import numpy as np  # noqa: PLC0415 - the processes that write need none of it

        dtype = np.dtype([(name, "<i8") for name in fields])
        parts = [np.empty(0, dtype)]
        for path in paths:
            if not path.exists():
                continue
            data = path.read_bytes()
            if len(data) % cls._RECORD.size:
                msg = f"{path.name} has {len(data)} bytes, not whole records: is the disk full?"
                raise BenchError(msg)
            parts.append(np.frombuffer(data, dtype))
        return np.concatenate(parts)

    @staticmethod
    def backlog(tasks: int) -> Records:
        """Sends without times, for tasks 0 to `tasks` - 1 that were there before the run."""
        import numpy as np  # noqa: PLC0415 - the processes that write need none of it

        sends = np.zeros(tasks, np.dtype([(name, "<i8") for name in SEND]))
        sends["number"] = np.arange(tasks)
        return sends

    @staticmethod
    def split_trailer(sends: Records) -> tuple[Records, float | None]:
        """The sends, and the producer's CPU share, from the record -1 if it lived to write it."""
        is_trailer = sends["number"] == -1
        for _, cpu_ns, wall_ns in sends[is_trailer]:
            return sends[~is_trailer], float(cpu_ns / wall_ns)
        return sends, None
