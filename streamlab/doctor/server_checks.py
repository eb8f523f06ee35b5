"""What a server's settings and counters mean for a task queue: memory, disk, replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.doctor.diagnosis import Finding, Status
from streamlab.doctor.words import size_text
from streamlab.server.capabilities import CAPABILITIES, MINIMUM_VERSION, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab.doctor.asking import Asker
    from streamlab.doctor.commands import Shell

# Of maxmemory: time enough to act before XADD is refused.
_NEARLY_FULL = 0.9


def check_version(ask: Asker, _: Shell) -> Iterator[Finding]:
    """What this version lacks."""
    name, version = "version", ask.info["redis_version"]
    if ask.version < parse_version(MINIMUM_VERSION):
        fact = f"Redis {version} has no XAUTOCLAIM: upgrade it to >= {MINIMUM_VERSION}"
        yield Finding(name, Status.PROBLEM, fact, None, ("F60",))
        return
    lacks = [f"{c.name} ({c.since})" for c in CAPABILITIES if ask.version < parse_version(c.since)]
    status = Status.INFO if lacks else Status.OK
    fact = (
        f"Redis {version} lacks {', '.join(lacks)}" if lacks else f"Redis {version} lacks nothing"
    )
    yield Finding(name, status, fact)


def check_eviction(ask: Asker, shell: Shell) -> Iterator[Finding]:
    """Whether a full server would throw away the stream."""
    name, failures = "eviction", ("F37", "F48")
    policy, limit = ask.info["maxmemory_policy"], int(ask.info["maxmemory"])
    if not policy.startswith("allkeys-"):
        fact = f"maxmemory-policy {policy} never evicts a key without a time to live"
        yield Finding(name, Status.OK, fact, None, failures)
        return
    fix = _setting(ask, shell, "maxmemory-policy", "noeviction")
    if limit:
        fact = f"maxmemory-policy {policy} may evict a whole stream, groups and all, at maxmemory "
        fact += (
            f"{size_text(limit)} (evicted keys so far: {ask.info.get('evicted_keys', 'unknown')})"
        )
        yield Finding(name, Status.PROBLEM, fact, fix, failures)
    else:
        fact = f"maxmemory-policy {policy} will evict whole streams once a maxmemory is set"
        yield Finding(name, Status.WARNING, fact, fix, failures)


def check_memory(ask: Asker, shell: Shell) -> Iterator[Finding]:
    """Whether XADD is, or soon will be, refused for lack of memory."""
    name, failures = "memory", ("F37",)
    used, limit = int(ask.info["used_memory"]), int(ask.info["maxmemory"])
    if not limit:
        fact = f"{size_text(used)} used, no maxmemory: a stream may grow until the machine is full"
        yield Finding(name, Status.INFO, fact, None, failures)
        return
    fact = f"{size_text(used)} used of maxmemory {size_text(limit)} ({used / limit:.0%})"
    evicts = ask.info["maxmemory_policy"].startswith("allkeys-")
    if evicts or used < _NEARLY_FULL * limit:
        yield Finding(name, Status.OK, fact, None, failures)
        return
    full = used >= limit
    fact += ": XADD answers OOM now" if full else ": XADD will answer OOM when it is full"
    fix = _setting(ask, shell, "maxmemory", str(2 * max(used, limit)))
    yield Finding(name, Status.PROBLEM if full else Status.WARNING, fact, fix, failures)


def check_persistence(ask: Asker, shell: Shell) -> Iterator[Finding]:
    """What a crash would lose."""
    name, failures = "persistence", ("F51",)
    if ask.info["aof_enabled"] == "1":
        fsync = ask.config("appendfsync")
        fact, status = {
            "always": ("synced before each reply", Status.OK),
            "everysec": ("a crash of the machine loses the last second or two", Status.INFO),
            "no": (
                "a crash of the machine loses what the system has not yet written",
                Status.WARNING,
            ),
        }.get(fsync or "", ("unknown, CONFIG GET is not permitted", Status.UNKNOWN))
        fix = _setting(ask, shell, "appendfsync", "everysec") if fsync == "no" else None
        yield Finding(name, status, f"append-only file, appendfsync {fsync}: {fact}", fix, failures)
        return
    save, changes = ask.config("save"), ask.info.get("rdb_changes_since_last_save", "unknown")
    if save is None:
        fact = (
            "no append-only file, snapshots unknown (CONFIG GET is not permitted): a crash loses "
        )
        fact += "what came after the last one, or everything"
    elif save:
        fact = (
            f"snapshots only (save {save}), no append-only file: a crash loses the changes since "
        )
        fact += f"the last one ({changes} now)"
    else:
        fact = "nothing is written to disk (appendonly no, save empty): a restart loses every task"
    fix = _setting(ask, shell, "appendonly", "yes")
    yield Finding(name, Status.PROBLEM, fact, fix, failures)


def check_disk(ask: Asker, shell: Shell) -> Iterator[Finding]:
    """Whether the last writes to disk went well."""
    name, failures = "disk", ("F51",)
    bad = [key for key in _LAST_WRITES if ask.info.get(key, "ok") != "ok"]
    if not bad:
        yield Finding(name, Status.OK, "the last writes to disk went well", None, failures)
    for key in bad:
        word, command = _LAST_WRITES[key]
        refuses = key == "aof_last_write_status" or (
            command == "BGSAVE"
            and ask.config("stop-writes-on-bgsave-error") == "yes"
            and ask.config("save")
        )
        fact = f"the last {word} failed: see the server's log, give it room or rights"
        fact += "; until then XADD answers MISCONF" if refuses else ""
        status = Status.PROBLEM if refuses else Status.WARNING
        yield Finding(name, status, fact, shell.redis(command), failures)


_LAST_WRITES = {
    "aof_last_write_status": ("write to the append-only file", "BGREWRITEAOF"),
    "aof_last_bgrewrite_status": ("rewrite of the append-only file", "BGREWRITEAOF"),
    "rdb_last_bgsave_status": ("snapshot", "BGSAVE"),
}


def check_replication(ask: Asker, shell: Shell) -> Iterator[Finding]:
    """Whether it is a replica; whether its replicas are waited for."""
    name, info = "replication", ask.info
    if info["role"] != "master":
        place = f"{info['master_host']}:{info['master_port']}"
        fact = f"a replica of {place} (link {info.get('master_link_status', 'unknown')}): XADD, "
        fact += "XREADGROUP and XACK answer READONLY here; use its master"
        fix = shell.doctor(info["master_host"], info["master_port"])
        yield Finding(name, Status.PROBLEM, fact, fix, ("F53",))
        return
    failures, told = ("F52",), ask.config("min-replicas-to-write")
    count = int(info["connected_slaves"])
    online = sum("state=online" in info.get(f"slave{n}", "") for n in range(count))
    fact = f"{online} of {count} replicas online, min-replicas-to-write {told or 'unknown'}"
    if told and int(told) > online:
        fix = _setting(ask, shell, "min-replicas-to-write", str(online))
        yield Finding(name, Status.PROBLEM, f"{fact}: XADD answers NOREPLICAS", fix, failures)
    elif not count:
        fact += ": what this machine loses is lost"
        yield Finding(name, Status.INFO, fact, None, failures)
    elif told == "0":
        fact += ": cut off from them it goes on to acknowledge tasks that a failover then loses"
        fix = _setting(ask, shell, "min-replicas-to-write", "1")
        yield Finding(name, Status.WARNING, fact, fix, failures)
    else:
        yield Finding(name, Status.OK if told else Status.UNKNOWN, fact, None, failures)


def _setting(ask: Asker, shell: Shell, name: str, value: str) -> str:
    return shell.setting(name, value, config_file=ask.info.get("config_file"))
