"""The Modbus master and the register map against a server that is not ours: libmodbus, compiled here from C."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import struct
import subprocess
import tty
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.address import SerialAddress, TcpAddress
from drivers.map_text import read_map
from drivers.modbus_map import ModbusMap
from tests.modbus_bench import Heard, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from drivers.address import PortAddress

SOURCE = Path(__file__).parent / "libmodbus_server.c"
HEADER = Path("/usr/include/modbus/modbus.h")
ORDERS = [(words, octets) for octets in ("big", "little") for words in ("big", "little")]

HEAD = """
format = 1
title = "libmodbus"
source = "libmodbus_server.c"
identity = { make = "libmodbus", model = "oracle" }
device = { gap_max = 4 }
"""


def line(name: str, address: int, more: str) -> str:
    """Return one register of the map."""
    return f'[[group.register]]\nname = "{name}"\naddress = {address}\nquantity = "count"\nunit = "1"\n{more}\n'


def everything() -> str:
    """Return a map of all that the server holds."""
    numbers = "".join(
        line(f"{kind}_{words}_{octets}", first + place * size,
             f'type = "{kind}"\nword_order = "{words}"\nbyte_order = "{octets}"')
        for kind, first, size in (("u32", 0, 2), ("f32", 8, 2), ("u64", 16, 4), ("f64", 32, 4))
        for place, (words, octets) in enumerate(ORDERS))
    text = ('[[group.register]]\nname = "s"\naddress = 49\ntype = "text"\nregisters = 4\nbyte_order = "little"\n'
            'fills = "serial"\n')
    return "".join((
        HEAD, '[[group]]\nname = "numbers"\n', numbers, line("sign", 48, 'type = "i16"'),
        line("top", 48, "bit = 15"), line("low", 48, "bit = 0\nbits = 4"), text,
        '[[group]]\nname = "tables"\n', line("input", 0, "function = 4\ncount = 50"),
        line("coil", 0, 'function = 1\ntype = "bool"\ncount = 40'),
        line("contact", 3, 'function = 2\ntype = "bool"\ncount = 9'),
        '[[group]]\nname = "refused"\n', line("good", 48, ""), line("absent", 53, ""),
        '[[group]]\nname = "busy"\n', line("busy", 60, "function = 4"), line("other", 0, "function = 4")))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the server; a missing library or compiler fails the test with what to install."""
    compiler = shutil.which("gcc")
    assert compiler, "no C compiler: apt-get install gcc libc6-dev"
    assert HEADER.exists(), f"libmodbus is not installed, {HEADER} is missing: apt-get install libmodbus-dev"
    program = tmp_path_factory.mktemp("libmodbus") / "server"
    subprocess.run([compiler, "-Wall", "-Werror", "-o", program, SOURCE, "-lmodbus"], check=True, timeout=60)
    return program


@contextlib.asynccontextmanager
async def serving(program: Path, *words: str) -> AsyncIterator[str]:
    """Run the server; gives the line it prints when it is ready."""
    child = await asyncio.create_subprocess_exec(program, *words, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield (await asyncio.wait_for(child.stdout.readline(), 5.0)).decode().strip()
    finally:
        child.kill()
        await child.wait()


@contextlib.contextmanager
def cable(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[str, str]]:
    """Join two ptys as a null-modem cable joins two ports; gives their names."""
    ends = [os.openpty() for _ in range(2)]
    for master, slave in ends:
        tty.setraw(slave)
        os.set_blocking(master, False)
    (one, _), (other, _) = ends
    loop.add_reader(one, lambda: os.write(other, os.read(one, 4096)))
    loop.add_reader(other, lambda: os.write(one, os.read(other, 4096)))
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


async def heard_from(where: PortAddress) -> Heard:
    """Read every group of the map twice."""
    heard = Heard()
    async with running(where, (1, ModbusMap(read_map(everything()), 0.2), heard)):
        await until(lambda: len(heard.samples) >= 8, 5.0)
    return heard


def check(heard: Heard) -> None:
    """Hold what was read against what the C source says."""
    by_stream = {sample.stream: sample for sample in heard.samples[:4]}
    numbers = by_stream["numbers"]
    assert numbers.device.serial == "SN 701"
    u64 = float(0x00123456789ABCDE)
    assert numbers.values[0].tolist() == [
        *[float(0xDEADBEEF)] * 4, *[-1234.5] * 4, *[u64] * 4, *[math.pi] * 4, float(0x8001 - 0x10000), 1.0, 1.0]
    tables = by_stream["tables"].values[0]
    assert tables[:50].tolist() == [1000 + place for place in range(50)]
    assert tables[50:90].tolist() == [float(place % 3 == 0) for place in range(40)]
    assert tables[90:].tolist() == [float(place % 5 == 0) for place in range(3, 12)]
    refused, busy = by_stream["refused"], by_stream["busy"]
    assert refused.values[0, 0] == 0x8001
    assert np.isnan(refused.values[0, 1])
    assert refused.flags == ("absent not read: exception 2 (illegal data address)",)
    assert np.isnan(busy.values[0, 0])
    assert busy.values[0, 1] == 1000
    assert busy.flags == ("busy not read: exception 6 (device busy)",)
    assert {fault.kind for fault in heard.faults} == {"read refused"}
    assert struct.unpack(">H", numbers.raw[3:5])[0] == 49


async def test_every_value_of_a_libmodbus_server_is_read_right_over_tcp(server: Path) -> None:
    """Types and orders, all four tables, a text, and both kinds of exception."""
    async with serving(server, "tcp") as port:
        check(await heard_from(TcpAddress("127.0.0.1", int(port))))


async def test_every_value_of_a_libmodbus_server_is_read_right_over_rtu(server: Path) -> None:
    """The same over a serial line: checksums and silences are agreed on too."""
    with cable(asyncio.get_running_loop()) as (ours, theirs):
        async with serving(server, "rtu", theirs) as word:
            assert word == "ready"
            check(await heard_from(SerialAddress(ours)))
