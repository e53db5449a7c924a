"""The Modbus port over real ptys and real sockets: frames, faults, late answers, neighbours, absences."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.address import SerialAddress, TcpAddress
from drivers.driver import LineSettings, ReadRegisters, Request, WriteRegisters
from drivers.eurotherm import Eurotherm as OvenDriver
from drivers.modbus_link import answer_seconds
from drivers.modbus_port import LATE_S_MAX
from drivers.sample import Event, Fault, Nanoseconds
from hil.instruments.eurotherm import Eurotherm
from hil.modbus_wire import PtyServer, TcpServer, Trouble
from hil.registers import Refusal
from tests.modbus_bench import LINE, Heard, running, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

POLL_S = 0.1


@dataclass(slots=True)
class Script:
    """A driver that sends the given requests one after the other and keeps what came."""

    requests: list[Request]
    got: list[tuple[int, ...] | str] = field(default_factory=list)
    idle_s_max: float = 0.01

    def ask(self, now: Nanoseconds) -> Request | None:
        """Return the next request."""
        del now
        return self.requests.pop(0) if self.requests else None

    def answer(self, registers: Sequence[int], now: Nanoseconds) -> list[Event]:
        """Keep the registers."""
        del now
        self.got.append(tuple(registers))
        return []

    def refuse(self, why: str, now: Nanoseconds) -> list[Event]:
        """Keep the reason."""
        self.got.append(why)
        return [Fault("refused", why, now)]


@dataclass(slots=True)
class Rows:
    """A device whose register n holds 111 at 0, 222 at 7 and n elsewhere."""

    functions: frozenset[int] = frozenset({3, 4, 6, 16})

    def read(self, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return registers."""
        del now
        values = [{0: 111, 7: 222}.get(place, place) for place in range(address, address + count)]
        return np.array(values, ">u2").tobytes()

    def write(self, address: int, values: tuple[int, ...], now: Nanoseconds) -> Refusal | None:
        """Take anything."""
        del address, values, now
        return None


def oven() -> Eurotherm:
    """Return a warm oven that stands still."""
    device = Eurotherm(0, absent=frozenset({9}))
    device.settle(100.5, 23.4)
    return device


async def test_the_port_sends_the_manuals_bytes(tmp_path: Path) -> None:
    """Reads, single writes and block writes are the frames of the manual, and their answers are understood."""
    server = PtyServer({1: oven()}, lambda: 0, tmp_path / "oven")
    await server.start()
    script = Script([ReadRegisters(1, 5), WriteRegisters(2, (1010,)), ReadRegisters(9, 1),
                     WriteRegisters(24, (900, 800))])
    async with running(SerialAddress(str(server.link)), (1, script, Heard()), line=LineSettings(9600)):
        await until(lambda: len(script.got) == 4, 3.0)
    await server.stop()
    assert [frame.request.hex(" ") for frame in server.frames] == [
        "01 03 00 01 00 05 d4 09", "01 06 00 02 03 f2 a9 7f", "01 03 00 09 00 01 54 08",
        "01 10 00 18 00 02 04 03 84 03 20 b2 40"]
    assert script.got == [(1005, 1000, 0, 234, 1000), (), "exception 2 (illegal data address)", ()]


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
@pytest.mark.parametrize(("trouble", "words"), [
    (Trouble("silence"), "no answer within"),
    (Trouble("exception", code=Refusal.BUSY), "exception 6 (device busy)"),
    (Trouble("short"), "3 registers instead of 5"),
    (Trouble("wrong_crc"), "no valid answer within"),
    (Trouble("garbage"), "no valid answer within"),
])
async def test_every_broken_answer_is_a_refusal_and_the_next_one_is_right(
    kind: str, trouble: Trouble, words: str, tmp_path: Path,
) -> None:
    """Nothing broken is decoded, nothing broken lasts."""
    server = PtyServer({1: oven()}, lambda: 0, tmp_path / "oven") if kind == "rtu" else TcpServer(
        {1: oven()}, lambda: 0)
    await server.start()
    server.order(trouble)
    script = Script([ReadRegisters(1, 5), ReadRegisters(1, 5)])
    where = SerialAddress(str(server.link)) if isinstance(server, PtyServer) else TcpAddress("127.0.0.1", server.port)
    async with running(where, (1, script, Heard())):
        await until(lambda: len(script.got) == 2, 4.0)
    await server.stop()
    assert isinstance(script.got[0], str)
    assert words in script.got[0]
    assert script.got[1] == (1005, 1000, 0, 234, 1000)


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
async def test_a_late_answer_is_never_taken_for_another_requests(kind: str, tmp_path: Path) -> None:
    """After register 0 was answered late, registers 7, 0, 7 read as 222, 111, 222."""
    server = PtyServer({1: Rows()}, time.monotonic_ns, tmp_path / "rows") if kind == "rtu" else TcpServer(
        {1: Rows()}, time.monotonic_ns)
    await server.start()
    where = SerialAddress(str(server.link)) if isinstance(server, PtyServer) else TcpAddress("127.0.0.1", server.port)
    for beyond_s in (0.05, LATE_S_MAX - 0.05):
        server.order(Trouble("delay", delay_s=answer_seconds(where, LINE) + beyond_s))
        server.order(Trouble("delay", times=3, delay_s=0.1))
        script = Script([ReadRegisters(address, 1) for address in (0, 7, 0, 7)])
        async with running(where, (1, script, Heard())):
            await until(lambda script=script: len(script.got) == 4, 5.0)  # type: ignore[misc]  # the script of this round
        assert str(script.got[0]).startswith("no answer")
        assert script.got[1:] == [(222,), (111,), (222,)]
    await server.stop()


