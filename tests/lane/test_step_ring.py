"""The ring of steps: what a list would hold, in memory that is taken once."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from calibration.reading import Reading, Trust
from drivers.sample import Channel, Identity
from gateway.lane.anomaly import PassDetector
from gateway.lane.step_ring import StepRing


def test_it_holds_what_a_bounded_list_would_hold_after_any_adding_and_dropping() -> None:
    """A thousand random additions and removals leave the same steps and numbers, always in one piece."""
    rng, ring, plain = np.random.default_rng(4), StepRing(7, 2), deque[tuple[int, np.ndarray]](maxlen=7)
    for number in range(1000):
        if plain and rng.random() < 0.4:
            dropped, step = ring.drop_oldest()
            expected = plain.popleft()
            assert (dropped, step.tolist()) == (expected[0], expected[1].tolist())
        else:
            new = rng.standard_normal(2)
            ring.add(number, new)
            plain.append((number, new))
        assert len(ring) == len(plain)
        assert ring.numbers.tolist() == [one for one, _ in plain]
        assert ring.steps.tolist() == [step.tolist() for _, step in plain]


def test_an_empty_ring_has_no_oldest_step() -> None:
    """Dropping from nothing is a mistake of ours and raises."""
    with pytest.raises(LookupError):
        StepRing(3, 1).drop_oldest()


def test_a_stream_takes_its_memory_at_the_start_and_no_more_as_it_learns() -> None:
    """From the first minute to the thirteenth a detector's own arrays do not grow by a byte."""
    rng = np.random.default_rng(5)
    detector = PassDetector()
    held = []
    for number in range(800):
        values = rng.standard_normal((5, 3))
        channels = tuple(Channel(f"x{k}", "field", "nT") for k in range(3))
        detector.feed(Reading(Identity("a", "b", "c", "d"), "field", channels, values, np.full(3, np.nan), 5.0,
                              number * 5, 0, bytes(32), Trust(calibrated=True, certificate_sha256=bytes(32))))
        if number in {60, 799}:
            bank, background = detector.learnt
            arrays = (*bank.bases, background.white, background.prediction, background.root, detector._quiet._steps,
                      detector._quiet._numbers, detector._recent._steps, detector._recent._numbers)
            held.append(sum(one.nbytes for one in arrays))
    assert held[1] == held[0]
    assert held[1] < 700_000
