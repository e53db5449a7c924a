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
HEAD = """
[[instrument]]
name = "head"
driver = "nqr-head"
port = "tcp://127.0.0.1:2"
"""
GATEWAY = """
[gateway]
id = "bay-1"
"""


def check(text: str, others: str = HEAD) -> None:
    """Check a configuration of one lane PLC and, where nothing else is said, a head."""
    config = parse((GATEWAY + text + PLC + others).encode(), "gateway.toml")
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
    ("[scan]\ntrigger = 'plc'\nplc = 'head'", "scan.plc = 'head': must be read by a register map"),
    ("[clock]\nreference = 'plc'", "clock.reference = 'plc': must have the driver csac, not modbus-map"),
])
def test_a_bit_or_a_clock_that_there_is_none_of_is_refused(text: str, told: str) -> None:
    """A misspelt bit would let every object pass unscanned, and nothing would say so."""
    with pytest.raises(DutyRefused, match=told):
        check(text)


def test_a_lane_without_a_head_is_refused() -> None:
    """There is nothing to scan with, and nothing would say so."""
    with pytest.raises(DutyRefused, match=r"scan.trigger = 'plc': there is nothing to scan with"):
        check("[scan]\ntrigger = 'plc'\nplc = 'plc'", others="")
