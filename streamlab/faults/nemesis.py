"""Faults drawn from a seed, done to a producer, consumers and their server, then a quiet time."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from streamlab.errors import BadArgumentError
from streamlab.faults.rules import Action, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamlab.faults.process import ConsumerProcess
    from streamlab.faults.proxy import Proxy


class FaultKind(StrEnum):
    """What the nemesis can do; those with a duration end by themselves.

    ``KILL``: SIGKILL a consumer, at once or before or after its n-th command of a name; it is
    started again soon. ``PAUSE``: SIGSTOP, later SIGCONT. ``CUT``: its connections.
    ``DROP_REPLY``: the reply of its n-th command of a name. ``DELAY``: all that it sends.
    ``HALF_OPEN``: nothing comes through, either way, and no connection is closed.
    ``RESTART``: SIGKILL the server and start it again. ``SERVER_PAUSE``: SIGSTOP the server.
    ``FLUSH``, ``DELETE_KEY``, ``DESTROY_GROUP``: what an operator may do by mistake.
    ``FULL``: the server has no memory left for writes.
    """

    KILL = "kill"
    PAUSE = "pause"
    CUT = "cut"
    DROP_REPLY = "drop-reply"
    DELAY = "delay"
    HALF_OPEN = "half-open"
    RESTART = "restart"
    SERVER_PAUSE = "server-pause"
    FULL = "full"
    FLUSH = "flush"
    DELETE_KEY = "delete-key"
    DESTROY_GROUP = "destroy-group"


_TO_CONSUMERS = {FaultKind.KILL, FaultKind.PAUSE}
_TO_CLIENTS = {FaultKind.CUT, FaultKind.DROP_REPLY, FaultKind.DELAY, FaultKind.HALF_OPEN}
# The commands of a worker's life: each is a place where it may die.
_POINTS = ("XREADGROUP", "XACK", "EVAL", "*")
_LATEST_NTH = 4
# For how long a killed consumer is missed, a stopped one stopped, a server down, in s.
_LASTS_S = {
    FaultKind.KILL: (0.05, 0.3),
    FaultKind.PAUSE: (0.1, 1.2),
    FaultKind.DELAY: (0.1, 0.5),
    FaultKind.HALF_OPEN: (0.2, 1.0),
    FaultKind.RESTART: (0.0, 0.3),
    FaultKind.SERVER_PAUSE: (0.1, 0.6),
    FaultKind.FULL: (0.2, 0.8),
}
_LONGEST_DELAY_S = 0.05
_LOOK_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, as it was drawn.

    Attributes
    ----------
    at_s
        When, in seconds from the beginning.
    kind
        What.
    target
        Whom: a client's name, or ``"server"``.
    lasts_s
        For how long, in seconds.
    when
        ``"now"``, or ``"before"`` or ``"after"`` a command.
    command
        Of which name; ``"*"`` for any.
    nth
        Which one from then on, >= 1.
    """

    at_s: float
    kind: FaultKind
    target: str
    lasts_s: float = 0.0
    when: str = "now"
    command: str = ""
    nth: int = 1

    def __str__(self) -> str:
        point = f" {self.when} {self.command} no. {self.nth}" if self.when != "now" else ""
        lasts = f" for {self.lasts_s:.2f} s" if self.lasts_s else ""
        return f"{self.kind} {self.target}{point}{lasts}"


def schedule(
    seed: int,
    kinds: Sequence[FaultKind],
    *,
    seconds: float,
    consumers: Sequence[str],
    producers: Sequence[str] = (),
    every_s: float = 0.25,
    combined: bool = True,
) -> tuple[Fault, ...]:
    """Draw faults of `kinds`, in order of time; the same seed and arguments draw the same.

    Parameters
    ----------
    seconds
        Over how long they are spread, > 0.
    consumers
        Who can be killed and paused.
    producers
        Who can only lose connections and replies, as the consumers do too.
    every_s
        The mean time between two, in s, > 0.
    combined
        Whether one may begin while another lasts.

    Raises
    ------
    BadArgumentError
        If there is no consumer, or a time is not > 0.
    """
    if not consumers or not seconds > 0 or not every_s > 0:
        msg = f"need consumers and times > 0, got {len(consumers)}, {seconds!r} and {every_s!r} s"
        raise BadArgumentError(msg)
    rng = random.Random(f"{seed}:{','.join(kinds)}")
    faults: list[Fault] = []
    at_s = 0.0
    while kinds:
        at_s += rng.expovariate(1 / every_s)
        if at_s >= seconds:
            break
        fault = _draw(rng, round(at_s, 3), rng.choice(kinds), consumers, producers)
        faults.append(fault)
        at_s += 0.0 if combined else fault.lasts_s
    return tuple(faults)


def _draw(
    rng: random.Random,
    at_s: float,
    kind: FaultKind,
    consumers: Sequence[str],
    producers: Sequence[str],
) -> Fault:
    lasts_s = round(rng.uniform(*_LASTS_S.get(kind, (0.0, 0.0))), 3)
    if kind in _TO_CONSUMERS:
        target = rng.choice(consumers)
    elif kind in _TO_CLIENTS:
        target = rng.choice([*consumers, *producers])
    else:
        target = "server"
    if kind is FaultKind.KILL:
        when = rng.choice(("now", "before", "after"))
    else:
        when = "after" if kind is FaultKind.DROP_REPLY else "now"
    if when == "now":
        return Fault(at_s, kind, target, lasts_s)
    command = "XADD" if target in producers else rng.choice(_POINTS)
    return Fault(at_s, kind, target, lasts_s, when, command, rng.randint(1, _LATEST_NTH))


