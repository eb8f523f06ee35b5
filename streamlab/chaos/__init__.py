"""Faults in earnest: a queue under a nemesis, its history, and the verdict on it."""

from streamlab.chaos.run import ChaosResult, run_chaos
from streamlab.chaos.settings import HARMLESS, OURS, ChaosSettings
from streamlab.faults.nemesis import FaultKind

__all__ = ["HARMLESS", "OURS", "ChaosResult", "ChaosSettings", "FaultKind", "run_chaos"]
