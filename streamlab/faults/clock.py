"""A redis-server's wall clock that a test moves while the server runs (Linux, with a C compiler).

A shim of forty lines, `clock.c`, is compiled when first wanted and loaded into the server with
LD_PRELOAD. It moves what redis-server calls the time: stream ids, idle times, expiry, TIME.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streamlab.errors import ServerError
from streamlab.server.conf import private_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOURCE = Path(__file__).with_name("clock.c")
_OFFSET = struct.Struct("=q")  # microseconds, as the shim reads them


class ServerClock:
    """The wall clock of the servers that are started with its `env`; it begins with the true time.

    ===================  =========================================================================
    jump forward         Every pending entry is idle by that much more at once: a sweep
                         (XAUTOCLAIM) takes over live work, and it is run twice (F26). A blocked
                         read whose time is up now returns early, with nothing (F50).
    jump backward        New ids keep the time of the last one and count up their sequence number
                         until the clock has caught up (F19). What was delivered before is idle
                         by 0 ms until then: nothing is swept, and dead workers' tasks wait. A
                         blocked read waits that much longer than its BLOCK, which may be past
                         the client's socket timeout (F45, F50).
    ===================  =========================================================================

    Nothing is lost by either. Keys with a time to live expire with the moved clock: a lease that
    was to last 10 s is gone after a jump of 10 s.

    Raises
    ------
    ServerError
        Not on Linux, no C compiler on PATH, or it failed.

    Examples
    --------
    >>> with ServerClock() as clock, RedisServer(env=clock.env) as server:  # doctest: +SKIP
    ...     clock.jump(-3600)
    """

    def __init__(self) -> None:
        compiler = _compiler()
        self._folder = private_folder()
        try:
            self._shim = _compile(compiler, self._folder)
            self._file = self._folder / "offset_us"
            self._file.write_bytes(_OFFSET.pack(0))
            with self._file.open("r+b") as file:
                self._offset = mmap.mmap(file.fileno(), _OFFSET.size)
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    @property
    def env(self) -> Mapping[str, str]:
        """The environment variables for `RedisServer`; any number of servers may share them."""
        others = os.environ.get("LD_PRELOAD", "")
        return {"LD_PRELOAD": f"{self._shim} {others}".strip(), "STREAMLAB_CLOCK": str(self._file)}

    @property
    def offset_s(self) -> float:
        """By how many seconds the servers' clock is ahead of this machine's; negative: behind."""
        (offset_us,) = _OFFSET.unpack(self._offset)
        return float(offset_us / 1_000_000)

    def jump(self, by_s: float) -> None:
        """Move the clock at once, forward by `by_s` seconds, backward if it is negative."""
        _OFFSET.pack_into(self._offset, 0, round((self.offset_s + by_s) * 1_000_000))

    def close(self) -> None:
        """Remove the files; servers that run keep the offset, and those started later have none."""
        if not self._offset.closed:
            self._offset.close()
            shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _compiler() -> str:
    if sys.platform != "linux":
        msg = f"a server's clock can be moved on Linux only, this is {sys.platform}: leave it out"
        raise ServerError(msg)
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        msg = "moving a server's clock needs a C compiler (cc, gcc or clang) on PATH: install one"
        raise ServerError(msg)
    return found


def _compile(compiler: str, folder: Path) -> Path:
    shim = folder / "clock.so"
    if {" ", ":"} & set(str(shim)):  # the loader takes both for the end of a name, and only warns
        msg = f"LD_PRELOAD takes no path with a space or a colon, got {shim}: set TMPDIR to another"
        raise ServerError(msg)
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", shim, _SOURCE],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"{compiler} could not compile {_SOURCE.name}, it said: {done.stderr.strip()}"
        raise ServerError(msg)
    return shim
