"""What theory says of queues and of scaling: laws that are fitted, waits that are computed, plans.

Pure, and held against oracles: no server, no process, no results folder.
"""

from __future__ import annotations
