"""An instrument that cannot do what it is named for is refused by key, value and rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import parse
from gateway.duties import DutyRefused, check_duties
from gateway.maps import map_text, read_maps

ROOT = Path(__file__).parents[2]

PLC = """
[[instrument]]
name = "plc"
driver = "modbus-map"
map = "lane-plc"
port = "tcp://127.0.0.1:1"
"""
GATEWAY = """
[gateway]
id = "bay-1"
"""


def check(text: str) -> None:
    """Check a configuration of one lane PLC."""
    config = parse((GATEWAY + text + PLC).encode(), "gateway.toml")
    check_duties(config, read_maps(config.instrument, ROOT))


def test_the_bits_of_the_shipped_lane_are_taken() -> None:
    """As the page on scans shows them."""
    assert map_text("lane-plc", ROOT)
    check("[scan]\ntrigger = 'plc'\nplc = 'plc'\nwanted = ['estop_circuit']")
    check("[scan]\npresent = 'whatever'")


@pytest.mark.parametrize(("text", "told"), [
    ("[scan]\ntrigger = 'plc'\nplc = 'plc'\npresent = 'objekt'", r"scan.present = 'objekt': .*object_present"),
    ("[scan]\ntrigger = 'plc'\nplc = 'plc'\nwanted = ['estop']", "scan.wanted = 'estop': "),
    ("[scan]\ntrigger = 'plc'\nplc = 'plc'\nbarred = ['gate']", "scan.barred = 'gate': "),
    ("[clock]\nreference = 'plc'", "clock.reference = 'plc': must have the driver csac, not modbus-map"),
])
def test_a_bit_or_a_clock_that_there_is_none_of_is_refused(text: str, told: str) -> None:
    """A misspelt bit would let every object pass unscanned, and nothing would say so."""
    with pytest.raises(DutyRefused, match=told):
        check(text)
