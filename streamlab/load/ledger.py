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

#: What a producer notes about a task, after XADD's reply.
SEND = ("number", "sent_ns", "replied_ns")
#: What a consumer notes about a task, after its handler has done the work.
EFFECT = ("number", "received_ns", "started_ns", "done_ns")
#: What a consumer notes when an acknowledgement's reply has come.
ACK = ("number", "acked_ns")


class Ledger:
    """Appends records of 64-bit integers, each by one write(2), unbuffered.

    Nothing is lost when the process is killed: what was written is the kernel's. A write takes
    1.2 µs (measured), which is what a list in memory would be worth losing.
    """

    def __init__(self, path: Path, fields: tuple[str, ...]) -> None:
        self._record = struct.Struct(f"<{len(fields)}q")
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *values: int) -> None:
        """Append one record."""
        os.write(self._file, self._record.pack(*values))

    def write_all(self, records: Iterable[tuple[int, ...]]) -> None:
        """Append several, by one write."""
        os.write(self._file, b"".join(self._record.pack(*values) for values in records))

    @staticmethod
    def count(paths: Iterable[Path], fields: tuple[str, ...]) -> int:
        """How many records are in the files so far; asks the file system, not the server."""
        written = sum(path.stat().st_size for path in paths if path.exists())
        return written // (8 * len(fields))

    @staticmethod
    def read(paths: Iterable[Path], fields: tuple[str, ...]) -> Records:
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
            if len(data) % dtype.itemsize:
                msg = f"{path.name} has {len(data)} bytes, not whole records: is the disk full?"
                raise BenchError(msg)
            parts.append(np.frombuffer(data, dtype))
        return np.concatenate(parts)
