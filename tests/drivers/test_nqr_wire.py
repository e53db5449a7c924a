"""Whole scans of the emulated NQR head through the Modbus port: TCP sockets and RTU on a pty, broken on the way."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.address import SerialAddress, TcpAddress
from drivers.eurotherm import Eurotherm as OvenDriver
from drivers.nqr_head import NqrHead
from hil.instruments import nqr_head as emulated
from hil.instruments.eurotherm import Eurotherm
from hil.modbus_wire import PtyServer, TcpServer, Trouble
from tests.modbus_bench import Heard, plans, running, scene, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BANDS = 14
DATA = range(0x8000, 0x10000)

# The wanted figure on the project's reference machine is below 5 s; a busy one may take longer.
SCAN_S_MAX = 15.0


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    """Compute scenes off the loop, as the emulator is meant to."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def head_of(worker: ThreadPoolExecutor, *, ahead: bool = True) -> emulated.NqrHead:
    """Return a head with the made-up scene."""
    return emulated.NqrHead(scene, worker.submit, seed=3, ahead=ahead)


async def test_a_scan_of_14_bands_comes_over_tcp_within_seconds(worker: ThreadPoolExecutor) -> None:
    """Some 3700 block reads, every band whole, in the order of the plans."""
    server = TcpServer({1: head_of(worker)}, time.monotonic_ns)
    await server.start()
    driver, heard = NqrHead(), Heard()
    async with running(TcpAddress("127.0.0.1", server.port), (1, driver, heard)) as beats:
        await until(lambda: heard.samples, 2.0)
        driver.begin(plans(BANDS), 300.0)
        await until(lambda: heard.scans, SCAN_S_MAX)
    await server.stop()
    (scan,) = heard.scans
    assert len(scan.bands) == BANDS
    gains = emulated.channel_gains(3)
    for capture, band in zip(scan.bands, scene(plans(BANDS), scan.scan_id).bands, strict=True):
        assert np.allclose(capture.counts[1:], (band.field_ft * gains[:, None, None])[1:], atol=1.0)
    assert not heard.faults
    assert max(np.diff(beats)) < 0.5


async def test_a_scan_over_rtu_survives_broken_answers_and_shares_its_bus(
    worker: ThreadPoolExecutor, tmp_path: Path,
) -> None:
    """A flipped bit, a broken frame and a short answer: the scan comes, and the oven beside it keeps speaking."""
    server = PtyServer({1: head_of(worker), 2: Eurotherm(0)}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    driver, heard, oven = NqrHead(), Heard(), Heard()
    async with running(SerialAddress(str(server.link)), (1, driver, heard), (2, OvenDriver(0.5), oven)):
        await until(lambda: heard.samples, 2.0)
        server.order(Trouble("flip", addresses=DATA))
        server.order(Trouble("wrong_crc", addresses=DATA))
        server.order(Trouble("short", addresses=DATA))
        driver.begin(plans(2), 300.0)
        await until(lambda: heard.scans, 20.0)
    await server.stop()
    (scan,) = heard.scans
    assert scan.flags == ("band 0 read again",)
    assert heard.told("bad page") == ["scan 1, band 0: checksum wrong, attempt 1"]
    gains = emulated.channel_gains(3)
    for capture, band in zip(scan.bands, scene(plans(2), 1).bands, strict=True):
        assert np.allclose(capture.counts[1:], (band.field_ft * gains[:, None, None])[1:], atol=1.0)
    assert len(oven.samples) >= 4
    assert not oven.faults


async def test_a_scan_comes_over_a_serial_line_as_slow_as_a_real_one(
    worker: ThreadPoolExecutor, tmp_path: Path,
) -> None:
    """At 115200 baud a band of 32768 registers takes its bytes' time, and loses none of them on the way.

    One band here; a whole scan of 14 is 14 times that.
    """
    server = PtyServer({1: head_of(worker)}, time.monotonic_ns, tmp_path / "head", baud=115_200)
    await server.start()
    driver, heard = NqrHead(), Heard()
    async with running(SerialAddress(str(server.link)), (1, driver, heard)) as beats:
        await until(lambda: heard.samples, 2.0)
        driver.begin(plans(1), 300.0)
        took_s = await until(lambda: heard.scans, 40.0)
    await server.stop()
    octets = sum(len(frame.request) + len(frame.answer or b"") for frame in server.frames)
    print(f"one band of a scan over RTU at 115200 baud: {took_s:.1f} s, {octets} octets")  # noqa: T201  a figure to read with -s
    assert octets > 2 * 32_768
    assert took_s > octets / 11_520 * 0.98
    gains = emulated.channel_gains(3)
    (band,) = scene(plans(1), heard.scans[0].scan_id).bands
    assert np.allclose(heard.scans[0].bands[0].counts[1:], (band.field_ft * gains[:, None, None])[1:], atol=1.0)
    assert not heard.faults
    assert max(np.diff(beats)) < 0.5


@pytest.mark.parametrize("how", ["restart", "unplug"])
async def test_a_head_that_goes_in_the_middle_of_a_scan_is_never_silently_missing(
    how: str, worker: ThreadPoolExecutor, tmp_path: Path,
) -> None:
    """A restart fails the scan in a fault; a cable that is out for a second does not even do that."""
    head = head_of(worker)
    server = PtyServer({1: head}, time.monotonic_ns, tmp_path / "head")
    await server.start()
    driver, heard = NqrHead(), Heard()
    async with running(SerialAddress(str(server.link)), (1, driver, heard)):
        await until(lambda: heard.samples, 2.0)
        driver.begin(plans(2), 300.0)
        await until(lambda: (driver.progress or 0.0) > 0.6, 10.0)
        await server.stop()
        if how == "restart":
            head.reboot()
        await server.start()
        await until(lambda: driver.progress is None, 15.0)
        before = len(heard.samples)
        await until(lambda: len(heard.samples) > before, 3.0)
    await server.stop()
    assert (len(heard.scans), len(heard.told("scan failed"))) == ((0, 1) if how == "restart" else (1, 0))
    assert len(heard.told("device restarted")) == (1 if how == "restart" else 0)


async def test_a_refused_schedule_is_told_over_the_wire(worker: ThreadPoolExecutor) -> None:
    """The head's reason arrives in words, and nothing is left running."""
    server = TcpServer({1: head_of(worker)}, time.monotonic_ns)
    await server.start()
    driver, heard = NqrHead(), Heard()
    async with running(TcpAddress("127.0.0.1", server.port), (1, driver, heard)):
        driver.begin(plans(2), 0.5)
        await until(lambda: heard.faults, 3.0)
    await server.stop()
    assert heard.told("schedule refused") == [
        "scan 1: the head refused the schedule: trains do not fit into the dwell, dwell"]
