"""What a handler of a load test does: it waits, for a time that is fixed or drawn from a seed."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from streamlab.load.settings import WorkShape

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlab.load.settings import Load


def work_of(load: Load, name: str) -> Callable[[], None]:
    """A function that does one task's work: a sleep, which needs no processor.

    The spread of an exponential work comes from the seed and the consumer's `name`.
    """
    mean_s = load.work_ms / 1000
    if not mean_s:
        return lambda: None
    if load.work_shape is WorkShape.FIXED:
        return lambda: time.sleep(mean_s)
    source = random.Random(f"{load.seed} {name}")
    return lambda: time.sleep(source.expovariate(1 / mean_s))
