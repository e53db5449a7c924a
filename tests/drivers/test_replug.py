"""A device that comes back, at once or after ten seconds, under its link or behind its server, is read within 2 s."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import time
import tty
from typing import TYPE_CHECKING

import numpy as np
import serial

from drivers.address import SerialAddress, TcpAddress, parse_port
from drivers.driver import DriverOptions, LineSettings
from drivers.eurotherm import Eurotherm as OvenDriver
from drivers.port import run_stream
from drivers.twinleaf import TwinleafDriver
from hil.instruments.eurotherm import Eurotherm
from hil.instruments.twinleaf import TwinleafDevice, steady_field
from hil.link import point
from hil.modbus_wire import PtyServer, TcpServer
from hil.wire import PtyEnd, TcpEnd, Wire
from tests.drivers.serial_server import SerialServer
from tests.modbus_bench import LINE, Heard, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

AWAY_S = 10.0
BACK_S_MAX = 2.0


def magnetometer(end: PtyEnd | TcpEnd) -> Wire:
    """Return a magnetometer on its wire, plugged in."""
    device = TwinleafDevice(steady_field(np.random.default_rng(4)), bare=isinstance(end, TcpEnd))
    wire = Wire(device, end, time.monotonic_ns, 11_520)
    wire.replug()
    return wire


@contextlib.asynccontextmanager
async def reading(port: str) -> AsyncIterator[Heard]:
    """Run a port for a magnetometer."""
    heard = Heard()
    driver = TwinleafDriver(DriverOptions(packets=port.startswith("tcp")))
    task = asyncio.create_task(run_stream(
        parse_port(port), LineSettings(115_200), driver, heard.take, time.monotonic_ns, lambda: None))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait({task})


@contextlib.contextmanager
def dead_pty() -> Iterator[str]:
    """Give a pty whose other side stays open and says nothing, as a hung adapter that nobody hangs up."""
    ends = pty.openpty()
    tty.setraw(ends[1])
    try:
        yield os.ttyname(ends[1])
    finally:
        for end in ends:
            os.close(end)


async def test_a_link_that_leads_elsewhere_is_followed_although_the_old_line_stays_open(tmp_path: Path) -> None:
    """A re-enumerated adapter under a new ttyUSB number is found by its link, streams and Modbus RTU alike."""
    link, bus_link = tmp_path / "by-id", tmp_path / "bus"
    oven = PtyServer({1: Eurotherm(0)}, lambda: 0, tmp_path / "oven")
    await oven.start()
    wire = magnetometer(PtyEnd(tmp_path / "tio"))
    moving = asyncio.create_task(wire.run())
    bus = Heard()
    with dead_pty() as dead, dead_pty() as dead_bus:
        point(link, dead)
        point(bus_link, dead_bus)
        async with reading(str(link)) as heard, running(SerialAddress(str(bus_link)), (1, OvenDriver(0.1), bus)):
            await asyncio.sleep(0.7)
            point(link, os.readlink(tmp_path / "tio"))          # noqa: PTH115  the text, not a path
            point(bus_link, os.readlink(tmp_path / "oven"))     # noqa: PTH115  the same
            found_s = await until(lambda: heard.samples, BACK_S_MAX)
            bus_s = await until(lambda: bus.samples, BACK_S_MAX - found_s)
        with serial.Serial(dead, exclusive=True), serial.Serial(dead_bus, exclusive=True):
            pass    # the old lines were let go
    moving.cancel()
    await asyncio.wait({moving})
    await oven.stop()
    for faults in (heard.faults, bus.faults):
        lost = next(fault for fault in faults if fault.kind == "port lost")
        assert "leads to another device now" in lost.detail
    assert found_s + bus_s < BACK_S_MAX


async def test_a_modbus_bus_whose_adapter_is_pulled_and_comes_back_as_another_is_read_again(tmp_path: Path) -> None:
    """Pulled: said once. Back, as another pty under the same link: read within two seconds."""
    server = PtyServer({1: Eurotherm(0)}, lambda: 0, tmp_path / "oven")
    await server.start()
    heard = Heard()
    async with running(SerialAddress(str(server.link)), (1, OvenDriver(0.1), heard)):
        await until(lambda: heard.samples, 2.0)
        before = os.readlink(server.link)       # noqa: PTH115  the text, not a path
        await server.stop()
        await until(lambda: heard.told("port missing"), 2.0)
        count = len(heard.samples)
        with dead_pty():                        # takes the old number, as another adapter would
            await server.start()
            back_s = await until(lambda: len(heard.samples) > count, BACK_S_MAX)
            after = os.readlink(server.link)    # noqa: PTH115  the text, not a path
    await server.stop()
    assert before != after
    assert back_s < BACK_S_MAX
    assert (len(heard.told("port lost")), len(heard.told("port missing")), len(heard.told("port back"))) == (1, 1, 1)


async def test_after_ten_seconds_away_every_kind_of_port_is_back_within_two(tmp_path: Path) -> None:
    """The waits between attempts have a ceiling: serial and TCP, streams and Modbus, and a serial server."""
    wires = [magnetometer(PtyEnd(tmp_path / "tio")), magnetometer(TcpEnd())]
    tcp_end = wires[1]._end
    assert isinstance(tcp_end, TcpEnd)
    turning = [asyncio.create_task(wire.run()) for wire in wires]
    bus, net = PtyServer({1: Eurotherm(0)}, lambda: 0, tmp_path / "bus"), TcpServer({1: Eurotherm(0)}, lambda: 0)
    behind = PtyServer({1: Eurotherm(0)}, lambda: 0, tmp_path / "behind")
    for server in (bus, net, behind):
        await server.start()
    first = SerialServer(behind.link, "rfc2217")
    first.start()
    ovens = [Heard(), Heard(), Heard()]
    async with (reading(str(tmp_path / "tio")) as line, reading(f"tcp://127.0.0.1:{tcp_end.port}") as tcp,
                running(SerialAddress(str(bus.link)), (1, OvenDriver(0.1), ovens[0])),
                running(TcpAddress("127.0.0.1", net.port), (1, OvenDriver(0.1), ovens[1])),
                running(parse_port(first.address), (1, OvenDriver(0.1), ovens[2]), line=LINE)):
        everybody = (line, tcp, *ovens)
        await until(lambda: all(heard.samples for heard in everybody), 3.0)
        for wire in wires:
            wire.unplug()
        await bus.stop()
        await net.stop()
        await asyncio.to_thread(first.stop)
        await asyncio.sleep(AWAY_S)
        counts = [len(heard.samples) for heard in everybody]
        for wire in wires:
            wire.replug()
        await bus.start()
        await net.start()
        second = SerialServer(behind.link, "rfc2217", first.port)
        second.start()
        back_s = await until(
            lambda: all(len(heard.samples) > count for heard, count in zip(everybody, counts, strict=True)), BACK_S_MAX)
    await asyncio.to_thread(second.stop)
    for server in (bus, net, behind):
        await server.stop()
    for task in turning:
        task.cancel()
    await asyncio.wait(turning)
    assert back_s < BACK_S_MAX
    assert all(len(heard.told("port back")) == 1 for heard in everybody)


async def test_a_second_gateway_on_a_bus_is_told_that_it_is_busy_and_what_to_do(tmp_path: Path) -> None:
    """Two masters on one bus would take each other's answers: the second gets a fault, the first notices nothing."""
    server = PtyServer({1: Eurotherm(0)}, lambda: 0, tmp_path / "oven")
    await server.start()
    first, second = Heard(), Heard()
    where = SerialAddress(str(server.link))
    async with running(where, (1, OvenDriver(0.1), first)):
        await until(lambda: first.samples, 2.0)
        async with running(where, (1, OvenDriver(0.1), second)):
            await asyncio.sleep(1.0)
        count = len(first.samples)
        await until(lambda: len(first.samples) > count + 5, 2.0)
    await server.stop()
    assert not second.samples
    assert len(second.told("port busy")) == 1
    assert "fuser -v names it" in second.told("port busy")[0]
    assert not first.faults
