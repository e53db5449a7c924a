"""The generic Modbus driver on real ptys and sockets: a shared bus with a troubled unit, bits, silence, the oven."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.address import SerialAddress, TcpAddress
from drivers.eurotherm import Eurotherm as OvenDriver
from drivers.map_shipped import shipped_text
from drivers.map_text import read_map
from drivers.modbus_link import answer_seconds
from drivers.modbus_map import ModbusMap
from drivers.modbus_port import LATE_S_MAX
from hil.instruments.eurotherm import Eurotherm
from hil.instruments.lane_plc import LanePlc
from hil.modbus_wire import PtyServer, TcpServer, Trouble
from hil.registers import Refusal
from tests.modbus_bench import LINE, Heard, running, until

if TYPE_CHECKING:
    from pathlib import Path

    from drivers.sample import Nanoseconds

MAP = """
format = 1
title = "table"
source = "a test"
identity = { make = "Example", model = "Table" }
device = { quiet_ms = QUIET }

[[group]]
name = "low"
[[group.register]]
name = "l"
address = 0
count = 10
quantity = "count"
unit = "1"

[[group]]
name = "high"
[[group.register]]
name = "h"
address = 50
count = 10
quantity = "count"
unit = "1"
"""


@dataclass(slots=True)
class Rows:
    """A device whose register n holds 1000 x unit + n, below 200."""

    unit: int
    functions: frozenset[int] = frozenset({3})

    def read(self, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return registers."""
        del now
        if address + count > 200:
            return Refusal.ADDRESS
        return (1000 * self.unit + np.arange(address, address + count)).astype(">u2").tobytes()

    def write(self, address: int, values: tuple[int, ...], now: Nanoseconds) -> Refusal | None:
        """Fail the test: nobody may write."""
        raise AssertionError(f"{values} written to {address} at {now}")


