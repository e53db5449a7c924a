"""The emulated oven controller: the manual's frames on the wire, and an independent client that reads it."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import time
from typing import TYPE_CHECKING

import pytest

from hil.instruments.eurotherm import Eurotherm
from hil.modbus_wire import PtyServer, TcpServer
from hil.registers import Refusal

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000

# Manual HA028651 issue 7, page 81: request, answer.
GOLDEN = [
    ("01 03 00 01 00 05 d4 09", "01 03 0a 03 ed 03 e8 00 00 00 ea 03 e8 4c bc"),
    ("01 03 00 09 00 01 54 08", "01 83 02 c0 f1"),
    ("01 06 00 02 03 f2 a9 7f", "01 06 00 02 03 f2 a9 7f"),
]


def warm(start: int) -> Eurotherm:
    """Return the controller of the golden frames: 100.5 degrees, output 23.4 %, and no derivative action.

    The manual's table lists the derivative time at 9, the golden frames show a controller that lacks it.
    """
    oven = Eurotherm(start, absent=frozenset({9}))
    oven.settle(100.5, 23.4)
    return oven


def numbers(answer: bytes | Refusal) -> tuple[int, ...]:
    """Return the registers of an answer."""
    assert isinstance(answer, bytes)
    return struct.unpack(f">{len(answer) // 2}h", answer)


async def test_the_manuals_frames_are_answered_byte_for_byte(tmp_path: Path) -> None:
    """What stands in the manual is what comes over the line."""
    # A clock that stands still: the oven keeps the temperature of the golden frame.
    server = PtyServer({1: warm(0)}, lambda: 0, tmp_path / "oven")
    await server.start()
    line = os.open(server.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        for request, answer in GOLDEN:
            os.write(line, bytes.fromhex(request))
            await asyncio.sleep(0.05)
            assert os.read(line, 256).hex(" ") == answer
    finally:
        os.close(line)
        await server.stop()


@pytest.mark.parametrize("line", ["rtu", "tcp"])
async def test_mbpoll_reads_the_oven_controller(line: str, tmp_path: Path) -> None:
    """A client that is not ours reads the same five values over a serial line and over TCP."""
    mbpoll = shutil.which("mbpoll")
    assert mbpoll, "mbpoll is not installed: apt-get install mbpoll"
    server = PtyServer({1: warm(0)}, lambda: 0, tmp_path / "oven") if line == "rtu" else TcpServer(
        {1: warm(0)}, lambda: 0)
    await server.start()
    where = (["-m", "rtu", "-b", "9600", "-P", "none", str(tmp_path / "oven")] if isinstance(server, PtyServer)
             else ["-m", "tcp", "-p", str(server.port), "127.0.0.1"])
    client = await asyncio.create_subprocess_exec(
        mbpoll, "-a", "1", "-0", "-r", "1", "-c", "5", "-t", "4", "-1", *where, stdout=asyncio.subprocess.PIPE)
    try:
        printed, _ = await asyncio.wait_for(client.communicate(), 10.0)
    finally:
        await server.stop()
    values = [row.split()[1] for row in printed.decode().splitlines() if row.startswith("[")]
    assert values == ["1005", "1000", "0", "234", "1000"]


def test_the_oven_settles_at_its_set_point() -> None:
    """The controller with its oven behaves like one: it gets there, without overshooting far."""
    oven = Eurotherm(0, target_c=100.0)
    seen = [numbers(oven.read(1, 1, second * SECOND))[0] for second in range(0, 1800, 5)]
    assert seen[0] == 200
    assert max(seen) < 1100
    assert all(abs(value - 1000) <= 2 for value in seen[-20:])


def test_the_working_set_point_follows_the_target_and_the_remote_set_point_spares_the_memory() -> None:
    """Register 2 wears out the EEPROM, register 26 does not."""
    oven = Eurotherm(0)
    assert oven.write(2, (1010,), 0) is None
    assert numbers(oven.read(5, 1, 0)) == (1010,)
    assert numbers(oven.read(24, 1, 0)) == (1010,)
    assert oven.eeprom_writes == 1
    assert oven.write(276, (1,), 0) is None
    worn = oven.eeprom_writes
    for value in range(800, 900):
        assert oven.write(26, (value,), 0) is None
    assert numbers(oven.read(5, 1, 0)) == (899,)
    assert oven.eeprom_writes == worn


def test_what_the_table_does_not_list_is_refused() -> None:
    """Absent registers, read-only ones and values outside the range refuse the whole request."""
    oven = Eurotherm(0)
    assert oven.read(9, 3, 0) is Refusal.ADDRESS
    assert oven.write(1, (5,), 0) is Refusal.ADDRESS
    assert oven.write(5, (5,), 0) is Refusal.ADDRESS
    assert oven.write(2, (2001,), 0) is Refusal.VALUE
    assert oven.eeprom_writes == 0


async def test_another_units_request_is_not_answered_on_a_bus(tmp_path: Path) -> None:
    """On RTU a device is silent when another one is meant."""
    server = PtyServer({1: warm(0)}, time.monotonic_ns, tmp_path / "oven")
    await server.start()
    line = os.open(server.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(line, bytes.fromhex("02 03 00 01 00 05 d4 3a"))
        await asyncio.sleep(0.05)
        with pytest.raises(BlockingIOError):
            os.read(line, 256)
    finally:
        os.close(line)
        await server.stop()
