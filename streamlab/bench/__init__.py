"""Load tests whose figures can be trusted: capacity and latency against the number of consumers.

Each run is judged by itself before anybody else sees it. Nothing here imports Locust, so that a
notebook may import all of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlab.bench.bench import run_bench
    from streamlab.bench.result import BenchResult
    from streamlab.bench.settings import BenchSettings

_HOME = {"BenchResult": "result", "BenchSettings": "settings", "run_bench": "bench"}

__all__ = ["BenchResult", "BenchSettings", "run_bench"]


def __getattr__(name: str) -> Any:
    # Lazily: each consumer process imports this package too, and needs neither numpy nor pandas.
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}: it has {', '.join(__all__)}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
