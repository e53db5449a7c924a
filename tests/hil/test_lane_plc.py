"""The emulated lane controller: its profile on the wire, its scenes, and an independent client that reads it."""

from __future__ import annotations

import asyncio
import shutil
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from hil.instruments.lane_plc import SCENES, LanePlc, contacts
from hil.modbus_wire import PtyServer, TcpServer
from hil.registers import Refusal, answer_pdu

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000


def ask(plc: LanePlc, pdu: str, now: int = 0) -> str:
    """Return the answer to a request, both as hex."""
    return answer_pdu(plc, bytes.fromhex(pdu), now).hex(" ")


def test_contacts_counters_and_texts_lie_in_tables_of_their_own() -> None:
    """The same address is another thing in another table, and what is not in a table is refused."""
    plc = LanePlc(0, "passing")
    assert ask(plc, "02 00 00 00 04", 5 * SECOND) == "02 01 0b"
    assert ask(plc, "02 00 01 00 02", 5 * SECOND) == "02 01 01"
    assert ask(plc, "04 00 00 00 03", 12 * SECOND) == "04 06 00 78 00 00 00 01"
    assert bytes.fromhex(ask(plc, "03 00 64 00 0c"))[2:] == b"EMULATED-1".ljust(16, b"\0") + b"1.0 emu\0"
    assert ask(plc, "02 00 00 00 05") == "82 02"
    assert ask(plc, "04 00 03 00 01") == "84 02"
    assert ask(plc, "03 00 63 00 01") == "83 02"
    assert ask(plc, "01 00 00 00 01") == "81 01"
    assert plc.write(100, (1,), 0) is Refusal.ADDRESS


def test_the_heartbeat_runs_on_through_its_end() -> None:
    """Ten a second, from 65535 back to 0."""
    plc = LanePlc(0)
    assert ask(plc, "04 00 00 00 01", round(6553.55 * SECOND)) == "04 02 ff ff"
    assert ask(plc, "04 00 00 00 01", round(6553.65 * SECOND)) == "04 02 00 00"


def seen(scene: str, seconds: int = 60) -> list[tuple[bool, ...]]:
    """Return the contacts of a scene at each half second."""
    return [contacts(scene, place / 2, 30.0).bits() for place in range(2 * seconds)]


@pytest.mark.parametrize("scene", SCENES)
def test_a_gate_is_never_at_both_stops(scene: str) -> None:
    """Open and closed exclude each other in every scene."""
    assert not any(is_open and closed for _, is_open, closed, _ in seen(scene))


def test_each_scene_shows_what_its_name_says() -> None:
    """Idle is idle; objects pass through an open gate; the stop is pressed and released; a stuck gate stays stuck."""
    assert set(seen("idle")) == {(False, False, True, True)}
    passing = seen("passing")
    assert {state[1] for state in passing if state[0]} == {True}
    assert sum(after[0] and not before[0] for before, after in pairwise(passing)) == 2
    assert {state[3] for state in passing} == {True}
    standing = [contacts("standing", place / 2, 90.0).bits() for place in range(180)]
    assert sum(state[0] for state in standing) == 2 * 62
    assert any(state == (True, False, True, True) for state in standing)
    stops = [state[3] for state in seen("e-stop")]
    assert stops.count(False) == 40
    assert stops[0]
    assert set(seen("gate-stuck")[4:]) == {(True, False, False, True)}


@pytest.mark.parametrize("line", ["rtu", "tcp"])
async def test_mbpoll_reads_the_lane_controller(line: str, tmp_path: Path) -> None:
    """A client that is not ours reads the same contacts and counters over a serial line and over TCP."""
    mbpoll = shutil.which("mbpoll")
    assert mbpoll, "mbpoll is not installed: apt-get install mbpoll"
    plc = {1: LanePlc(time.monotonic_ns() - 5 * SECOND, "passing")}
    server = PtyServer(plc, time.monotonic_ns, tmp_path / "plc") if line == "rtu" else TcpServer(
        plc, time.monotonic_ns)
    await server.start()
    where = (["-m", "rtu", "-b", "9600", "-P", "none", str(tmp_path / "plc")] if isinstance(server, PtyServer)
             else ["-m", "tcp", "-p", str(server.port), "127.0.0.1"])
    printed = []
    try:
        for table, count in (("1", "4"), ("3", "3")):
            client = await asyncio.create_subprocess_exec(
                mbpoll, "-a", "1", "-0", "-r", "0", "-c", count, "-t", table, "-1", *where,
                stdout=asyncio.subprocess.PIPE)
            printed.append((await asyncio.wait_for(client.communicate(), 10.0))[0].decode())
    finally:
        await server.stop()
    bits, registers = ([row.split()[1] for row in text.splitlines() if row.startswith("[")] for text in printed)
    assert bits == ["1", "1", "0", "1"]
    assert 50 <= int(registers[0]) <= 80
    assert registers[1:] == ["0", "0"]
