"""What the configuration says about its instruments is held to what they are, before anything runs."""

from __future__ import annotations

import pytest

from drivers.map_shipped import shipped_text
from gateway.config import parse
from gateway.references import WrongReference, check_references

MAPS = {"lane-plc": shipped_text("lane-plc") or ""}
LANE = """
[[instrument]]
name = "plc"
driver = "modbus-map"
map = "lane-plc"
port = "tcp://127.0.0.1:1"
[[instrument]]
name = "lane"
driver = "twinleaf"
port = "tcp://127.0.0.1:2"
"""
HEAD = """
[[instrument]]
name = "head"
driver = "nqr-head"
port = "tcp://127.0.0.1:3"
"""
CLOCK = """
[[instrument]]
name = "atomic"
driver = "csac"
port = "/dev/serial/by-id/none"
"""


def check(tables: str, instruments: str = LANE + HEAD + CLOCK) -> None:
    """Hold a configuration to its instruments."""
    check_references(parse(f'[gateway]\nid = "bay"\n{tables}{instruments}'.encode(), "gateway.toml"), MAPS)


def test_a_lane_whose_names_lead_somewhere_is_taken() -> None:
    """The clock is one, the PLC has the channels, and there is a head to scan with."""
    check('[clock]\nreference = "atomic"\n[scan]\ntrigger = "plc"\nplc = "plc"\nwanted = ["estop_circuit"]\n')
    check("")


@pytest.mark.parametrize(("scan", "told"), [
    ('plc = "plc"\npresent = "objekt"\n', "scan.present = 'objekt': must be a channel of plc: object_present"),
    ('plc = "plc"\nwanted = ["estop"]\n', "scan.wanted = 'estop': must be a channel of plc"),
    ('plc = "plc"\nbarred = ["object_present", "fire"]\n', "scan.barred = 'fire'"),
    ('plc = "lane"\n', "scan.plc = 'lane': must have the driver modbus-map"),
])
def test_a_contact_that_the_plc_does_not_have_is_refused_with_those_it_has(scan: str, told: str) -> None:
    """Such a lane would never scan, and look like an empty one."""
    with pytest.raises(WrongReference, match=told):
        check(f'[scan]\ntrigger = "plc"\n{scan}')


def test_a_lane_without_a_head_is_refused() -> None:
    """There is nothing to scan with."""
    with pytest.raises(WrongReference, match="no instrument has the driver nqr-head"):
        check('[scan]\ntrigger = "plc"\nplc = "plc"\n', LANE)


def test_a_reference_that_is_no_clock_is_refused() -> None:
    """A magnetometer vouches for no time."""
    with pytest.raises(WrongReference, match=r"clock\.reference = 'lane': must have the driver csac"):
        check('[clock]\nreference = "lane"\n')
