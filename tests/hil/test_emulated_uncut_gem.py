"""The emulated Uncut Gem prints what the firmware prints, and our driver reads every scene for what it is."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.address import parse_port
from drivers.driver import DriverOptions
from drivers.port import run_stream
from drivers.sample import Event, Fault, Sample
from drivers.uncut_gem import INSTRUMENT, UncutGem
from hil.emulated import Wish
from hil.instruments.uncut_gem import MV_MAX, ROW, SCENES, Diamond, Gem
from hil.stand import standing

if TYPE_CHECKING:
    from pathlib import Path

NS = 1_000_000_000
TURN = NS // 50


def said(scene: str, seconds: float) -> bytes:
    """Return what a scene prints in that time."""
    assert ROW.make_bytes
    gem = ROW.make_bytes(Wish(scene, 1, 0, worker=None))  # type: ignore[arg-type]  # it computes nothing
    return b"".join(gem.poll(now) for now in range(0, round(seconds * NS), TURN))


def read(scene: str, seconds: float) -> tuple[list[Sample], list[Fault]]:
    """Return what our driver makes of a scene."""
    driver = UncutGem(DriverOptions())
    driver.opened(0)
    events = driver.feed(said(scene, seconds), 0)
    return [e for e in events if isinstance(e, Sample)], [e for e in events if isinstance(e, Fault)]


def test_after_the_boot_line_it_is_silent_for_its_calibration_and_then_prints_sweeps() -> None:
    """3.5 s and 20 sweeps of silence; then LOOP and 128 whole millivolts, at least 1 ms apart."""
    gem = Gem(SCENES["boot"], boots=True)
    heard = {now: line for now in range(0, 12 * NS, TURN) if (line := gem.poll(now))}
    (first, boot), (second, loop), *_ = heard.items()
    assert (first, boot) == (0, b"Let's cook...\r\n")
    assert 3.5 + 20 * 0.128 <= second / NS < 14.0
    assert loop.startswith(b"LOOP\r\n")
    sweeps = b"".join(heard.values()).split(b"LOOP\r\n")[1:-1]
    assert [len(one.split()) for one in sweeps] == [128] * len(sweeps)
    assert 0.2 <= 2.3e-3 * 128 <= 0.5


@pytest.mark.parametrize("scene", SCENES)
def test_no_reading_exceeds_what_the_firmware_lets_pass(scene: str) -> None:
    """1500 mV at most, in full light too; the same seed prints the same."""
    data = said(scene, 2.0)
    readings = [int(word) for word in data.split() if word.isdigit()]
    assert all(value <= MV_MAX for value in readings) or scene == "torn"
    assert data == said(scene, 2.0)


def test_it_hears_nothing_and_starts_anew_when_it_is_plugged_in_again() -> None:
    """Whatever the host sends; a reboot prints the boot line in the middle of a sweep."""
    gem = Gem(Diamond())
    gem.poll(0)
    assert gem.feed(b"LOOP\r\n" * 1000, NS // 10) == b""
    gem.poll(NS // 10)
    gem.reboot(NS // 5)
    assert gem.poll(NS // 5).startswith(b"Let's cook...\r\n")
    assert gem.poll(5 * NS) == b""


@pytest.mark.parametrize(("scene", "flags"), [
    ("quiet", {()}), ("beyond", {("no resonance",)}), ("unresolved", {("one resonance",)}),
    ("dark", {("no resonance",)}),
])
def test_the_driver_tells_each_scene_for_what_it_is(scene: str, flags: set[tuple[str, ...]]) -> None:
    """A field only where a pair was seen; else a flag and no number."""
    samples, faults = read(scene, 6.0)
    assert faults == []
    assert len(samples) > 15
    assert {sample.flags for sample in samples} == flags
    assert all(np.isnan(sample.values[0, 0]) == (scene != "quiet") for sample in samples)


@pytest.mark.parametrize(("scene", "field_ut"), [("quiet", 180.0), ("earth", 45.0)])
def test_the_field_of_the_scene_is_found_within_its_stated_uncertainty(scene: str, field_ut: float) -> None:
    """Forty sweeps agree with the field, strain and all, as well as they say."""
    samples, _ = read(scene, 12.0)
    with_strain_ut = np.hypot(field_ut * 0.02803, 0.3) / 0.02803
    pulls = np.array([(s.values[0, 0] - with_strain_ut) / s.values[0, 1] for s in samples])
    assert len(pulls) > 35
    assert abs(pulls.mean()) < 4 / np.sqrt(len(pulls))
    assert pulls.std() == pytest.approx(1.0, abs=0.45)


def test_a_magnet_that_passes_is_seen_to_come_and_go() -> None:
    """250 uT on top of 180 at the middle of 30 s."""
    samples, _ = read("passing", 30.0)
    field = np.array([s.values[0, 0] for s in samples])
    assert np.nanargmax(field) == pytest.approx(len(field) / 2, abs=3)
    assert np.nanmax(field) == pytest.approx(430.0, abs=10.0)
    assert field[:10] == pytest.approx(180.0, abs=10.0)


def test_full_light_is_flagged_and_torn_lines_are_faults() -> None:
    """Clipped sweeps say so; a sweep that lost a character is dropped or differs by one outlier."""
    samples, _ = read("saturated", 3.0)
    assert all("clipped" in sample.flags or sample.values[0, 1] > 0 for sample in samples)
    assert any("clipped" in sample.flags for sample in samples)
    samples, faults = read("torn", 25.0)
    assert {fault.kind for fault in faults} <= {"malformed sweep", "bad packet"}
    assert faults
    assert len(samples) > 40
    field = np.array([s.values[0, 0] for s in samples if s.flags == ()])
    assert field == pytest.approx(180.0, abs=10.0)


async def test_the_driver_reads_it_on_a_pty(tmp_path: Path) -> None:
    """Five sweeps through a port at the line's own pace."""
    events: list[Event] = []
    enough = asyncio.Event()

    def deliver(event: Event) -> None:
        events.append(event)
        if len(events) >= 5:
            enough.set()

    wish = Wish("quiet", 1, time.monotonic_ns(), worker=None)  # type: ignore[arg-type]  # it computes nothing
    async with standing(ROW, wish, tmp_path / "gem", time.monotonic_ns) as port:
        running = asyncio.create_task(run_stream(
            parse_port(port), INSTRUMENT.line, UncutGem(DriverOptions()), deliver, time.monotonic_ns, lambda: None))
        await asyncio.wait_for(enough.wait(), 20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert all(isinstance(event, Sample) for event in events)
    assert [float(event.values[0, 0]) for event in events if isinstance(event, Sample)] == pytest.approx(
        [180.3] * len(events), abs=10.0)
