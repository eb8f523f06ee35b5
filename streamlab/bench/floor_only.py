"""The harness beside a bare loop, as an experiment of its own: what a regression check repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlab.bench.experiment import Experiment

if TYPE_CHECKING:
    from streamlab.bench.study import Study


def measure(study: Study) -> None:
    """The floor, in as many rounds as the size has repeats."""
    rounds = study.size.repeats
    study.expect(2 * rounds)
    study.floor(rounds)


FLOOR = Experiment(
    name="floor",
    question="What do the package's queue and worker cost beside redis-py alone?",
    measure=measure,
    charts=(),
    axis="",
    caveats=("One consumer and an empty handler; ratios are of the same round.",),
)