@dataclass(slots=True)
class Coils(Rows):
    """A device of 80 coils; every third is set."""

    unit: int = 1
    functions: frozenset[int] = frozenset({1})

    def read_table(self, function: int, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return octets of bits."""
        del function, now
        return np.packbits([place % 3 == 0 for place in range(address, address + count)], bitorder="little").tobytes()


def mapped(poll_s: float = 0.05, quiet_ms: float = 0, changed: tuple[str, str] = ("", "")) -> ModbusMap:
    """Return a driver for `Rows`."""
    return ModbusMap(read_map(MAP.replace("QUIET", str(quiet_ms)).replace(*changed)), poll_s)


def wrong_values(heard: Heard, unit: int) -> list[float]:
    """Return every finite value that is not what the unit's registers hold."""
    first = {"low": 0, "high": 50}
    return [value for sample in heard.samples
            for value, right in zip(sample.values[0].tolist(), range(10), strict=True)
            if not np.isnan(value) and value != 1000 * unit + first[sample.stream] + right]


async def test_a_unit_that_answers_late_and_short_costs_itself_alone(tmp_path: Path) -> None:
    """Beside it the healthy unit keeps answering, and no value of either is ever another request's."""
    server = PtyServer({1: Rows(1), 2: Rows(2)}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    where = SerialAddress(str(server.link))
    answer_s = answer_seconds(where, LINE)
    good, troubled = Heard(), Heard()
    async with running(where, (1, mapped(), good), (2, mapped(), troubled)):
        await until(lambda: good.samples and troubled.samples, 2.0)
        for late_s in (0.03, LATE_S_MAX - 0.05):
            seen = len(good.samples)
            server.order(Trouble("delay", unit=2, delay_s=answer_s + late_s))
            server.order(Trouble("short", unit=2))
            await until(lambda: not server._troubles, 8.0)
            assert len(good.samples) > seen
        before = len([sample for sample in troubled.samples if np.isfinite(sample.values).all()])
        await until(lambda: len([s for s in troubled.samples if np.isfinite(s.values).all()]) > before + 3, 5.0)
    await server.stop()
    assert wrong_values(good, 1) == wrong_values(troubled, 2) == []
    assert not good.faults
    assert {fault.kind for fault in troubled.faults} == {"no answer", "read refused"}
    assert all(np.isfinite(sample.values).all() for sample in good.samples)
    gaps = np.diff([sample.seen_at / 1e9 for sample in good.samples])
    assert max(gaps) < 2 * (answer_s + LATE_S_MAX)  # one time-out with its quiet, and room for a busy machine


async def test_a_unit_that_always_answers_short_leaves_its_neighbour_half_of_the_time(tmp_path: Path) -> None:
    """It is asked as seldom as one that is silent."""
    server = PtyServer({1: Rows(1), 2: Rows(2)}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    server.order(Trouble("short", unit=2, times=100_000))
    good, short = Heard(), Heard()
    async with running(SerialAddress(str(server.link)), (1, mapped(), good), (2, mapped(), short)):
        await asyncio.sleep(4.0)
    await server.stop()
    assert len(good.samples) >= 25
    assert not wrong_values(good, 1)
    assert not short.samples


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
async def test_an_exception_on_the_wire_costs_the_refused_register_alone(kind: str, tmp_path: Path) -> None:
    """The port's words for an exception are the ones by which the driver divides a read."""
    devices = {1: Rows(1)}
    server = PtyServer(devices, time.monotonic_ns, tmp_path / "bus") if kind == "rtu" else TcpServer(
        devices, time.monotonic_ns)
    await server.start()
    where = SerialAddress(str(server.link)) if isinstance(server, PtyServer) else TcpAddress("127.0.0.1", server.port)
    heard = Heard()
    async with running(where, (1, mapped(changed=("address = 50", "address = 195")), heard)):
        await until(lambda: len(heard.samples) >= 4, 3.0)
    await server.stop()
    low, high = heard.samples[:2]
    assert (low.stream, high.stream) == ("low", "high")
    assert np.isfinite(low.values).all()
    assert low.flags == ()
    assert np.isfinite(high.values[0]).tolist() == [True] * 5 + [False] * 5
    assert "exception 2 (illegal data address)" in high.flags[0]


async def test_an_exception_for_every_read_of_one_unit_does_not_slow_its_neighbour(tmp_path: Path) -> None:
    """A refusal is an answer: the bus is not kept quiet after it."""
    server = PtyServer({1: Rows(1), 2: Rows(2)}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    server.order(Trouble("exception", unit=2, times=100_000, code=Refusal.BUSY))
    good, refusing = Heard(), Heard()
    async with running(SerialAddress(str(server.link)), (1, mapped(0.0), good), (2, mapped(0.0), refusing)):
        await until(lambda: len(good.samples) >= 30, 3.0)
    await server.stop()
    times = [frame.at / 1e9 for frame in server.frames]
    assert np.median(np.diff(times)) < 0.05
    assert not refusing.samples
    assert [fault.kind for fault in refusing.faults] == ["read refused", "read refused"]


async def test_bits_that_are_fewer_than_asked_are_never_taken() -> None:
    """A short answer of coils costs its own values, and the next one is right."""
    text = MAP.replace("QUIET", "0").split("[[group]]")[0] + """
[[group]]
name = "coils"
[[group.register]]
name = "c"
function = 1
type = "bool"
address = 0
count = 80
quantity = "state"
unit = "1"
"""
    server = TcpServer({1: Coils()}, time.monotonic_ns)
    await server.start()
    server.order(Trouble("short"))
    heard = Heard()
    async with running(TcpAddress("127.0.0.1", server.port), (1, ModbusMap(read_map(text), 0.05), heard)):
        await until(lambda: len(heard.samples) >= 2, 3.0)
    await server.stop()
    assert [fault.detail for fault in heard.faults] == [
        "coils: c0 to c79 not read: odd answer: 6 octets of bits instead of 10"]
    assert all(sample.values[0].tolist() == [float(place % 3 == 0) for place in range(80)] for sample in heard.samples)


@pytest.mark.parametrize("quiet_ms", [0, 40])
async def test_the_silence_that_a_map_asks_for_is_kept_on_the_whole_bus(quiet_ms: float, tmp_path: Path) -> None:
    """Every request, to whichever unit, comes that long after what was on the line before it."""
    server = PtyServer({1: Rows(1), 2: Rows(2)}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    one, two = Heard(), Heard()
    async with running(SerialAddress(str(server.link)), (1, mapped(0.0), one), (2, mapped(0.0, quiet_ms), two)):
        await asyncio.sleep(0.6)
    await server.stop()
    gaps = np.diff([frame.at / 1e9 for frame in server.frames])
    assert len(gaps) > 5
    assert min(gaps) >= quiet_ms / 1e3
    assert quiet_ms or max(sorted(gaps)[:len(gaps) // 2]) < 0.02


async def test_the_map_and_the_driver_of_the_oven_controller_give_the_same_values() -> None:
    """The shipped map is as good as the driver: values, names, units and stream, on one emulated controller."""
    text = shipped_text("eurotherm-3200")
    assert text is not None
    oven = Eurotherm(0, absent=frozenset({9}))
    oven.settle(-3.7, 23.4)
    server = TcpServer({1: oven}, lambda: 0)
    await server.start()
    own, by_map = Heard(), Heard()
    where = TcpAddress("127.0.0.1", server.port)
    async with running(where, (1, OvenDriver(0.05), own), (1, ModbusMap(read_map(text), 0.05), by_map)):
        await until(lambda: own.samples and by_map.samples, 2.0)
    await server.stop()
    first, second = own.samples[0], by_map.samples[0]
    assert np.allclose(first.values, second.values, rtol=1e-12)
    assert (first.channels, first.stream, first.device) == (second.channels, second.stream, second.device)
    assert {frame.request[7:] for frame in server.frames} == {bytes.fromhex("0300010005")}


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
async def test_the_shipped_map_reads_the_lane_controller(kind: str, tmp_path: Path) -> None:
    """Contacts, counters and texts come from three tables; the contacts ten times a second."""
    text = shipped_text("lane-plc")
    assert text is not None
    devices = {1: LanePlc(time.monotonic_ns() - 5_000_000_000, "passing", seed=9)}
    server = PtyServer(devices, time.monotonic_ns, tmp_path / "plc") if kind == "rtu" else TcpServer(
        devices, time.monotonic_ns)
    await server.start()
    where = SerialAddress(str(server.link)) if isinstance(server, PtyServer) else TcpAddress("127.0.0.1", server.port)
    heard = Heard()
    async with running(where, (1, ModbusMap(read_map(text)), heard)):
        await asyncio.sleep(1.2)
    await server.stop()
    lane = [sample for sample in heard.samples if sample.stream == "lane"]
    program = [sample for sample in heard.samples if sample.stream == "program"]
    assert not heard.faults
    assert len(lane) >= 11
    assert lane[0].device.serial == "EMULATED-9"
    assert dict(zip([one.name for one in lane[0].channels], lane[0].values[0], strict=True)) == {
        "object_present": 1.0, "gate_open": 1.0, "gate_closed": 0.0, "estop_circuit": 1.0}
    assert 50 <= program[0].values[0, 0] <= 52
    assert len(program) == 2