async def test_a_late_answer_does_not_survive_closing_and_opening(tmp_path: Path) -> None:
    """A line that is lost and comes back within the slowest answer is kept quiet first."""
    server = PtyServer({1: Rows()}, time.monotonic_ns, tmp_path / "rows")
    await server.start()
    server.order(Trouble("silence"))
    script = Script([ReadRegisters(0, 1), *[ReadRegisters(7, 1)] * 3])
    where = SerialAddress(str(server.link))
    async with running(where, (1, script, Heard())):
        await until(lambda: len(server.frames) == 1, 1.0)
        asked = time.monotonic()
        await server.stop()
        await server.start()
        await asyncio.sleep(0.3)
        server.babble(bytes.fromhex("01 03 02 00 6f f9 a8"))  # register 0's answer, in time for the next request
        await until(lambda: any(isinstance(got, tuple) for got in script.got), 5.0)
        assert time.monotonic() - asked > answer_seconds(where, LINE) + LATE_S_MAX - 0.01
    await server.stop()
    assert {got for got in script.got if isinstance(got, tuple)} == {(222,)}


async def test_a_silent_device_on_its_own_port_does_not_touch_another_ports_rate(tmp_path: Path) -> None:
    """Each port lives by itself: the good device is polled as if it were alone."""
    good, silent = (PtyServer({1: oven()}, time.monotonic_ns, tmp_path / name) for name in ("good", "silent"))
    await good.start()
    await silent.start()
    silent.order(Trouble("silence", times=10_000))
    heard, other = Heard(), Heard()
    async with (running(SerialAddress(str(good.link)), (1, OvenDriver(POLL_S), heard)),
                running(SerialAddress(str(silent.link)), (1, OvenDriver(POLL_S), other))):
        await asyncio.sleep(1.8)
    await good.stop()
    await silent.stop()
    times = [sample.seen_at / 1e9 for sample in heard.samples]
    assert len(times) >= 15
    assert max(np.diff(times)) < 0.25
    assert not other.samples
    assert len(other.told("no answer")) == 1


