"""A tap passes on what it hears, and a port sees the same driver through it."""

from __future__ import annotations

import inspect

from drivers.driver import DriverOptions, WantsQuiet
from drivers.eurotherm import Eurotherm
from drivers.map_shipped import shipped_text
from drivers.table import DRIVERS
from drivers.tap import RegisterTap


def test_the_silence_that_a_map_wants_is_kept_in_a_recording_too() -> None:
    """Newer Pythons look for it in the class, not by asking: so it stands there."""
    mapped = DRIVERS["modbus-map"].make(DriverOptions(map_text=shipped_text("eurotherm-3200") or ""))
    tap = RegisterTap(mapped, 1, lambda _chunk: None)  # type: ignore[arg-type]  # a register driver
    assert inspect.getattr_static(tap, "quiet_s", None) is not None
    assert isinstance(tap, WantsQuiet)
    assert tap.quiet_s == 0.005
    assert RegisterTap(Eurotherm(1.0), 1, lambda _chunk: None).quiet_s == 0.0
