"""The emulated counters print what the manuals print, take the manuals' commands, and break as they are told."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import serial

from drivers.address import parse_port
from drivers.driver import DriverOptions
from drivers.geometrics import INSTRUMENT, OUT_OF_RANGE, Geometrics
from drivers.port import run_stream
from drivers.sample import Event, Fault, Sample
from hil.emulated import Wish
from hil.instruments.geometrics import ROW, CounterChain, Trouble
from hil.instruments.geometrics_counter import Counter, packed
from hil.stand import standing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NS = 1_000_000_000


def steady(field_nt: float = 54369.127) -> CounterChain:
    """Return one counter in a constant field."""
    return chain([field_nt])


def chain(fields_nt: list[float], output: str = "A", trouble: Trouble | None = None) -> CounterChain:
    """Return counters in constant fields, switched on at 0."""
    def source(field_nt: float) -> object:
        def read(start_s: float, count: int, rate_hz: float) -> NDArray[np.float64]:
            del start_s, rate_hz
            return np.full(count, field_nt)
        return read
    made = CounterChain([source(f) for f in fields_nt], output=output, trouble=trouble)  # type: ignore[misc]  # a source
    made.poll(0)
    return made


def said(to: CounterChain, command: str, at_s: float = 0.1) -> bytes:
    """Return what comes of one command by then."""
    assert to.feed(command.encode() + b"\r", 0) == b""
    return to.poll(round(at_s * NS))


def test_a_line_has_the_eighteen_characters_of_the_manual() -> None:
    """Preamble, a blank or 1, five digits, point, three, comma, four, CR LF; 10 Hz as delivered."""
    to = steady(49895.131)
    line = to.poll(NS // 10)
    assert len(line) == 18
    assert line.startswith(b"$ 49895.131,")
    assert line.endswith(b"\r\n")
    assert 800 < int(line[12:16]) < 2000
    assert len(to.poll(NS).splitlines()) == 9
    assert steady(104321.5).poll(NS // 10).startswith(b"$104321.500,")


def test_the_manual_s_line_becomes_the_manual_s_frames() -> None:
    """Packed BCD of page 47; excess-3 adds 33 hex to every byte of digits."""
    line = "$ 54369.127,1234,5678,0000"
    assert packed(line, 0) == bytes.fromhex("24 54 36 91 27 12 34 56 78 00 00 2A")
    assert packed(line, 0x33) == bytes.fromhex("24 87 69 c4 5a 45 67 89 ab 33 33 2a")
    assert packed("$104321.500,1250,D123H01M02S03_04", 0) == bytes.fromhex("24 04321500 1250 0123 01 02 03 04 2a")


@pytest.mark.parametrize(("command", "echo"), [
    ("IV00", b"IV00:EM"), ("IV", b"IV:EM"), ("IV02", b"IV02"), ("IJ", b"IJ:00000"), ("IA00", b"IA00:100000"),
    ("C0010", b"C0010"), ("C00125", b"C00125"), ("F00", b"F01"), ("UPDATE", b"UPDATE"), ("B19200", b"B19200"),
    ("OS1", b"OS1"), ("A13", b"A13"), ("OJ01111", b"OJ01111"), ("J100", b"J100"), ("D123", b"D123"),
    ("C1", b"ERR00"), ("HELLO", b"ERR00"), ("B12345", b"ERR00"), ("c0010", b"ERR00"), ("OX", b"ERR00"),
])
def test_a_command_is_echoed_behind_the_line_with_what_the_counter_adds(command: str, echo: bytes) -> None:
    """An addressed counter inserts its answer; what it does not know becomes ERR with its number."""
    lines = said(steady(), command).split(b"\r\n")
    assert lines[0].startswith(b"$")
    assert lines[1:] == [echo, b""]


def test_settings_take_effect_with_the_next_line() -> None:
    """Format, channels, clock fields, preamble and cycle time; RESET brings the defaults back."""
    to = steady(50000.0)
    said(to, "A13")
    line = said(to, "OJ01110", 0.2)
    assert line.splitlines()[0].count(b",") == 2
    said(to, "J1", 0.3)
    assert said(to, "P%", 0.4).startswith(b"$ 50000.000,")
    assert to.poll(NS // 2).startswith(b"% 50000.000,")
    said(to, "OP", 0.6)
    assert to.poll(7 * NS // 10)[:5] == bytes.fromhex("25 50 00 00 00")
    said(to, "C0005", 0.8)
    assert to.poll(NS).count(b"*") == 4
    said(to, "RESET", 1.05)
    assert len(to.poll(round(1.15 * NS))) == 18


def test_a_chain_is_one_line_and_its_counters_are_found_by_number() -> None:
    """Only counter 0 leads; F00 comes back with their number; ERR tells who did not understand first."""
    to = chain([50000.0, 50001.0, 50002.0])
    first, echo, _ = said(to, "F00").split(b"\r\n")
    assert echo == b"F03"
    assert [part for part in first.split(b",") if b"." in part] == [b"$ 50000.000", b" 50001.000", b" 50002.000"]
    assert said(to, "IV02", 0.2).endswith(b"IV02:EM\r\n")
    assert said(to, "A1102", 0.3).endswith(b"A1102\r\n")
    assert to.poll(4 * NS // 10).count(b",") == 6
    assert said(to, "F01", 0.5).endswith(b"F04\r\n"), "and now nobody leads"
    assert to.poll(NS) == b""


def test_troubles_are_seeded_and_as_told() -> None:
    """No echo, only errors, torn lines, and a Larmor signal that is gone for a quarter of the time."""
    assert said(chain([50000.0], trouble=Trouble(mute=True)), "IV00").count(b"\r\n") == 1
    assert said(chain([50000.0], trouble=Trouble(refuses=True)), "IV00").endswith(b"ERR00\r\n")
    one, two = (chain([50000.0], trouble=Trouble(torn=0.5)) for _ in range(2))
    torn = [one.poll(n * NS // 10) for n in range(1, 100)]
    assert torn == [two.poll(n * NS // 10) for n in range(1, 100)]
    assert 30 < sum(len(line) == 17 for line in torn) < 70
    dark = chain([50000.0], trouble=Trouble(lost_every_s=4.0))
    lines = [dark.poll(n * NS // 10) for n in range(1, 41)]
    assert sum(line == b"$ 00000.000,0012\r\n" for line in lines) == pytest.approx(10, abs=1)


def test_noise_from_the_host_is_answered_with_errors_at_most() -> None:
    """100 kB of rubbish; memory stays bounded, and then a command is understood."""
    rng, to = np.random.default_rng(8), steady()
    for n in range(100):
        to.feed(rng.bytes(1000), n)
        to.poll(n * NS // 10)
    assert len(to._typed) <= 64
    assert said(to, "\rIV00", 20.0).endswith(b"IV00:EM\r\n")
    assert Counter().take("") == "ERR00"


async def read(place: Path, scene: str, rows: int, **settings: object) -> list[Event]:
    """Return what our driver gathers from the emulated chain on a pty, up to so many samples."""
    events: list[Event] = []
    enough = asyncio.Event()

    def deliver(event: Event) -> None:
        events.append(event)
        if sum(isinstance(one, Sample) for one in events) >= rows:
            enough.set()

    wish = Wish(scene, 1, time.monotonic_ns(), worker=None)  # type: ignore[arg-type]  # it computes nothing
    async with standing(ROW, wish, place, time.monotonic_ns) as port:
        made = INSTRUMENT.make(DriverOptions(settings=settings))  # type: ignore[arg-type]  # the test's own words
        running = asyncio.create_task(run_stream(
            parse_port(port), INSTRUMENT.line, made, deliver, time.monotonic_ns, lambda: None))  # type: ignore[arg-type]  # a stream driver
        await asyncio.wait_for(enough.wait(), 20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return events


@pytest.mark.parametrize(("scene", "settings", "columns"), [
    ("quiet", {}, 2), ("quiet", {"format": "excess-3", "analog": "1", "configure": True, "cycle_ms": 50}, 2),
    ("chain", {}, 6), ("chain-packed-bcd", {"format": "packed-bcd", "analog": "1,1,1"}, 6), ("excess-3", {}, 2),
])
async def test_the_driver_reads_every_scene_on_a_pty(
    scene: str, settings: dict[str, object], columns: int, tmp_path: Path,
) -> None:
    """The field of the Earth in every format, with its channels, and no fault but a format that is being changed."""
    events = await read(tmp_path / "mag", scene, 20, **settings)
    found = [event for event in events if isinstance(event, Sample)]
    assert {len(sample.channels) for sample in found} == {columns}
    assert np.concatenate([s.values for s in found])[:, ::2] == pytest.approx(48_200.0, abs=200.0)
    faults = {event.kind for event in events if isinstance(event, Fault)}
    assert faults <= ({"malformed line"} if settings.get("configure") else set())
    if settings.get("configure"):
        assert found[-1].device.firmware == "EM"
        assert found[-1].raw.startswith(b"$")
        assert found[-1].raw.endswith(b"*")


def test_a_lost_signal_is_flagged_and_is_no_number() -> None:
    """15 s of field, then 5 s of nothing that could be one, told once."""
    assert ROW.make_bytes
    to = ROW.make_bytes(Wish("signal-lost", 1, 0, worker=None))  # type: ignore[arg-type]  # it computes nothing
    made = Geometrics(DriverOptions())
    events = [event for n in range(250) for event in made.feed(to.poll(n * NS // 10), n * NS // 10)]
    dark = [s for s in events if isinstance(s, Sample) and OUT_OF_RANGE in s.flags]
    assert len(dark) == pytest.approx(50, abs=1)
    assert all(np.isnan(s.values[0, 0]) for s in dark)
    assert [event.kind for event in events if isinstance(event, Fault)] == ["signal lost"]


async def test_a_plain_terminal_reads_the_emulated_counter_and_gets_its_echo(tmp_path: Path) -> None:
    """No packaged client exists: pyserial alone, as a terminal would."""
    wish = Wish("quiet", 1, time.monotonic_ns(), worker=None)  # type: ignore[arg-type]  # it computes nothing
    async with standing(ROW, wish, tmp_path / "mag", time.monotonic_ns) as port:
        def talk() -> bytes:
            with serial.Serial(port, 9600, timeout=3) as line:
                line.write(b"IV00\r")
                return line.read_until(b"EM\r\n")
        assert (await asyncio.to_thread(talk)).endswith(b"\r\nIV00:EM\r\n")
