"""Several worker processes, kept running: one that crashes is started again, with back-off."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streamlab.errors import BadArgumentError, QueueError
from streamlab.queue.bounds import check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

log = logging.getLogger("streamlab.worker")

#: The variable that tells a process that its standard input is its supervisor's life; its value is
#: the file for its report.
SUPERVISED = "STREAMLAB_SUPERVISED"
#: What a process exits with that could not do its work at all: starting it again would not help.
COULD_NOT = 2

_LOOK_EVERY_S = 0.05
_SHORTEST_S, _LONGEST_S = 0.1, 10.0
# A process that ran for so long was well: its next crash is a first one.
_WELL_AFTER_S = 10.0
# Beyond a worker's own grace, until it is killed.
_MARGIN_S = 5.0


class _Place:
    """One of the processes: who has it now, and how often it was lost in a row."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self.process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._crashes = 0
        self.start_at: float | None = time.monotonic()

    def start(self, reports: Path) -> None:
        self.start_at, self._started_at = None, time.monotonic()
        self.process = subprocess.Popen(
            self._command,
            env=os.environ | {SUPERVISED: str(reports)},
            stdin=subprocess.PIPE,  # held open by us alone, until we end, however we end
            start_new_session=True,  # Ctrl-C at the terminal is ours; we stop the processes
        )

    def ended(self) -> int | None:
        """Its exit code, once."""
        if self.process is None or self.process.poll() is None:
            return None
        process, self.process = self.process, None
        with process:
            return process.returncode

    def lost(self, code: int) -> None:
        """It crashed: to be started again, later each time."""
        well = time.monotonic() - self._started_at >= _WELL_AFTER_S
        self._crashes = 1 if well else self._crashes + 1
        pause_s = min(_LONGEST_S, _SHORTEST_S * 2 ** min(self._crashes - 1, 16))
        self.start_at = time.monotonic() + pause_s
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        log.warning("a worker process ended %s; started again in %.1f s", how, pause_s)


class Supervisor:
    """Runs `processes` copies of a command until it is told to stop or all are done.

    A copy that exits with 0 is done. One that exits with 2 could not do its work at all, and ends
    the others. Any other end is a crash: it is started again after 0.1 s, doubling up to 10 s.

    Parameters
    ----------
    command
        What to run; its standard input is a pipe that closes when this process ends. It should
        call `end_with_supervisor`.
    processes
        How many, 1 to 256.
    grace_ms
        For how long they may go on after a wish to stop, in ms; 5 s later they are killed.

    Raises
    ------
    BadArgumentError
        If `processes` is out of its bounds.
    """

    def __init__(self, command: Sequence[str], processes: int, grace_ms: int) -> None:
        check_whole("processes", processes, at_least=1, at_most=256)
        if isinstance(command, str):
            msg = f"command must be a list of arguments, got {command!r}"
            raise BadArgumentError(msg)
        self._places = [_Place(command) for _ in range(processes)]
        self._grace_s = grace_ms / 1000
        self._stop_at: float | None = None
        self.restarts = 0

    def stop(self) -> None:
        """Ask all to stop (SIGTERM), and start none again; safe in a signal handler."""
        if self._stop_at is None:
            self._stop_at = time.monotonic()
        self._signal(signal.SIGTERM)

    def run(self) -> list[str]:
        """Return the reports of the processes (`report`), when all are done or stopped.

        SIGTERM and SIGINT are passed on; the second time the processes end at once.

        Raises
        ------
        QueueError
            One of them could not do its work; what it said is on stderr.
        KeyboardInterrupt
            On the second signal.
        """
        failed = False
        with tempfile.TemporaryDirectory() as folder, self, self._signals():
            reports = Path(folder) / "reports"
            reports.touch()
            while any(place.process or place.start_at is not None for place in self._places):
                for place in self._places:
                    if (code := place.ended()) is not None:
                        if code == COULD_NOT:
                            failed = True
                            self.stop()
                        elif code and self._stop_at is None:
                            place.lost(code)
                            self.restarts += 1
                    self._start_if_due(place, reports)
                if self._overdue():
                    self._signal(signal.SIGKILL)
                time.sleep(_LOOK_EVERY_S)
            lines = reports.read_text("utf-8").splitlines()
        if failed:
            msg = "a worker process could not do its work (what it said is above): mend that first"
            raise QueueError(msg)
        return lines

    def _start_if_due(self, place: _Place, reports: Path) -> None:
        if place.start_at is None:
            return
        if self._stop_at is not None:
            place.start_at = None
        elif time.monotonic() >= place.start_at:
            place.start(reports)
            if self._stop_at is not None and place.process is not None:
                place.process.terminate()  # the wish came while it was being started

    def _overdue(self) -> bool:
        if self._stop_at is None:
            return False
        return time.monotonic() >= self._stop_at + self._grace_s + _MARGIN_S

    def _signal(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.process is not None:
                place.process.send_signal(number)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def heard(_signal: int, _frame: FrameType | None) -> None:
            if self._stop_at is not None:
                raise KeyboardInterrupt
            self.stop()

        before = {one: signal.signal(one, heard) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._signal(signal.SIGKILL)  # those that are left after an error or a second signal
        for place in self._places:
            if place.process is not None:
                with place.process:
                    pass


def end_with_supervisor() -> Path | None:
    """In a supervised process: stop as by SIGTERM when the supervisor ends, even by SIGKILL.

    Returns the file for `report`; None where nobody supervises.
    """
    reports = os.environ.pop(SUPERVISED, None)
    if reports is None:
        return None

    def watch() -> None:
        while os.read(0, 64):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="supervisor's life", daemon=True).start()
    return Path(reports)


def report(reports: Path, line: str) -> None:
    """Add a line to the file that `Supervisor.run` reads at the end."""
    with contextlib.suppress(FileNotFoundError), reports.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")  # the supervisor may have been killed, and its folder be gone
