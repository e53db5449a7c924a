"""The Modbus part of a search, on real ptys and sockets: what it reads, and how long it is still before."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

from drivers.address import SerialAddress
from drivers.driver import LineSettings
from drivers.map_shipped import shipped_text
from drivers.probe import Candidate, Report
from drivers.probe_line import ProbeLine
from drivers.probe_modbus import UnitSearch
from drivers.table import DRIVERS
from hil.instruments.lane_plc import LanePlc
from hil.modbus_wire import PtyServer

if TYPE_CHECKING:
    from pathlib import Path

SLOW = LineSettings(9600)
GAP_NS = 4_000_000      # 3.5 characters of 11 bits at 9600 baud


async def test_a_search_is_still_before_each_request_as_a_port_is(tmp_path: Path) -> None:
    """A device that takes its time to leave the line would not hear the next question, and seem to be another."""
    plc = PtyServer({1: LanePlc(time.monotonic_ns())}, time.monotonic_ns, tmp_path / "bus")
    await plc.start()
    line = ProbeLine(SerialAddress(str(tmp_path / "bus")))
    lane = Candidate(DRIVERS["modbus-map"], "lane-plc", shipped_text("lane-plc") or "")
    report = Report("bus")
    try:
        await UnitSearch(line, [lane], report, time.monotonic_ns, lambda _step: None).run([1])
    finally:
        line.close()
        await plc.stop()
    assert [found.candidate.map_name for found in report.found] == ["lane-plc"]
    assert len(plc.frames) >= 2
    assert all(after.at - before.at >= GAP_NS for before, after in pairwise(plc.frames))


def test_a_map_that_wants_more_silence_gets_it_on_a_serial_line_alone(tmp_path: Path) -> None:
    """The oven's map says 5 ms, more than the 3.5 characters of its line; over TCP there is no silence to keep."""
    oven = Candidate(DRIVERS["modbus-map"], "eurotherm-3200", shipped_text("eurotherm-3200") or "")
    driver = oven.make(packets=False)
    gap_s = ProbeLine(SerialAddress(str(tmp_path / "bus"))).gap_s(SLOW, driver)  # type: ignore[arg-type]  # registers
    assert gap_s == 0.005