async def test_a_silent_unit_on_a_shared_bus_costs_its_neighbour_a_bounded_time(tmp_path: Path) -> None:
    """The good unit never waits longer than one time-out with its quiet, and keeps its rate at one poll a second."""
    server = PtyServer({1: oven(), 2: oven()}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    server.order(Trouble("silence", times=10_000, unit=2))
    good, silent = Heard(), Heard()
    where = SerialAddress(str(server.link))
    async with running(where, (1, OvenDriver(POLL_S), good), (2, OvenDriver(1.0), silent)) as beats:
        await asyncio.sleep(4.0)
        gaps = np.diff([sample.seen_at / 1e9 for sample in good.samples])
        assert max(gaps) < answer_seconds(where, LINE) + LATE_S_MAX + 0.2
        assert len(good.samples) > 12, len(good.samples)
        server.relieve()
        assert await until(lambda: silent.samples, 2.0) < 2.0
    await server.stop()
    assert max(np.diff(beats)) < 0.5
    assert len(silent.told("no answer")) == 1


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
async def test_a_device_that_comes_back_is_heard_within_two_seconds(kind: str, tmp_path: Path) -> None:
    """However long it was away, and alive all the time meanwhile."""
    server = PtyServer({1: oven()}, time.monotonic_ns, tmp_path / "oven") if kind == "rtu" else TcpServer(
        {1: oven()}, time.monotonic_ns)
    await server.start()
    where = SerialAddress(str(server.link)) if isinstance(server, PtyServer) else TcpAddress("127.0.0.1", server.port)
    heard = Heard()
    async with running(where, (1, OvenDriver(POLL_S), heard)) as beats:
        for away_s in (0.05, 1.6):
            await until(lambda: heard.samples, 2.0)
            await server.stop()
            await asyncio.sleep(away_s)
            heard.forget()
            await server.start()
            await until(lambda: heard.samples, 2.0)
    await server.stop()
    assert max(np.diff(beats)) < 0.5
    assert len(heard.told("port lost")) == 2
    assert len(heard.told("port back")) == 2
    assert len(heard.told("port missing")) <= 2


async def test_a_tcp_device_that_is_gone_without_a_word_is_connected_anew(tmp_path: Path) -> None:
    """A peer that swallows requests loses its connection; when it answers again it is heard within two seconds."""
    server = TcpServer({1: oven()}, time.monotonic_ns)
    await server.start()
    server.order(Trouble("silence", times=10_000))
    heard = Heard()
    async with running(TcpAddress("127.0.0.1", server.port), (1, OvenDriver(POLL_S), heard)):
        await asyncio.sleep(2.0)
        assert heard.told("port lost")
        server.relieve()
        await until(lambda: heard.samples, 2.0)
    await server.stop()


async def test_two_units_on_tcp_have_a_connection_each(tmp_path: Path) -> None:
    """A silent unit behind a TCP address does not slow its neighbour, and the beat needs both."""
    server = TcpServer({1: oven(), 2: oven()}, time.monotonic_ns)
    await server.start()
    server.order(Trouble("silence", times=10_000, unit=2))
    good, silent = Heard(), Heard()
    async with running(TcpAddress("127.0.0.1", server.port), (1, OvenDriver(POLL_S), good),
                       (2, OvenDriver(POLL_S), silent)) as beats:
        await asyncio.sleep(2.0)
    await server.stop()
    assert len(good.samples) >= 18
    assert not silent.samples
    assert max(np.diff(beats)) < 0.5


async def test_noise_on_the_line_for_seconds_yields_no_wrong_value_and_passes(tmp_path: Path) -> None:
    """While a line babbles every sample is right or missing; afterwards the device is heard within two seconds."""
    server = PtyServer({1: oven()}, lambda: 0, tmp_path / "oven")
    await server.start()
    chance = np.random.default_rng(5)
    heard = Heard()
    async with running(SerialAddress(str(server.link)), (1, OvenDriver(POLL_S), heard)) as beats:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            server.babble(chance.integers(0, 256, int(chance.integers(1, 60))).astype(np.uint8).tobytes())
            await asyncio.sleep(float(chance.uniform(0.0, 0.05)))
        before = len(heard.samples)
        await until(lambda: len(heard.samples) > before, 2.0)
    await server.stop()
    assert all(np.allclose(sample.values, [[100.5, 100.0, 23.4, 100.0]]) for sample in heard.samples)
    assert max(np.diff(beats)) < 0.5


async def test_a_port_that_is_missing_or_held_by_another_program_says_so(tmp_path: Path) -> None:
    """A technician reads what is wrong, once."""
    missing, held = Heard(), Heard()
    async with running(SerialAddress(str(tmp_path / "nothing")), (1, OvenDriver(POLL_S), missing)):
        await until(lambda: missing.told("port missing"), 1.0)
        await asyncio.sleep(1.0)
    assert len(missing.told("port missing")) == 1
    server = PtyServer({1: oven()}, time.monotonic_ns, tmp_path / "oven")
    await server.start()
    where = SerialAddress(str(server.link))
    first = Heard()
    async with running(where, (1, OvenDriver(POLL_S), first)):
        await until(lambda: first.samples, 2.0)
        async with running(where, (1, OvenDriver(POLL_S), held)):
            await until(lambda: held.told("port busy"), 1.0)
    await server.stop()


async def test_requests_of_one_unit_never_overlap(tmp_path: Path) -> None:
    """The next request leaves only after the answer to the last one, also with two units on a bus."""
    server = PtyServer({1: Rows(), 2: Rows()}, time.monotonic_ns, tmp_path / "bus")
    await server.start()
    scripts = [Script([ReadRegisters(address, 1) for address in range(50)]) for _ in range(2)]
    async with running(SerialAddress(str(server.link)), *((unit, script, Heard())
                       for unit, script in zip((1, 2), scripts, strict=True))):
        await until(lambda: all(len(script.got) == 50 for script in scripts), 5.0)
    await server.stop()
    expected = [(111,) if address == 0 else (222,) if address == 7 else (address,) for address in range(50)]
    assert all(script.got == expected for script in scripts)
    assert [frame.request[0] for frame in itertools.islice(server.frames, 10)] == [1, 2] * 5
