"""Fifty violations put into real runs: each is found, with its own reason; twenty clean runs pass.

The runs are real ones that were recorded once for the module; a violation is put into what was
recorded, as it would have been recorded.
"""

from dataclasses import replace

import numpy as np
import pytest
from loads import MS, changed, judged, open_loop

from streamlab.load.rig import Rig
from streamlab.load.settings import Load

RATE, SECONDS = 600.0, 2.0
#: What is wrong, and words that the reason must have.
REASONS = {
    "lost task": "lost",
    "duplicated ack": "acknowledged more often than done",
    "unsteady rate": "instead of 600",
    "saturated generator": "the generator is the bottleneck",
    "too few samples": "too few samples",
    "clock step": "a clock was set during the run",
    "clocks apart": "clocks disagree",
}
KINDS = list(REASONS)


@pytest.fixture(scope="module")
def clean(newest):
    """Real runs, in which nothing is wrong."""
    with newest.client() as client:
        rig = Rig(newest, client, "violations")
        return [clean_run(rig, consumers) for consumers in (1, 2)]


def clean_run(rig, consumers):
    """A run without a reason: on a machine that others use, the first is not always one."""
    reasons = []
    while len(reasons) < 8:
        seen = rig.open_loop(Load(consumers=consumers, work_ms=0), RATE, SECONDS)
        reasons.append(judged(seen, rate=RATE).reason)
        if not reasons[-1]:
            return seen
    pytest.fail(f"no clean run on this machine: {reasons}")


def injected(kind, seen, source):
    """`seen` with one violation of that kind, its place and size drawn from `source`."""
    hit = source.integers(seen.measured_from, seen.tasks, size=source.integers(1, 20))
    return INJECT[kind](seen, source, hit)


def lost_task(seen, _source, hit):
    effects, acks = (
        one[np.isin(one["number"], hit, invert=True)] for one in (seen.effects, seen.acks)
    )
    return changed(seen, effects=effects, acks=acks)


def duplicated_ack(seen, _source, hit):
    twice = seen.acks[np.isin(seen.acks["number"], hit)].copy()
    twice["acked_ns"] += MS
    return changed(seen, acks=np.concatenate([seen.acks, twice]))


def unsteady_rate(seen, source, _hit):
    return stretched(seen, 1 + source.uniform(0.015, 0.3) * source.choice([-1, 1]))


def saturated_generator(seen, source, _hit):
    if source.random() < 0.5:
        return with_life(seen, "producer", cpu_share=source.uniform(0.82, 1.0))
    by_ms = (
        source.uniform(3, 50) + 3 * judged(seen, rate=RATE).p99_us / 1000
    )  # half of a p99 counts
    return late(seen, share=source.uniform(0.02, 0.5), by_ns=int(by_ms * MS))


def too_few_samples(seen, source, _hit):
    return changed(seen, measured_from=seen.tasks - int(source.integers(20, 990)))


def clock_step(seen, source, _hit):
    step_ms = source.uniform(6, 500) * source.choice([-1, 1])
    name = source.choice(sorted(seen.lives))
    return with_life(seen, name, clock_step_ns=int(step_ms * MS))


def clocks_apart(seen, source, _hit):
    """A consumer whose clock is behind the producer's."""
    effects = seen.effects.copy()
    behind_ns = int(source.uniform(5, 500) * MS)
    for moment in ("received_ns", "started_ns", "done_ns"):
        effects[moment] -= behind_ns
    return changed(seen, effects=effects)


INJECT = {
    "lost task": lost_task,
    "duplicated ack": duplicated_ack,
    "unsteady rate": unsteady_rate,
    "saturated generator": saturated_generator,
    "too few samples": too_few_samples,
    "clock step": clock_step,
    "clocks apart": clocks_apart,
}


def with_life(seen, name, **what):
    return changed(seen, lives=seen.lives | {name: replace(seen.lives[name], **what)})


def stretched(seen, factor):
    """Sent and done at another pace than the schedule's."""
    t0 = int(seen.due_ns[0])

    def moved(records):
        new = records.copy()
        for name in records.dtype.names[1:]:
            new[name] = t0 + (records[name] - t0) * factor
        return new

    return changed(
        seen, sends=moved(seen.sends), effects=moved(seen.effects), acks=moved(seen.acks)
    )


def late(seen, share, by_ns):
    """The producer sleeps over a share of its tasks, with nothing of the server's to wait for."""
    numbers = seen.sends["number"]
    hit = numbers[numbers % max(2, round(1 / share)) == 0]

    def moved(records):
        new = records.copy()
        for name in records.dtype.names[1:]:
            new[name] += np.where(np.isin(records["number"], hit), by_ns, 0)
        return new

    return changed(
        seen, sends=moved(seen.sends), effects=moved(seen.effects), acks=moved(seen.acks)
    )


@pytest.mark.parametrize("number", range(50))
def test_an_injected_violation_makes_the_run_invalid_with_its_own_reason(clean, number):
    kind, source = KINDS[number % len(KINDS)], np.random.default_rng(number)
    run = judged(injected(kind, clean[number % 2], source), rate=RATE)
    assert not run.valid
    assert REASONS[kind] in run.reason


@pytest.mark.parametrize("number", range(20))
def test_a_clean_run_of_any_shape_has_no_reason(number):
    """What the gates must let pass: any latency below saturation, any jitter, any schedule."""
    source = np.random.default_rng(number)
    rate = float(source.uniform(550, 3000))
    longest = source.uniform(0.5, 30)
    run = judged(
        open_loop(
            lambda _: int(source.uniform(0.2, longest) * MS),
            rate=rate,
            seconds=SECONDS,
            behind_ns=int(source.uniform(0, 150_000)),
            handler_ns=int(source.uniform(0, 0.2) * MS),
        ),
        rate=rate,
    )
    assert run.reason == ""
