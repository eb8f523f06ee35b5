"""The clock that a process counts by: its host's own, or Redis TIME with a stated error."""

from __future__ import annotations

import contextlib
import os
import platform
import time
import uuid
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from streamlab.measure.gates import CLOCK_SLEW, CLOCK_STEP_S

if TYPE_CHECKING:
    from collections.abc import Callable

_ASKS = 16  # of which the quickest counts: its answer has the least room to be wrong


class ClockKind(StrEnum):
    """Whose time latencies are differences of."""

    HOST = "host"  # time.monotonic: one clock for all processes of a host, and for no others
    SERVER = "server"  # Redis TIME: one for all hosts, within an error that is measured


@dataclass(frozen=True, slots=True)
class Reading:
    """What a process knows of its clock.

    Attributes
    ----------
    host
        Equal in all processes whose `time.monotonic` is the same clock.
    error_ns
        How far from Redis TIME its times may lie; 0 with the host's clock, which is not compared.
    step_ns
        The largest jump of Redis TIME that no slewing explains, later minus earlier; 0 if none.
    """

    host: str
    error_ns: int = 0
    step_ns: int = 0


def host_id() -> str:
    """What processes have in common whose monotonic clock is one: a boot and a time namespace."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = ""  # of containers that have set their own monotonic clock (Linux 5.6+)
        with contextlib.suppress(OSError):
            space = str(Path("/proc/self/ns/time").readlink())
        return f"{boot} {space}"
    return f"{platform.node()} {uuid.getnode():x} {os.name}"


class Clock:
    """Tells the time in ns, from any zero, for the differences of it.

    Parameters
    ----------
    server_ns
        Asks the server for its time, in ns; None: the host's own clock is the time.
    """

    def __init__(self, server_ns: Callable[[], int] | None = None) -> None:
        self._server_ns, self._offset_ns = server_ns, 0
        self._asked_ns = self._half_ns = self._worst_half_ns = self._moved_ns = self._step_ns = 0
        self.ask()

    def now_ns(self) -> int:
        """The time, in ns."""
        return time.monotonic_ns() + self._offset_ns

    def ask(self) -> None:
        """Measure the offset to the server's clock anew, and see whether that has jumped.

        Of `_ASKS` round trips the shortest counts. The server read its clock at some moment within
        it: the middle is wrong by half of it at the most (Cristian 1989).
        """
        if self._server_ns is None:
            return
        half_ns, offset_ns = min(self._once(self._server_ns) for _ in range(_ASKS))
        now_ns = time.monotonic_ns()
        if self._asked_ns:
            moved_ns = offset_ns - self._offset_ns
            slewed_ns = CLOCK_STEP_S * 1e9 + CLOCK_SLEW * (now_ns - self._asked_ns)
            if abs(moved_ns) > slewed_ns + half_ns + self._half_ns:
                self._step_ns = max(self._step_ns, moved_ns, key=abs)
            self._moved_ns = max(self._moved_ns, abs(moved_ns))
        self._asked_ns, self._half_ns, self._offset_ns = now_ns, half_ns, offset_ns
        self._worst_half_ns = max(self._worst_half_ns, half_ns)

    @staticmethod
    def _once(server_ns: Callable[[], int]) -> tuple[int, int]:
        before_ns = time.monotonic_ns()
        told_ns = server_ns()
        after_ns = time.monotonic_ns()
        # TIME is cut to whole µs: half of one is added, and stands in the error too.
        half_ns = (after_ns - before_ns) // 2 + 500
        return half_ns, told_ns + 500 - (before_ns + after_ns) // 2

    @property
    def error_ns(self) -> int:
        """Half of the worst round trip, and the farthest that the offset moved between two."""
        return self._worst_half_ns + self._moved_ns

    def reading(self) -> Reading:
        """What is known of this clock now."""
        return Reading(host_id(), self.error_ns, self._step_ns)
