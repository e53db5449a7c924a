"""The captures of the instruments that are asked can be made again and replayed, late answers and all."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from drivers.capture import parse_capture
from drivers.driver import DriverOptions
from drivers.replay import replay_stream
from drivers.table import DRIVERS
from hil.captures import shipped_captures
from tests.captures.make_asked import MADE, capture
from tests.drivers.conversation import faults, samples

if TYPE_CHECKING:
    from drivers.capture import Capture
    from drivers.driver import StreamDriver
    from drivers.sample import Event

SHIPPED = {file.name.removesuffix(".capture"): parse_capture(file.read_text()) for file in shipped_captures()}
HOUR = 3_600_000_000_000


def replayed(recording: Capture) -> list[Event]:
    """Return what a fresh driver makes of a recording, begun at some other time than it was recorded."""
    driver = cast("StreamDriver", DRIVERS[recording.header.instrument].make(DriverOptions()))
    return [event for _, events in replay_stream(driver, recording.chunks, HOUR) for event in events]


@pytest.mark.parametrize("name", MADE)
def test_a_shipped_capture_is_what_emulator_and_driver_say_today(name: str) -> None:
    """The questions, byte for byte, and as many answers; a change of either makes new captures a decision."""
    made = capture(*MADE[name])
    questions = [chunk.data for chunk in made.chunks if not chunk.from_device]
    assert questions == [chunk.data for chunk in SHIPPED[name].chunks if not chunk.from_device]
    assert len(made.chunks) == len(SHIPPED[name].chunks)


@pytest.mark.parametrize("name", MADE)
def test_a_recording_gives_its_samples_again_whenever_it_is_replayed(name: str) -> None:
    """One for each poll that was answered, and no complaint that the recording does not hold."""
    events = replayed(SHIPPED[name])
    _, _, seconds = MADE[name]
    assert len(samples(events)) >= seconds - 2
    assert set(faults(events)) <= {"refused"}
