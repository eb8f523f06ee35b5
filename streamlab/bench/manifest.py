"""What must stand beside a figure: the machine, the versions, the settings, the date."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

import streamlab
from streamlab.queue import TaskQueue
from streamlab.server import RedisServer
from streamlab.worker import Worker

if TYPE_CHECKING:
    from streamlab.bench.experiment import Experiment
    from streamlab.load.rig import Rig

Facts = dict[str, Any]


def manifest(rig: Rig, experiment: Experiment, settings: Facts) -> Facts:
    """What is known before the first run. No password, no host name, no path of this machine."""
    return {
        "experiment": experiment.name,
        "question": experiment.question,
        "charts": list(experiment.charts),
        "axis": experiment.axis,
        "caveats": list(experiment.caveats),
        "settings": settings,
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "git_revision": git_revision(Path(streamlab.__file__).parents[1]),
        "machine": _machine(),
        "versions": {
            "redis": rig.server.version,
            "redis-py": redis.__version__,
            "hiredis": _version_of("hiredis"),
            "python": platform.python_version(),
            "streamlab": streamlab.__version__,
        },
        "server": _server(rig),
    }


def _machine() -> Facts:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(affinity(0)) if affinity else None,
    }


def _processor() -> str | None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or None
    names = (
        line.partition(":")[2].strip()
        for line in cpuinfo.read_text().splitlines()
        if line.startswith("model name")
    )
    return next(names, None)


def _version_of(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _server(rig: Rig) -> Facts:
    private = isinstance(rig.server, RedisServer)
    owner = "private, unix socket" if private else "the reader's own (STREAMLAB_REDIS_URL)"
    return {
        "owner": owner,
        "persistence": _persistence(rig.client),
        "worker_block_ms": _block_ms(rig),
    }


def _persistence(client: redis.Redis) -> Facts | str:
    try:
        answers = [client.config_get(name) for name in ("appendonly", "appendfsync", "save")]
    except redis.ResponseError as exc:
        return f"unknown: CONFIG GET was refused ({str(exc).split()[0]})"
    return {str(name): value for answer in answers for name, value in answer.items()}


def _block_ms(rig: Rig) -> int:
    # Asked of a worker that never runs: how it derives BLOCK is its own affair.
    return Worker(TaskQueue(rig.client, rig.stream), print).settings.block_ms


def git_revision(checkout: Path) -> str | None:
    """The commit that is checked out, with ``+changes`` if files differ; None outside of git."""
    if not (checkout / ".git").exists():
        return None  # installed: a repository further up would be somebody else's
    try:
        revision = _git(checkout, "rev-parse", "HEAD")
        return revision + ("+changes" if _git(checkout, "status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None  # no git, or no commit yet: as unknown as outside of a repository


def _git(checkout: Path, *args: str) -> str:
    words = ["git", "-C", str(checkout), *args]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
