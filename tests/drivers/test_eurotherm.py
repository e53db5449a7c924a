"""The oven controller's driver against the manual's frame, and against refusals."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.driver import ReadRegisters
from drivers.eurotherm import IDENTITY, Eurotherm
from drivers.sample import Fault, Sample

SECOND = 1_000_000_000

# The manual, page 81: PV 100.5, SP 100.0, manual output 0, output 23.4 %, working SP 100.0.
GOLDEN = (0x03ED, 0x03E8, 0x0000, 0x00EA, 0x03E8)


def test_the_golden_answer_is_decoded_to_the_manuals_values() -> None:
    """One merged read is one row of four values in the device's units."""
    driver = Eurotherm()
    assert driver.ask(0) == ReadRegisters(1, 5, 3)
    (sample,) = driver.answer(GOLDEN, 5)
    assert isinstance(sample, Sample)
    assert np.allclose(sample.values, [[100.5, 100.0, 23.4, 100.0]])
    assert [channel.unit for channel in sample.channels] == ["degC", "degC", "%", "degC"]
    assert (sample.device, sample.seen_at, sample.rate_hz) == (IDENTITY, 5, None)
    assert sample.raw.hex() == "03ed03e8000000ea03e8"


def test_a_temperature_below_zero_is_negative() -> None:
    """Registers are signed."""
    driver = Eurotherm()
    driver.ask(0)
    (sample,) = driver.answer((0xFF9C, 0, 0, 0, 0), 0)
    assert isinstance(sample, Sample)
    assert sample.values[0, 0] == pytest.approx(-10.0)


def test_the_decimal_point_follows_the_display() -> None:
    """A controller that shows whole degrees sends whole degrees."""
    driver = Eurotherm(decimals=0)
    driver.ask(0)
    (sample,) = driver.answer((100, 100, 0, 23, 100), 0)
    assert isinstance(sample, Sample)
    assert sample.values[0].tolist() == [100.0, 100.0, 23.0, 100.0]
    with pytest.raises(ValueError, match="decimals = 3: must be"):
        Eurotherm(decimals=3)


def test_polls_keep_their_rhythm_and_are_not_caught_up() -> None:
    """Ten seconds at one poll a second are ten reads, and a long gap costs one."""
    driver = Eurotherm(poll_s=1.0)
    asked = [now for now in range(0, 10 * SECOND, SECOND // 10) if driver.ask(now)]
    assert asked == list(range(0, 10 * SECOND, SECOND))
    late = [now for now in range(60 * SECOND, 61 * SECOND, SECOND // 10) if driver.ask(now)]
    assert len(late) <= 2


def test_a_silent_controller_is_reported_once_and_then_once_a_minute() -> None:
    """A night of silence is some hundred records, not ten thousand, and the first comes at once."""
    driver = Eurotherm()
    faults: list[Fault] = []
    for second in range(130):
        driver.ask(second * SECOND)
        faults += [event for event in driver.refuse("no answer", second * SECOND) if isinstance(event, Fault)]
    assert [fault.seen_at for fault in faults] == [0, 60 * SECOND, 120 * SECOND]
    assert "60 failures" in faults[1].detail
    driver.answer(GOLDEN, 130 * SECOND)
    assert len(driver.refuse("no answer", 131 * SECOND)) == 1


def test_an_answer_of_another_length_is_a_fault() -> None:
    """A short answer is never decoded."""
    driver = Eurotherm()
    driver.ask(0)
    (fault,) = driver.answer(GOLDEN[:4], 0)
    assert isinstance(fault, Fault)
    assert "4 registers instead of 5" in fault.detail
