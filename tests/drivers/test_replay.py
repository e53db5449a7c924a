"""A recording runs through the instrument's own driver, in its own time, and never passes for live."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.address import PortTextRefused, SerialAddress
from drivers.capture import Capture, CaptureHeader, Chunk, parse_capture, write_capture
from drivers.driver import DriverOptions, LineSettings
from drivers.pdu import answer_pdu, refusal_pdu, registers_in, request_pdu
from drivers.recording import FileAddress, parse_source
from drivers.replay import REPLAYED, live, marked, replay_registers, replay_stream
from drivers.replay_port import END, recorded_header, run_replay
from drivers.sample import Event, Fault, Sample
from drivers.table import DRIVERS
from hil.captures import shipped_captures
from hil.instruments.twinleaf import TwinleafDevice, steady_field

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from drivers.driver import RegisterDriver, StreamDriver

SECOND = 1_000_000_000
OVEN = parse_capture(next(one for one in shipped_captures() if one.name == "eurotherm-3200.capture").read_text())


def twinleaf_capture(seconds: float) -> Capture:
    """Return what the emulated magnetometer and its driver said to each other, in the port's turns."""
    device, driver = TwinleafDevice(steady_field(np.random.default_rng(1))), make("twinleaf")
    driver.opened(0)
    chunks = [Chunk(0, True, greeting)] if (greeting := device.opened(0)) else []
    for now in range(0, round(seconds * SECOND), 5_000_000):
        asked = driver.ask(now)
        for from_device, data in ((False, asked), (True, device.feed(asked, now) + device.poll(now))):
            if data:
                chunks.append(Chunk(now, from_device, data))
                if from_device:
                    driver.feed(data, now)
    return Capture(CaptureHeader("twinleaf", LineSettings(115_200), "emulated"), tuple(chunks))


def make(name: str, packets: bool = False) -> StreamDriver:  # noqa: FBT001, FBT002  a test's short hand
    """Return a stream driver."""
    return DRIVERS[name].make(DriverOptions(packets=packets))  # type: ignore[return-value]  # the test knows which


def oven_driver(poll_s: float = 1.0) -> RegisterDriver:
    """Return the oven's driver."""
    return DRIVERS["eurotherm-3200"].make(DriverOptions(poll_s=poll_s))  # type: ignore[return-value]  # registers


async def played(address: FileAddress, name: str, enough: int = 10_000, seconds: float = 5.0) -> list[Event]:
    """Run a replay port until its recording ends, or so many events came."""
    events: list[Event] = []
    row = DRIVERS[name]
    driver = row.make(DriverOptions())
    task = asyncio.create_task(run_replay(address, row, driver, events.append, time.monotonic_ns, lambda: None))
    async with asyncio.timeout(seconds):
        while len(events) < enough and not any(isinstance(one, Fault) and one.kind != "replay" for one in events):
            await asyncio.sleep(0.01)
            assert not task.done(), task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return events


@pytest.mark.parametrize(("text", "address"), [
    ("file:/x/a b.capture", FileAddress("/x/a b.capture")),
    ("file:rel.meas?loop", FileAddress("rel.meas", loop=True)),
    ("file:rel.meas?fast&loop", FileAddress("rel.meas", loop=True, fast=True)),
    ("/dev/ttyUSB0", SerialAddress("/dev/ttyUSB0")),
])
def test_a_recording_is_named_like_a_port(text: str, address: object) -> None:
    """The scheme says that it is one; everything else is a port as before."""
    assert parse_source(text) == address
    assert parse_source(str(address)) == address


@pytest.mark.parametrize("text", ["file:", "file:?loop", "file:/x?slow", "file:/x?loop&fast&loop", "file:/x\n"])
def test_a_recording_that_is_named_badly_is_refused_with_the_rule(text: str) -> None:
    """Nobody guesses what was meant."""
    with pytest.raises(PortTextRefused, match="file:PATH"):
        parse_source(text)


def test_register_answers_come_in_the_order_of_the_recording() -> None:
    """The oven's driver reads the golden poll, the refusal and the next poll, with the recording's times."""
    moments = [(at, events) for at, events in replay_registers(oven_driver(), OVEN.chunks, 5) if events]
    (first_at, (first,)), (_, (refused,)), (last_at, (second,)) = moments
    assert isinstance(first, Sample)
    assert first.values.tolist()[0] == pytest.approx([100.5, 100.0, 23.4, 100.0])
    assert isinstance(refused, Fault)
    assert "exception 2" in refused.detail
    assert isinstance(second, Sample)
    assert (first_at, last_at) == (34_000_000, 2_034_000_000)


def test_exchanges_that_nobody_asks_for_are_left_out_and_said() -> None:
    """A driver that asks something else gets only what was recorded for its question."""
    other = Chunk(0, False, b"\x01\x04\x00\x63\x00\x01"), Chunk(1, True, b"\x01\x04\x02\x00\x07")
    events = [one for _at, events in replay_registers(oven_driver(), (*other, *OVEN.chunks[:2]), 0) for one in events]
    assert [type(one) for one in events] == [Fault, Sample]
    assert isinstance(events[0], Fault)
    assert events[0].kind == "replay differs"


