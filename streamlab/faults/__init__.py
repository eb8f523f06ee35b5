"""What breaks: consumers as processes to kill, and a proxy that breaks the n-th command.

The names below are imported when first used; others come from their modules.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlab.faults.armed import ArmedRule, Firing
    from streamlab.faults.process import ConsumerProcess
    from streamlab.faults.proxy import Proxy
    from streamlab.faults.rules import Action, Rule

_HOME = {
    "Action": "rules",
    "ArmedRule": "armed",
    "ConsumerProcess": "process",
    "Firing": "armed",
    "Proxy": "proxy",
    "Rule": "rules",
}

__all__ = ["Action", "ArmedRule", "ConsumerProcess", "Firing", "Proxy", "Rule"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module 'streamlab.faults' has no attribute {name!r}: it has {', '.join(__all__)}"
        raise AttributeError(msg)
    return getattr(import_module(f"streamlab.faults.{_HOME[name]}"), name)
