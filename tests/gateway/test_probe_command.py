"""`spingate probe` as a technician meets it: which ports, what it says, what it sends, and what it leaves alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import threading
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import serial

from drivers.driver import LineSettings
from drivers.probe import Candidate, Found, Report
from drivers.sample import Identity
from drivers.table import DRIVERS
from gateway.cli.main import main
from gateway.config import parse
from gateway.probe_words import block, blocks, one_line
from gateway.serial_ports import lasting_name, serial_ports
from hil.instruments.nqr_head import NqrHead
from hil.modbus_wire import PtyServer
from hil.registers import Refusal
from hil.scene.head import Belt
from hil.scene.scenario import SCENARIOS
from tests.drivers.serial_server import SerialServer

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = '[gateway]\nid = "bay"\n\n'


class Mute:
    """A Modbus device that refuses every read."""

    functions = frozenset({3, 4})

    def read(self, address: int, count: int, now: int) -> bytes | Refusal:
        """Refuse."""
        del address, count, now
        return Refusal.ADDRESS

    def write(self, address: int, values: tuple[int, ...], now: int) -> Refusal | None:
        """Refuse."""
        del address, values, now
        return Refusal.ADDRESS


@contextlib.contextmanager
def talking(words: bytes) -> Iterator[str]:
    """Give a pty on which somebody says the same all the time."""
    ends = pty.openpty()
    tty.setraw(ends[1])
    os.set_blocking(ends[0], False)
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.02):
            with contextlib.suppress(BlockingIOError):
                os.write(ends[0], words)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield os.ttyname(ends[1])
    finally:
        stop.set()
        thread.join(5)
        for end in ends:
            os.close(end)


async def probe(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, object]]]:
    """Run the command beside what runs here, and return its exit code and what it tells a program."""
    code = await asyncio.to_thread(main, ["probe", "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def plug(dev: Path, device: str, *links: str) -> None:
    """Make a device node, an ordinary file here, and the links that udev would make to it."""
    (dev / device).touch()
    for link in links:
        (dev / link).parent.mkdir(parents=True, exist_ok=True)
        (dev / link).symlink_to(dev / device)


def test_every_usb_port_is_found_once_under_the_name_that_lasts_longest(tmp_path: Path) -> None:
    """By-id, else by-path, else its number; built-in lines never, for ttyS0 may be the console."""
    plug(tmp_path, "ttyUSB0", "serial/by-id/usb-FTDI_A-if00-port0", "serial/by-path/pci-1-port0")
    plug(tmp_path, "ttyUSB1", "serial/by-path/pci-2-port0")
    plug(tmp_path, "ttyACM0")
    plug(tmp_path, "ttyS0")
    plug(tmp_path, "ttyAMA0")
    (tmp_path / "serial/by-id/usb-gone").symlink_to(tmp_path / "ttyUSB9")
    found = [str(Path(port).relative_to(tmp_path)) for port in serial_ports(tmp_path)]
    assert found == ["serial/by-id/usb-FTDI_A-if00-port0", "serial/by-path/pci-2-port0", "ttyACM0"]
    assert serial_ports(tmp_path / "nothing") == []


def test_a_port_named_by_its_number_is_written_down_by_the_name_that_lasts(tmp_path: Path) -> None:
    """The block outlives the next replug."""
    plug(tmp_path, "ttyUSB0", "serial/by-id/usb-FTDI_A-if00-port0")
    plug(tmp_path, "ttyUSB1")
    assert lasting_name(str(tmp_path / "ttyUSB0"), tmp_path).endswith("by-id/usb-FTDI_A-if00-port0")
    assert lasting_name(str(tmp_path / "ttyUSB1"), tmp_path) == str(tmp_path / "ttyUSB1")


async def test_a_port_in_use_is_left_alone_and_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Not a byte goes to an instrument that a gateway reads; a missing port is no reason to stop either."""
    ends = pty.openpty()
    tty.setraw(ends[1])
    with serial.Serial(os.ttyname(ends[1]), exclusive=True):
        code, reports = await probe(capsys, os.ttyname(ends[1]), str(tmp_path / "missing"))
    os.set_blocking(ends[0], False)
    with pytest.raises(BlockingIOError):
        os.read(ends[0], 1)
    for end in ends:
        os.close(end)
    assert code == 1
    assert [str(report["trouble"]).split(":")[0] for report in reports] == ["port busy", "port missing"]
    assert reports[0]["sent"] == []


