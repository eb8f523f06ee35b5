"""What a server tells of its connections: how many, how they end, who is blocked on a read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.doctor.asking import NotPermittedError
from streamlab.doctor.diagnosis import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamlab.doctor.asking import Asker
    from streamlab.doctor.commands import Shell
    from streamlab.doctor.state import Stream

# Of maxclients: a deployment that restarts has old and new connections at once.
_NEARLY_USED = 0.8

# Since 7.2 a consumer exists from its first try to read on, and not only from its first entry.
_CONSUMERS_AT_ONCE = (7, 2)


def check_connections(ask: Asker, shell: Shell) -> Iterator[Finding]:
    """Whether connections run out."""
    name, failures = "connections", ("F47",)
    used = int(ask.info["connected_clients"])
    told = ask.info.get("maxclients") or ask.config("maxclients")
    if told is None:
        fact = f"{used} connected, maxclients unknown: not permitted"
        yield Finding(name, Status.UNKNOWN, fact, None, failures)
        return
    most, refused = int(told), ask.info.get("rejected_connections", "unknown")
    fact = f"{used} of maxclients {most} connected, {refused} refused since the server's start"
    if used < _NEARLY_USED * most:
        yield Finding(name, Status.OK, fact, None, failures)
        return
    file = ask.info.get("config_file")
    fix = shell.setting("maxclients", str(2 * most), config_file=file)
    yield Finding(name, Status.WARNING, f"{fact}: workers will be refused", fix, failures)


def check_idle_connections(ask: Asker, shell: Shell) -> Iterator[Finding]:
    """Whether connections are ended that should not be, or kept that are dead."""
    idle_s, probe_s = ask.config("timeout"), ask.config("tcp-keepalive")
    if idle_s is None or probe_s is None:
        raise NotPermittedError("CONFIG GET")
    file = ask.info.get("config_file")
    bad = []
    if idle_s != "0":
        fact = (
            f"timeout {idle_s} closes connections that are idle for {idle_s} s: clients reconnect"
        )
        fix = shell.setting("timeout", "0", config_file=file)
        bad.append(Finding("idle connections", Status.WARNING, fact, fix, ("F46",)))
    if probe_s == "0":
        fact = "tcp-keepalive 0: a client that is gone without a word keeps its connection for ever"
        fix = shell.setting("tcp-keepalive", "300", config_file=file)
        bad.append(Finding("idle connections", Status.WARNING, fact, fix, ("F45",)))
    fact = f"timeout 0 closes none, tcp-keepalive {probe_s} s finds the dead ones"
    yield from bad or [Finding("idle connections", Status.OK, fact, None, ("F45",))]


def check_blocked(
    ask: Asker, shell: Shell, streams: Sequence[Stream], *, all_seen: bool
) -> Iterator[Finding]:
    """How long readers block, against this URL's socket timeout; and how many share a name."""
    name, failures, limit_s = "blocked readers", ("F45",), ask.socket_timeout_s
    wait = f"a client of this URL waits {limit_s:g} s for a reply" if limit_s else ""
    wait = wait or "a client of this URL waits for ever"
    rule = ": BLOCK must be shorter" if limit_s else ": a half-open connection is never noticed"
    try:
        blocked = _blocked_readers(ask)
    except NotPermittedError as exc:
        fact = f"{wait}{rule}; who is blocked is unknown, {exc} is not permitted"
        yield Finding(name, Status.UNKNOWN, fact, None, failures)
        return
    longest_s = max((int(reader["idle"]) for reader in blocked), default=0)
    fact = f"{len(blocked)} blocked, the longest for {longest_s} s; {wait}"
    if limit_s and longest_s >= limit_s:
        fact += ": with such a BLOCK it would time out and ask again, silently"
        fix = next((shell.worker(s.key, g.name) for s in streams for g in s.groups), None)
        yield Finding(name, Status.WARNING, fact, fix, failures)
    else:
        yield Finding(name, Status.OK, fact + rule, None, failures)
    if all_seen and ask.version >= _CONSUMERS_AT_ONCE:
        yield from _shared_names(blocked, streams, shell)


def _blocked_readers(ask: Asker) -> list[dict[str, str]]:
    rows = [
        dict(part.split("=", 1) for part in line.split() if "=" in part)
        for line in ask("CLIENT", "LIST").splitlines()
    ]
    return [
        row
        for row in rows
        if "b" in row["flags"]
        and row["cmd"] in {"xread", "xreadgroup"}
        and row["db"] == str(ask.database)
    ]


def _shared_names(
    blocked: Sequence[dict[str, str]], streams: Sequence[Stream], shell: Shell
) -> Iterator[Finding]:
    """More readers than consumers: at least two have one name (the server tells no names)."""
    readers = sum(row["cmd"] == "xreadgroup" for row in blocked)
    groups = [(stream.key, group) for stream in streams for group in stream.groups]
    consumers = sum(group.consumer_count for _, group in groups)
    if readers <= consumers or not groups:
        return
    fact = f"{readers} connections wait in XREADGROUP and there are {consumers} consumers: some "
    fact += "share a name, and repeat each other's running work when they recover"
    fix = shell.worker(groups[0][0], groups[0][1].name)  # it has a name of its own
    yield Finding("consumer names", Status.WARNING, fact, fix, ("F23",))
