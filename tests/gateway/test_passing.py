"""One passing object, one alert."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np

from calibration.reading import Reading, Trust
from drivers.sample import Channel, Identity
from gateway.detection.verdict import Anomaly
from gateway.passing import Moment, Passing

READING = Reading(Identity("", "", "", ""), "field", (Channel("x", "", "nT"),), np.zeros((1, 1)), np.zeros(1), 100.0,
                  0, 0, bytes(32), Trust(calibrated=False, certificate_sha256=None))


def moment(energy: float) -> Moment:
    """Return a moment of a passage."""
    return Moment(Anomaly(energy, 10.0, 1e-6, 1e-9, 1.0), READING, Future())


def told(energies: list[float | None], reading_s: float = 0.1) -> list[tuple[int, float]]:
    """Return at which reading, counted from 0, an alert of which energy was told."""
    passing, found = Passing(reading_s), []
    for place, energy in enumerate(energies):
        strongest = passing.take(None if energy is None else moment(energy))
        if strongest is not None:
            found.append((place, strongest.anomaly.energy))
    return found


def test_a_passage_is_told_once_at_its_strongest_when_it_has_faded_by_half() -> None:
    """An officer hears of one trolley once."""
    assert told([None, 20, 60, 100, 80, 49, 30, 20, None, None]) == [(5, 100.0)]


def test_a_short_disturbance_is_told_when_the_field_is_quiet_again() -> None:
    """What ends before it has faded is not forgotten."""
    assert told([None, 20, 25, *[None] * 25]) == [(27, 25.0)]


def test_nobody_waits_longer_than_three_seconds_for_what_stands_in_the_lane() -> None:
    """A lorry that stays is told at the bound, and not again while it stays."""
    assert told([50.0] * 100) == [(29, 50.0)]
    assert told([50.0] * 100, reading_s=10.0) == [(0, 50.0)]


def test_two_passages_are_two_alerts() -> None:
    """What comes after two and a half quiet seconds is another object."""
    quiet = [None] * 25
    assert told([20, 9, *quiet, 30, 10, None]) == [(1, 20.0), (28, 30.0)]
    assert told([20, 9, None, 30, 10, None]) == [(1, 20.0)], "a slow search does not look at every reading"


def test_quiet_says_nothing() -> None:
    """No object, no alert."""
    assert told([None] * 50) == []


def test_an_object_that_is_passing_when_a_line_breaks_is_told_at_once_and_once() -> None:
    """The next reading may never come, and where it does come the object is still the same."""
    passing, held = Passing(0.1), moment(20.0)
    assert passing.hurry() is None
    assert passing.take(held) is None
    assert [passing.hurry(), passing.hurry()] == [held, None]
    assert [passing.take(held), *(passing.take(None) for _ in range(25))] == [None] * 26
    assert [passing.take(held), *(passing.take(None) for _ in range(25))] == [*[None] * 25, held]


def test_an_object_that_follows_closely_is_told_for_itself() -> None:
    """The first is still felt when the second comes; an energy well above the one told of is no fading object."""
    assert told([None, 20, 100, 49, 30, 15, 70, 200, 90, 40]) == [(3, 100.0), (8, 200.0)]
