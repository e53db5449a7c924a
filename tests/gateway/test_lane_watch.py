"""Each stream of a magnetometer is watched for itself."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from calibration.reading import Reading, Trust
from drivers.sample import Channel, Identity
from gateway.lane.anomaly import LaneSettings, PassDetector
from gateway.lane_watch import STREAMS_MAX, LaneWatch

QUIET_READINGS = 40
SETTINGS = LaneSettings(background_s=20.0)
BLANK = Reading(Identity("", "", "", ""), "vector", (Channel("x", "magnetic flux density", "nT"),), np.zeros((8, 1)),
                np.zeros(1), 8.0, 0, 0, bytes(32), Trust(calibrated=False, certificate_sha256=None))


def readings(chance: np.random.Generator, number: int, stream: str = "vector") -> Reading:
    """Return the reading of that number: noise, and an object of 100 nT behind the quiet ones."""
    object_nt = 100.0 * (number >= QUIET_READINGS)
    return replace(BLANK, stream=stream, values=chance.normal(size=(8, 1)) + object_nt, first_row=8 * number)


def told(streams: tuple[str, ...]) -> list[str]:
    """Return the streams that told of the object."""
    chance = np.random.default_rng(5)
    watch = LaneWatch(lambda: PassDetector(SETTINGS), 1.0)
    moments = [watch.take(readings(chance, number, stream), Future())
               for number in range(QUIET_READINGS + 45) for stream in streams]
    return [moment.reading.stream for moment in moments if moment is not None]


def test_a_second_stream_neither_blinds_the_first_nor_doubles_its_alerts() -> None:
    """Interleaved readings of another stream are no gap in the background and no quiet in the passage."""
    assert told(("vector",)) == ["vector"]
    assert sorted(told(("vector", "gradient"))) == ["gradient", "vector"]


def test_a_device_that_goes_on_inventing_streams_fills_no_memory() -> None:
    """The oldest is forgotten, and the newest is watched."""
    watch, chance = LaneWatch(lambda: PassDetector(SETTINGS), 1.0), np.random.default_rng(5)
    for number in range(100):
        watch.take(readings(chance, 0, f"stream {number}"), Future())
    assert len(watch._streams) == STREAMS_MAX
    assert "stream 99" in watch._streams


def test_it_says_that_it_is_still_learning() -> None:
    """A lane that would notice nothing yet must not look like a quiet one."""
    watch, chance = LaneWatch(lambda: PassDetector(SETTINGS), 1.0), np.random.default_rng(5)
    watch.take(readings(chance, 0), Future())
    assert list(watch.learning) == ["vector"]
    for number in range(1, QUIET_READINGS):
        watch.take(readings(chance, number), Future())
    assert not watch.learning
    watch.take(readings(chance, 10 * QUIET_READINGS), Future())
    assert list(watch.learning) == ["vector"], "a gap: it learns again"
