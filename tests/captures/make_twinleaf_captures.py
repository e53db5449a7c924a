"""Write the shipped Twinleaf captures with the emulated devices; run by hand from the project's root.

Rule: the committed bytes are what the tests read; making them again is a decision, not a part of any test.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drivers.capture import Capture, CaptureHeader, Chunk, write_capture
from drivers.driver import DriverOptions, Setting
from drivers.twinleaf import INSTRUMENT, TwinleafDriver
from hil.instruments.twinleaf import TwinleafDevice, steady_field
from hil.instruments.twinleaf_hub import Hub
from hil.instruments.twinleaf_legacy import LegacyDevice
from hil.instruments.twinleaf_packets import Nameplate, on_serial_line, packet
from hil.instruments.twinleaf_text import PrintingDevice

if TYPE_CHECKING:
    from collections.abc import Callable

    from hil.instruments.twinleaf import FieldSource
    from hil.wire import ByteDevice

MS = 1_000_000
TURN_NS = 25 * MS
FOLDER = Path(__file__).parents[2] / "hil" / "captures"


@dataclass(frozen=True, slots=True)
class Story:
    """What a capture shows: a device, what the driver is told, and what happens at which turn."""

    name: str
    note: str
    device: ByteDevice
    turns: int
    settings: dict[str, Setting] = field(default_factory=dict)
    happens: dict[int, Callable[[int], bytes]] = field(default_factory=dict)


def record(story: Story) -> Capture:
    """Return what passes between a driver and the device, one chunk for each turn and direction."""
    driver = TwinleafDriver(DriverOptions(settings=story.settings))
    driver.opened(0)
    chunks: list[Chunk] = []

    def keep(data: bytes, now: int, *, from_device: bool) -> None:
        if data:
            chunks.append(Chunk(now, from_device=from_device, data=data))

    keep(story.device.opened(0), 0, from_device=True)
    for now in range(0, story.turns * TURN_NS, TURN_NS):
        asked = driver.ask(now)
        keep(asked, now, from_device=False)
        happened = story.happens[now // TURN_NS](now) if now // TURN_NS in story.happens else b""
        said = (story.device.feed(asked, now) if asked else b"") + happened + story.device.poll(now)
        driver.feed(said, now)
        keep(said, now, from_device=True)
    header = CaptureHeader(
        INSTRUMENT.name, INSTRUMENT.line, "emulated, seed 20260101", note=story.note, settings=story.settings)
    return Capture(header, tuple(chunks))


def stories() -> list[Story]:
    """Return the captures that are shipped."""
    second = TwinleafDevice(source())
    first = LegacyDevice(source(), therm_period=4)
    slower = on_serial_line(packet(2, b"\x01\x00\x09\x80data.rate" + np.float32(50).tobytes()))
    hub = Hub({0: Hub({2: TwinleafDevice(source(), bare=True)}, bare=True),
               1: TwinleafDevice(source(), bare=True, plate=Nameplate(serial="VMR.R8.SIM1"))})

    def reboot(now: int) -> bytes:
        second.reboot(0x0BADCAFE, now)
        return b""

    def reboot_first(now: int) -> bytes:
        first.reboot(0x0BADCAFE, now)
        return b""

    return [
        Story("twinleaf", "generation 2; at 0.5 s another host sets 50 Hz, at 1 s the device boots", second, 56,
              happens={20: lambda now: second.feed(slower, now), 40: reboot}),
        Story("twinleaf-gen1", "generation 1; the temperature in every fourth row; at 1 s the device boots", first, 64,
              happens={40: reboot_first}),
        Story("twinleaf-hub", "generation 2 behind two hubs, another sensor on the same line", hub, 30,
              {"route": "/0/2"}),
        Story("twinleaf-text", "text lines of 12 fields", PrintingDevice(source()), 30, {"generation": "text"}),
    ]


def source() -> FieldSource:
    """Return the same steady field for every device."""
    return steady_field(np.random.default_rng(20260101))


def main() -> None:
    """Write all of them."""
    for story in stories():
        words = write_capture(record(story))
        (FOLDER / f"{story.name}.capture").write_text(words)
        sys.stdout.write(f"{story.name}: {len(words)} characters\n")


if __name__ == "__main__":
    main()
