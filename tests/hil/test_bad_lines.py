"""Bad lines for real: faults on ptys and TCP ports, at the line's pace, under the drivers and ports of the gateway."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from drivers.address import SerialAddress, TcpAddress, parse_port
from drivers.driver import DriverOptions, LineSettings
from drivers.modbus_port import run_registers
from drivers.port import run_stream
from drivers.sample import Event, Fault, Sample
from drivers.table import DRIVERS
from hil.emulated import Wish
from hil.faults import FaultRefused, parse_faults
from hil.instruments.eurotherm import Eurotherm
from hil.stand import Manner, standing, standing_bytes, standing_units
from hil.table import EMULATED

if TYPE_CHECKING:
    from pathlib import Path

    from drivers.driver import RegisterDriver

LIVE_S = 2.5
SETTLE_S_MAX = 25.0
SAMPLES = 6


async def well(events: list[Event]) -> None:
    """Wait until the instrument is read again, some times in a row; a busy machine may take long."""
    end = time.monotonic() + SETTLE_S_MAX
    while not all(isinstance(one, Sample) for one in events[-SAMPLES:]) or len(events) < SAMPLES:
        assert time.monotonic() < end, events
        await asyncio.sleep(0.02)


async def polled(place: Path | int, texts: list[str], seconds: float) -> list[Event]:
    """Return what the oven's driver makes of a controller behind a bad line."""
    events: list[Event] = []
    driver: RegisterDriver = DRIVERS["eurotherm-3200"].make(DriverOptions(poll_s=0.1))  # type: ignore[assignment]  # registers
    how = Manner(faults=parse_faults(texts), fault_seed=5)
    devices = {1: Eurotherm(time.monotonic_ns())}
    async with standing_units(devices, 9600, place, time.monotonic_ns, how) as port:
        host, _, number = port.removeprefix("tcp://").rpartition(":")
        address = TcpAddress(host, int(number)) if port.startswith("tcp://") else SerialAddress(port)
        units = [(1, driver, events.append)]
        task = asyncio.create_task(
            run_registers(address, LineSettings(9600), units, time.monotonic_ns, lambda: None))
        await asyncio.sleep(seconds)
        await well(events)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return events


# A fault of the bus, and what the driver or the port must say of it; None: nothing.
ON_A_BUS = (
    ("exception:0.5,code=2,at=1s,for=1s", "exception 2"), ("short:0.5,at=1s,for=1s", "odd answer"),
    ("flip:0.3,at=1s,for=500ms", "no valid answer"), ("drop:0.3,at=1s,for=500ms", "no"),
    ("flip:0.3,way=to,at=1s,for=500ms", "no answer"), ("late:1,at=1s,for=200ms,pause=1s", "no answer"),
    ("unplug:at=1s,for=500ms", "is open again"), ("cut:0.02,pause=5ms", None),
)


async def test_a_controllers_driver_lives_through_faults_of_its_bus(tmp_path: Path) -> None:
    """On ptys, at the pace of the line: good values and nothing else, before and after, and the damage is told."""
    heard = await asyncio.gather(
        *(polled(tmp_path / f"bus{number}", [text], LIVE_S) for number, (text, _) in enumerate(ON_A_BUS)))
    for (text, words), events in zip(ON_A_BUS, heard, strict=True):
        samples = [one for one in events if isinstance(one, Sample)]
        assert len(samples) >= SAMPLES, text
        assert all(19.0 < one.values[0, 0] < 40.0 for one in samples), text
        said = [one.detail for one in events if isinstance(one, Fault)]
        assert not said if words is None else any(words in one for one in said), (text, said)


async def test_a_modbus_tcp_device_can_refuse_fall_silent_and_go_away() -> None:
    """And is read again afterwards."""
    texts = ("exception:0.5,at=1s,for=1s", "silence:at=1s,for=1s", "unplug:at=1s,for=1s", "late:1,at=1s,for=1s")
    for text, events in zip(texts, await asyncio.gather(*(polled(0, [text], LIVE_S) for text in texts)), strict=True):
        assert any(isinstance(one, Fault) for one in events), text


async def test_a_fault_of_bytes_is_refused_for_modbus_tcp() -> None:
    """TCP would have caught it: such a test would show nothing."""
    with pytest.raises(FaultRefused, match="carries bytes whole"):
        await polled(0, ["flip:0.1"], 0.1)


async def test_the_pace_of_the_line_is_kept_unless_told_to_be_fast(tmp_path: Path) -> None:
    """A device that says more than 960 bytes a second at 9600 baud gets 960 through."""

    class Chatter:
        """Says 100 bytes at every turn."""

        def opened(self, now: int) -> bytes:
            """Greet nobody."""
            del now
            return b""

        def feed(self, chunk: bytes, now: int) -> bytes:
            """Hear nothing."""
            del chunk, now
            return b""

        def poll(self, now: int) -> bytes:
            """Talk."""
            del now
            return bytes(100)

    for fast in (False, True):
        async with standing_bytes(Chatter(), 960, tmp_path / "line", time.monotonic_ns, Manner(fast=fast)) as port:
            line = os.open(port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
            await asyncio.sleep(1.0)
            heard = len(os.read(line, 4096))
            os.close(line)
        assert heard == 4095 if fast else 400 < heard < 1100


async def test_a_serial_server_is_read_like_the_line_behind_it() -> None:
    """Serial framing over TCP, at the pace of the line, through a socket:// port."""
    for heard in await asyncio.gather(served("twinleaf"), served("eurotherm-3200")):
        assert [one for one in heard if isinstance(one, Fault)] == []


async def served(name: str) -> list[Event]:
    """Return what comes of an instrument behind a serial server."""
    heard: list[Event] = []
    row, driver = DRIVERS[name], DRIVERS[name].make(DriverOptions(poll_s=0.1))
    with ThreadPoolExecutor(1) as worker:
        wish = Wish(EMULATED[name].scenes[0], 1, time.monotonic_ns(), worker.submit)
        server = standing(EMULATED[name], wish, 0, time.monotonic_ns, Manner(serial_tcp=True))
        async with server as text:
            port = parse_port(text)
            units = [(1, driver, heard.append)]
            task = asyncio.create_task(
                run_stream(port, row.line, driver, heard.append, time.monotonic_ns, lambda: None)  # type: ignore[arg-type]  # by kind
                if row.kind == "stream" else
                run_registers(port, row.line, units, time.monotonic_ns, lambda: None))  # type: ignore[arg-type]  # by kind
            await well(heard)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    return heard