class ServerSide(Protocol):
    """What the nemesis asks of whoever owns the server, who knows what was on it."""

    def crash(self, down_s: float) -> None:
        """SIGKILL it and start it again."""

    def pause(self) -> None:
        """SIGSTOP it."""

    def resume(self) -> None:
        """SIGCONT it."""

    def fill(self, *, full: bool) -> None:
        """Let it refuse writes for want of memory, or no longer."""

    def wipe(self, kind: FaultKind) -> None:
        """FLUSHALL, DEL or XGROUP DESTROY."""


class Nemesis:
    """Does the faults of a schedule to real processes, connections and a real server.

    Parameters
    ----------
    faults
        In order of time.
    processes
        The consumers by name; one that has ended is started again.
    proxies
        The way to the server of each client by name.
    server
        Whoever breaks the server.
    tell
        Called with a line of text for each thing done.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        *,
        processes: Mapping[str, ConsumerProcess],
        proxies: Mapping[str, Proxy],
        server: ServerSide,
        tell: Callable[[str], None],
    ) -> None:
        self._processes, self._proxies, self._server, self._tell = processes, proxies, server, tell
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._missing: set[str] = set()
        for fault in faults:
            self._at(fault.at_s, lambda fault=fault: self._do(fault))  # type: ignore[misc]

    def run(self, going: Callable[[], bool]) -> None:
        """Do the faults when they are due; return when all are over and `going` is false."""
        self._started = time.monotonic()
        while self._due or going():
            now_s = time.monotonic() - self._started
            while self._due and self._due[0][0] <= now_s:
                heapq.heappop(self._due)[2]()
            self._watch(now_s)
            time.sleep(_LOOK_EVERY_S)

    def quiet(self) -> None:
        """Nothing is broken any more: all that stands still goes on, all that ended begins anew."""
        for proxy in self._proxies.values():
            proxy.clear()
        for process in self._processes.values():
            if process.alive:
                process.cont()
            else:
                process.start()

    def watch(self) -> None:
        """In the quiet time: start again what ended (a task that kills its process, say)."""
        for process in self._processes.values():
            if not process.alive:
                process.start()

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), act))

    def _after(self, lasts_s: float, act: Callable[[], None]) -> None:
        self._at(time.monotonic() - self._started + lasts_s, act)

    def _watch(self, now_s: float) -> None:
        for name, process in self._processes.items():
            if name not in self._missing and not process.alive:
                self._missing.add(name)
                self._tell(f"{name} has ended: {process.last_words[:200]}")
                self._at(now_s + _LASTS_S[FaultKind.KILL][0], lambda name=name: self._revive(name))  # type: ignore[misc]

    def _revive(self, name: str) -> None:
        self._processes[name].start()
        self._missing.discard(name)
        self._tell(f"{name} is started again")

    def _do(self, fault: Fault) -> None:
        self._tell(str(fault))
        if fault.target == "server":
            self._break_server(fault)
        elif fault.kind is FaultKind.KILL:
            self._kill(fault)
        elif fault.kind is FaultKind.PAUSE:
            self._pause(fault)
        else:
            self._break_connection(fault)

    def _kill(self, fault: Fault) -> None:
        process = self._processes[fault.target]
        if fault.when == "now":
            process.kill()
            return
        action = Action.KILL_BEFORE if fault.when == "before" else Action.KILL_AFTER

        def fire() -> None:
            process.kill()
            self._tell(f"{fault.target} killed {fault.when} {fault.command} no. {fault.nth}")

        rule = Rule(command=fault.command, action=action, nth=fault.nth, on_fire=fire)
        self._proxies[fault.target].add(rule)

    def _pause(self, fault: Fault) -> None:
        process = self._processes[fault.target]
        if process.alive:
            process.stop()
            self._after(fault.lasts_s, lambda: self._resume(fault.target))

    def _resume(self, name: str) -> None:
        process = self._processes[name]
        if process.alive:
            process.cont()
            self._tell(f"{name} goes on")

    def _break_connection(self, fault: Fault) -> None:
        proxy = self._proxies[fault.target]
        if fault.kind is FaultKind.CUT:
            proxy.cut()
        elif fault.kind is FaultKind.DROP_REPLY:
            proxy.add(Rule(command=fault.command, action=Action.DROP_REPLY, nth=fault.nth))
        elif fault.kind is FaultKind.DELAY:
            proxy.delay(_LONGEST_DELAY_S)
            self._after(fault.lasts_s, lambda: proxy.delay(0.0))
        else:
            proxy.half_open()
            self._after(fault.lasts_s, lambda: proxy.half_open(half_open=False))

    def _break_server(self, fault: Fault) -> None:
        if fault.kind is FaultKind.RESTART:
            self._server.crash(fault.lasts_s)
        elif fault.kind is FaultKind.SERVER_PAUSE:
            self._server.pause()
            self._after(fault.lasts_s, self._server.resume)
        elif fault.kind is FaultKind.FULL:
            self._server.fill(full=True)
            self._after(fault.lasts_s, lambda: self._server.fill(full=False))
        else:
            self._server.wipe(fault.kind)
