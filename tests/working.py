"""What the tests of a worker need: one that runs beside the test, and a look at what is pending."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from support import poll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab import Worker, WorkerReport


class Running:
    """A worker in a thread of its own; its report or its error, once it has ended."""

    def __init__(self, worker: Worker, **bounds: int) -> None:
        self.worker, self._bounds = worker, bounds
        self.report: WorkerReport | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.report = self.worker.run(**self._bounds)
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            self.error = exc

    def ended(self, timeout_s: float = 10.0) -> WorkerReport | None:
        """The report, when it has ended; fails when it does not."""
        self.thread.join(timeout_s)
        assert not self.thread.is_alive(), "the worker did not end"
        return self.report


@contextlib.contextmanager
def running(worker: Worker, **bounds: int) -> Iterator[Running]:
    """Run `worker` beside the test, and stop it at the end."""
    one = Running(worker, **bounds)
    try:
        yield one
    finally:
        poll(lambda: worker._crew or not one.thread.is_alive(), what="the worker's start")
        worker.stop()
        one.ended()


def pending(r, key: str, group: str = "workers") -> dict[str, tuple[str, int, int]]:
    """Of each pending id its consumer, idle time in ms and number of deliveries."""
    return {
        line["message_id"]: (
            line["consumer"],
            line["time_since_delivered"],
            line["times_delivered"],
        )
        for line in r.xpending_range(key, group, "-", "+", 1000)
    }


def blocked(client) -> bool:
    """Whether some client of this server waits in a blocking command."""
    return "b" in "".join(c["flags"] for c in client.client_list())


def hold(r, key: str, consumer: str, count: int | None = None, group: str = "workers") -> list[str]:
    """Read as `consumer` and do nothing; the ids it holds now."""
    found = r.xreadgroup(group, consumer, {key: ">"}, count=count)
    return [entry_id for _, entries in found for entry_id, _ in entries]