def test_a_pdu_says_what_was_asked_and_answered() -> None:
    """The reference's frames, without unit and checksum."""
    request = oven_driver().ask(0)
    assert request is not None
    assert request_pdu(request) == bytes.fromhex("0300010005")
    registers = (1005, 1000, 0, 234, 1000)
    assert answer_pdu(request, registers) == bytes.fromhex("030a03ed03e8000000ea03e8")
    assert registers_in(answer_pdu(request, registers), request) == registers
    assert refusal_pdu(request, "exception 2 (illegal data address)") == b"\x83\x02"
    assert refusal_pdu(request, "no answer within 0.30 s") == b""
    assert isinstance(registers_in(b"\x03\x02\x00\x01", request), str)


def test_a_stream_recording_gives_the_samples_that_were_there() -> None:
    """What the driver made of the live bytes it makes of the recorded ones, and no fault."""
    capture = twinleaf_capture(1.5)
    assert parse_capture(write_capture(capture)) == capture
    events = [one for _at, events in replay_stream(make("twinleaf"), capture.chunks, 77) for one in events]
    rows = sum(len(one.values) for one in events if isinstance(one, Sample))
    assert rows > 100
    assert [one for one in events if isinstance(one, Fault) and one.kind != "undescribed"] == []


async def test_every_sample_of_a_replay_is_flagged_and_the_end_is_said_once(tmp_path: Path) -> None:
    """Nobody can take it for live: the flag, the file's digest at the beginning, and the end."""
    path = tmp_path / "twinleaf.capture"
    path.write_text(write_capture(twinleaf_capture(0.6)))
    events = await played(FileAddress(str(path), fast=True), "twinleaf")
    samples = [one for one in events if isinstance(one, Sample)]
    assert len(samples) > 30
    assert all(one.flags[0] == REPLAYED and not live(one) for one in samples)
    doubtful = marked(replace(samples[0], flags=("saturated",)), 7)
    assert isinstance(doubtful, Sample)
    assert doubtful.flags == (REPLAYED, "saturated")
    faults = [one for one in events if isinstance(one, Fault)]
    assert faults[0].kind == "replay"
    assert "sha256" in faults[0].detail
    assert faults[-1].kind == END
    assert events[-1] == faults[-1]
    seen = [one.seen_at for one in events]
    assert max(seen) <= time.monotonic_ns()     # never in the future, however fast


async def test_a_replay_keeps_the_recordings_pace_unless_told_otherwise(tmp_path: Path) -> None:
    """0.6 s take 0.6 s; as fast as it goes, a fraction."""
    path = tmp_path / "twinleaf.capture"
    path.write_text(write_capture(twinleaf_capture(0.6)))
    took = []
    for fast in (False, True):
        begin = time.monotonic()
        await played(FileAddress(str(path), fast=fast), "twinleaf")
        took.append(time.monotonic() - begin)
    assert took[0] >= 0.58
    assert took[1] < 0.5


async def test_a_loop_begins_anew_without_an_end(tmp_path: Path) -> None:
    """Three times the recorded polls, and no end of recording."""
    path = tmp_path / "oven.capture"
    path.write_text(write_capture(Capture(OVEN.header, OVEN.chunks[:2])))
    events = await played(FileAddress(str(path), loop=True, fast=True), "eurotherm-3200", enough=4)
    assert sum(isinstance(one, Sample) for one in events) >= 3


@pytest.mark.parametrize(("text", "kind", "words"), [
    (None, "recording missing", "is the path right?"),
    ("hello", "recording refused", "is no capture"),
    ("# spingate capture 1\n# instrument = 7\n", "recording refused", "line 2"),
    (write_capture(Capture(CaptureHeader("twinleaf", None, "x"), ())), "recording refused", "of twinleaf, not of"),
    (write_capture(OVEN) + "9 < 0\n", "recording refused", "must be seconds"),
])
async def test_what_cannot_be_played_is_a_fault_and_no_crash(
    tmp_path: Path, text: str | None, kind: str, words: str,
) -> None:
    """A missing, foreign or broken file is told with the reason; the gateway goes on."""
    path = tmp_path / "x.capture"
    if text is not None:
        path.write_text(text)
    events = await played(FileAddress(str(path), fast=True), "eurotherm-3200")
    last = next(one for one in reversed(events) if isinstance(one, Fault) and one.kind.startswith("recording"))
    assert last.kind == kind
    assert words in last.detail


@pytest.mark.parametrize("entry", shipped_captures(), ids=lambda entry: entry.name)
def test_every_shipped_capture_gives_its_driver_something_to_say(entry: Traversable) -> None:
    """A capture without a sample shows nothing."""
    capture = parse_capture(entry.read_text())
    header, row = capture.header, DRIVERS[capture.header.instrument]
    if row.needs_map:
        return  # its own tests give it the map
    driver = row.make(DriverOptions(header.poll_s, header.line is None, header.settings))
    moments = (replay_stream(driver, capture.chunks, 0) if row.kind == "stream"  # type: ignore[arg-type]  # by kind
               else replay_registers(driver, capture.chunks, 0))  # type: ignore[arg-type]  # by kind
    assert any(not isinstance(one, Fault) for _at, events in moments for one in events)


def test_a_header_is_read_without_the_rest(tmp_path: Path) -> None:
    """What the driver was told when it was recorded is known before the replay."""
    path = tmp_path / "x.capture"
    path.write_text(write_capture(OVEN))
    assert recorded_header(FileAddress(str(path))) == OVEN.header
    assert recorded_header(FileAddress(str(tmp_path / "none"))) is None