async def test_an_unknown_device_that_speaks_is_shown_and_sent_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What was heard is printed as it came, at which settings; no question disturbs what nobody knows."""
    with talking(b"WIND 3.2 m/s\r\n") as port:
        code, reports = await probe(capsys, port)
    assert code == 1
    heard = reports[0]["heard"]
    assert isinstance(heard, list)
    assert heard[0]["line"] == "115200 8N1"
    assert b"WIND 3.2 m/s\r\n" in bytes.fromhex(heard[0]["start"])
    assert (reports[0]["found"], reports[0]["sent"]) == ([], [])


async def test_a_modbus_device_that_nobody_can_read_is_told_by_its_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Its exceptions show that it is there; the block asks for a register map."""
    server = PtyServer({1: Mute()}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    code, reports = await probe(capsys, str(server.link))
    await server.stop()
    assert code == 1
    assert reports[0]["modbus"] == [{"unit": 1, "says": ""}]
    assert 'driver = "modbus-map"' in str(reports[0]["toml"])
    assert {frame.request[1] for frame in server.frames} <= {1, 2, 3, 4, 43}


async def test_a_unit_with_another_number_is_found_where_the_number_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Every number costs time, so that a technician says which; and nothing is ever written to a head."""
    head = NqrHead(Belt(SCENARIOS[:1], seed=1), lambda work, *words: pytest.fail(f"{work}{words}"), 1)
    server = PtyServer({3: head}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    code, reports = await probe(capsys, "--units", "2-3", str(server.link))
    await server.stop()
    found = reports[0]["found"]
    assert isinstance(found, list)
    assert (code, found[0]["driver"], found[0]["unit"]) == (0, "nqr-head", 3)
    assert {frame.request[1] for frame in server.frames} == {3}


async def test_an_instrument_behind_a_serial_server_is_named_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """RFC 2217 sets the far line anew for each attempt, on one connection."""
    bus = PtyServer({1: NqrHead(Belt(SCENARIOS[:1], seed=1), lambda *_: pytest.fail("a scan"), 1)},
                    time.monotonic_ns, tmp_path / "bus")
    await bus.start()
    server = SerialServer(bus.link, "rfc2217")
    server.start()
    code, reports = await probe(capsys, server.address)
    await asyncio.to_thread(server.stop)
    await bus.stop()
    found = reports[0]["found"]
    assert isinstance(found, list)
    assert (code, found[0]["driver"], found[0]["line"]) == (0, "nqr-head", "115200 8N1")


def test_a_line_set_otherwise_stands_in_the_block_and_a_device_cannot_write_into_it() -> None:
    """What a device says of itself is a comment of one line, whatever it says."""
    oven = Candidate(DRIVERS["eurotherm-3200"])
    evil = Identity('x"\n[key]\nfile = "/stolen', "3200", "", "")
    found = Found(oven, LineSettings(19_200, 8, "E", 1), "asked", evil, sure=False, unit=7)
    text = block("/dev/ttyUSB0", found, "oven")
    config = parse((HEAD + text).encode(), "probe")
    assert config.key.file == ""
    line = config.instrument[0].line
    assert (config.instrument[0].unit, line.baud, line.parity, line.bits) == (7, 19_200, "E", None)
    assert "make sure" in text
    assert one_line("\x1b[2Jä\n") == "?[2J??"


def test_two_of_a_kind_get_names_of_their_own() -> None:
    """The blocks of several ports make one configuration."""
    row = Candidate(DRIVERS["twinleaf"])
    reports = [Report(f"/dev/ttyUSB{n}", found=[Found(row, row.row.line, "heard", Identity("", "", "", ""))])
               for n in range(3)]
    taken: set[str] = set()
    config = parse((HEAD + "\n".join(text for report in reports for text in blocks(report, taken))).encode(), "probe")
    assert [one.name for one in config.instrument] == ["twinleaf", "twinleaf-2", "twinleaf-3"]
