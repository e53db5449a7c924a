"""The waits before a reopening grow, and never so far that a device is away for 2 s after its return."""

from __future__ import annotations

import pytest

from drivers.backoff import CEILING_S, reconnect_delay_s
from drivers.port import OPEN_S_MAX


def test_the_waits_grow_up_to_the_ceiling() -> None:
    """Short after the loss, the ceiling from the fourth failure on, for ever."""
    waits = [reconnect_delay_s(failures) for failures in range(6)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 0.8, 0.8]
    assert reconnect_delay_s(10**9) == CEILING_S


def test_a_device_is_tried_within_two_seconds_of_its_return() -> None:
    """At worst one attempt that fails late, then one wait, go by."""
    assert OPEN_S_MAX + CEILING_S < 2.0


def test_a_negative_count_is_our_mistake() -> None:
    """It raises, with value and rule."""
    with pytest.raises(ValueError, match="failures = -1: must be 0 or more"):
        reconnect_delay_s(-1)
