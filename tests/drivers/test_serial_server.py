"""Instruments behind a serial server: raw bytes or RFC 2217, streams and Modbus RTU, against pyserial's server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from drivers.address import parse_port
from drivers.driver import DriverOptions, LineSettings
from drivers.eurotherm import Eurotherm as OvenDriver
from drivers.port import run_stream
from drivers.telnet_line import open_port
from drivers.twinleaf import TwinleafDriver
from hil.instruments.eurotherm import Eurotherm
from hil.instruments.twinleaf import TwinleafDevice, steady_field
from hil.modbus_wire import PtyServer
from hil.wire import PtyEnd, Wire
from tests.drivers.serial_server import SerialServer, serving
from tests.modbus_bench import Heard, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ODD = LineSettings(19_200, 7, "E", 2)


@contextlib.asynccontextmanager
async def magnetometer(link: Path) -> AsyncIterator[None]:
    """Run an emulated magnetometer on a pty."""
    wire = Wire(TwinleafDevice(steady_field(np.random.default_rng(4))), PtyEnd(link), time.monotonic_ns, 11_520)
    wire.replug()
    task = asyncio.create_task(wire.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@contextlib.asynccontextmanager
async def reading(port: str, line: LineSettings) -> AsyncIterator[Heard]:
    """Run a port for a magnetometer."""
    heard = Heard()
    task = asyncio.create_task(run_stream(
        parse_port(port), line, TwinleafDriver(DriverOptions()), heard.take, time.monotonic_ns, lambda: None))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("protocol", ["socket", "rfc2217"])
async def test_a_magnetometer_behind_a_serial_server_is_read_without_a_gap(
    protocol: Literal["socket", "rfc2217"], tmp_path: Path,
) -> None:
    """Binary frames, 0xff and all, pass in both directions; RFC 2217 sets the far line as the driver wants it."""
    async with magnetometer(tmp_path / "tio"):
        with serving(tmp_path / "tio", protocol) as server:
            async with reading(server.address, LineSettings(115_200)) as heard:
                await until(lambda: sum(len(sample.values) for sample in heard.samples) >= 100, 8.0)
            assert server.served == ("115200 8N1" if protocol == "rfc2217" else "9600 8N1")
    rows = sum(len(sample.values) for sample in heard.samples)
    assert heard.samples[-1].first_row + len(heard.samples[-1].values) - heard.samples[0].first_row == rows
    assert heard.samples[0].device.serial == "VMR.R8.SIM"


@pytest.mark.parametrize("protocol", ["socket", "rfc2217"])
async def test_modbus_rtu_is_read_behind_a_serial_server_and_again_after_its_restart(
    protocol: Literal["socket", "rfc2217"], tmp_path: Path,
) -> None:
    """The bus behind the server is a bus like another: framed, checked, and back within two seconds."""
    device = Eurotherm(0)
    device.settle(100.5, 23.4)
    oven = PtyServer({1: device}, lambda: 0, tmp_path / "oven")
    await oven.start()
    heard, server = Heard(), SerialServer(tmp_path / "oven", protocol)
    server.start()
    again: SerialServer | None = None
    try:
        async with running(parse_port(server.address), (1, OvenDriver(0.1), heard), line=ODD) as beats:
            await until(lambda: heard.samples, 3.0)
            settings = server.served
            await asyncio.to_thread(server.stop)
            await until(lambda: heard.told("port lost"), 2.0)
            before = len(heard.samples)
            again = SerialServer(tmp_path / "oven", protocol, server.port)
            again.start()
            back_s = await until(lambda: len(heard.samples) > before, 2.0)
    finally:
        server.stop()
        if again is not None:
            again.stop()
        await oven.stop()
    assert back_s < 2.0
    assert settings == (str(ODD) if protocol == "rfc2217" else "9600 8N1")
    assert np.allclose(heard.samples[0].values, [[100.5, 100.0, 23.4, 100.0]])
    assert max(np.diff(beats)) < 1.0


async def test_an_open_line_behind_a_server_is_set_anew_without_letting_go(tmp_path: Path) -> None:
    """A probe tries several settings on one connection: a server that has only one keeps others out meanwhile."""
    async with magnetometer(tmp_path / "tio"):
        with serving(tmp_path / "tio", "rfc2217") as server:
            line = await open_port(parse_port(server.address), LineSettings(9600))
            await line.retune(ODD)
            await until(lambda: server.served == str(ODD), 2.0)  # it notes its settings after it has confirmed them
            line.close()


def _turns_away(listener: socket.socket, words: bytes) -> None:
    with contextlib.suppress(OSError):
        client, _ = listener.accept()
        client.sendall(words)
        client.shutdown(socket.SHUT_WR)
        client.recv(4096)   # what is unread when it closes would become a reset, and swallow its words
        client.close()


async def test_a_server_that_turns_the_second_one_away_is_told_as_busy_with_its_own_words() -> None:
    """Serial servers have one place; most say so in plain text and hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_turns_away, args=(listener, b"Port already in use\r\n"))
        thread.start()
        async with reading(f"rfc2217://127.0.0.1:{listener.getsockname()[1]}", LineSettings(9600)) as heard:
            await until(lambda: heard.faults, 2.0)
        thread.join(5)
    assert heard.faults[0].kind == "port busy"
    assert "'Port already in use'" in heard.faults[0].detail


async def test_a_server_that_never_answers_is_given_up_with_a_word_on_telnet() -> None:
    """A plain TCP listener in place of a telnet server costs a bounded time, said as what it is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with reading(f"rfc2217://127.0.0.1:{listener.getsockname()[1]}", LineSettings(9600)) as heard:
            await until(lambda: heard.faults, 2.0)
    assert heard.faults[0].kind == "port refused"
    assert "no word of telnet (RFC 2217)" in heard.faults[0].detail
