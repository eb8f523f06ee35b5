"""The order in which a study's runs are made, and how far it has come."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    T = TypeVar("T")
    Progress = Callable[[str, float], None]


class Course:
    """What comes when.

    Parameters
    ----------
    repeats
        How often each case is run.
    seed
        Of the order.
    progress
        Told before each run what comes, and which share of all is over, in [0, 1].
    """

    def __init__(self, repeats: int, seed: int, progress: Progress) -> None:
        self._repeats, self._progress = repeats, progress
        self._random = random.Random(seed)
        self._steps, self._step = 1, 0

    def expect(self, steps: int) -> None:
        """So many ticks are to come: what the progress bar counts."""
        self._steps = max(1, steps)

    def tick(self, text: str) -> None:
        """Tell what comes."""
        self._progress(text, min(1.0, self._step / self._steps))
        self._step += 1

    def repeats(self) -> Iterator[int]:
        """1, 2, … up to the size's number."""
        yield from range(1, self._repeats + 1)

    def shuffled(self, cases: Sequence[T]) -> Iterator[tuple[int, T]]:
        """(repeat, case): a random order in each repeat, so that drift hits all alike."""
        for repeat in self.repeats():
            for case in self._random.sample(list(cases), len(cases)):
                yield repeat, case
