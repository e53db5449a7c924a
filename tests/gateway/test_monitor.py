"""The live view shows what a journal holds, is bounded, and stays alive when everything it looks at is gone."""

from __future__ import annotations

import math
import socket
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.sample import Channel, Identity
from gateway.cli.status import verdict_of
from gateway.clock import boot_id
from gateway.control import ANSWER_S_MAX
from gateway.detection.verdict import Anomaly
from gateway.evidence import keys
from gateway.evidence.body import AnomalyBody, FaultBody, FaultSource, ReadingBody
from gateway.evidence.journal import open_journal
from gateway.evidence.record import ClockStatus, Draft, Provenance, Stamp
from gateway.evidence.typed_array import TypedArray
from gateway.evidence.writer import Writer
from gateway.monitor.canvas import BRAILLE, curve
from gateway.monitor.memory import MAGNETIC, POINTS_MAX, TOLD_MAX, TRACES_MAX, Memory, Trace
from gateway.monitor.screen import Monitor
from gateway.monitor.source import Source
from gateway.monitor.spectrum import expected, spectra_of
from gateway.places import Places
from tests.drivers.test_nqr_head import Bay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.evidence.layout import Body

DIGEST = bytes(32)
SENSOR = Identity("Twinleaf", "VMR", "1", "1")
AXES = tuple(Channel(f"vector.{axis}", MAGNETIC, "nT") for axis in "xyz")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Where a gateway would keep things."""
    return Places(tmp_path / "journal.db", tmp_path / "c.sock", tmp_path / "w.sock", tmp_path)


@pytest.fixture
def writer(places: Places) -> Iterator[Writer]:
    """A journal that is being written."""
    journal = open_journal(places.journal, "bay-1", keys.generate(), group_readable=False)
    made = Writer(journal, time.monotonic_ns, time.time_ns, lambda _size: None)
    made.start()
    yield made
    made.close()
    journal.close()


def say(writer: Writer, body: Body) -> None:
    """Put one record on disk."""
    stamp = Stamp(boot_id(), time.monotonic_ns(), time.time_ns(), ClockStatus.SYNCHRONISED, 1000)
    writer.submit(Draft(stamp, Provenance("spingate 0", DIGEST, DIGEST), body)).result(10)


def field_reading(name: str = "lane", at_s: float = 100.0, x: float = 3000.0) -> ReadingBody:
    """Return half a second of a vector magnetometer."""
    rows = np.tile([x, 0.0, 4000.0], (50, 1))
    return ReadingBody(name, SENSOR, "field", AXES, TypedArray(rows.shape, rows.astype("<f8").tobytes()),
                       TypedArray.of([math.nan] * 3), 100.0, 0, (), calibrated=False, reason="",
                       seen_at=round(at_s * 1e9))


def test_a_curve_keeps_a_peak_that_is_narrower_than_a_dot() -> None:
    """A line in one of a thousand points is drawn to its top; a gap stays empty."""
    values = np.zeros(1000)
    values[500] = 10.0
    rows = curve(values, 20, 5, 0.0, 10.0)
    assert (len(rows), {len(row) for row in rows}) == (5, {20})
    assert sum(char != chr(BRAILLE) for char in rows[0]) == 1
    empty = curve(np.full(50, math.nan), 20, 5, 0.0, 1.0)
    assert set("".join(empty)) == {chr(BRAILLE)}


def test_a_trace_shows_the_last_minute_and_its_gaps() -> None:
    """Five seconds without the sensor are five seconds of nothing."""
    trace = Trace("nT")
    for at_s in np.arange(0.0, 70.0, 0.05):
        if not 50.0 < at_s < 55.0:
            trace.times_s.append(float(at_s))
            trace.values.append(float(at_s))
    window = trace.window()
    assert len(window) == POINTS_MAX
    assert np.nanmin(window) == pytest.approx(10.0, abs=0.1)
    assert 3.5 < np.isnan(window).sum() / POINTS_MAX * 60.0 < 5.0


def test_the_memory_is_bounded_whatever_goes_by() -> None:
    """A gateway may be watched for a month, and an instrument may have a thousand streams."""
    memory = Memory()
    at = Stamp(boot_id(), 0, 0, ClockStatus.SYNCHRONISED, None)
    for number in range(3 * TOLD_MAX):
        for body in (field_reading(f"lane-{number}"), FaultBody(FaultSource.INSTRUMENT, "a", "b", "c", 0)):
            record = Draft(at, Provenance("s", DIGEST, DIGEST), body)
            memory.take(record, lambda _digest: None)  # type: ignore[arg-type]  # a draft has all that is looked at
    assert (len(memory.traces), len(memory.faults)) == (TRACES_MAX, TOLD_MAX)


def test_a_spectrum_has_its_pilot_where_the_head_says_and_its_peak_elsewhere() -> None:
    """The tone of the head's own is never taken for a line of the load."""
    bay = Bay()
    bay.scan(2)
    bay.run(30.0, bay.ended)
    for band, spectrum in zip(bay.heard.scans[0].bands, spectra_of(bay.heard.scans[0].raw), strict=True):
        bin_khz = band.plan.rate_hz / 256 / 1e3
        assert spectrum.pilot_khz == pytest.approx((band.plan.carrier_hz + band.pilot_offset_hz) / 1e3)
        assert abs(spectrum.peak[0] - spectrum.pilot_khz) > 2 * bin_khz


def test_damaged_raw_data_are_no_spectrum() -> None:
    """Nothing is drawn, and nothing is raised."""
    assert spectra_of(b"") == spectra_of(bytes(1000)) == spectra_of(bytes(72 + 65536)) == ()
    assert len(expected()) >= 8


async def test_the_screen_shows_what_the_journal_holds(writer: Writer, places: Places) -> None:
    """Field, anomaly and fault appear while the core itself does not answer; the keys do what the footer says."""
    for half in range(20):
        say(writer, field_reading(at_s=100.0 + half / 2, x=3000.0 + half))
    say(writer, AnomalyBody("lane", Anomaly(50.0, 30.0, 1e-6, 2.5e-7, 10.0), 0))
    say(writer, FaultBody(FaultSource.INSTRUMENT, "oven", "no answer", "it was unplugged", 0))
    app = Monitor(Source(places), "bay-1", verdict_of)
    async with app.run_test(size=(150, 45)) as pilot:
        await pilot.pause(0.6)
        shown = {name: str(app.panel(name).render()) for name in ("health", "trace", "spectrum", "alerts", "faults")}
        assert "no running gateway answers" in shown["health"]
        assert "around 500" in shown["trace"]
        assert "uncalibrated" in shown["trace"]
        assert shown["spectrum"] == "no scan yet"
        assert "MAGNETIC ANOMALY: 250.0 nT" in shown["alerts"]
        assert "oven: no answer: it was unplugged" in shown["faults"]
        await pilot.press("m", "left", "right", "b", "p")
        say(writer, FaultBody(FaultSource.INSTRUMENT, "oven", "port back", "again", 0))
        await pilot.pause(0.6)
        assert "port back" not in str(app.panel("faults").render()), "it is paused"
        await pilot.press("p")
        await pilot.pause(0.6)
        assert "port back" in str(app.panel("faults").render())
        await pilot.press("q")
    assert app.return_code == 0


async def test_the_screen_lives_without_a_journal(places: Places) -> None:
    """It may be started before the gateway ever was, in a terminal of any size."""
    app = Monitor(Source(places), "bay-1", verdict_of)
    async with app.run_test(size=(60, 15)) as pilot:
        await pilot.pause(0.4)
        assert "no magnetometer" in str(app.panel("trace").render())
        assert "journal" in str(app.panel("faults").border_subtitle)
        await pilot.resize_terminal(20, 5)
        await pilot.press("q")
    assert app.return_code == 0


async def test_a_core_that_hangs_does_not_hold_up_the_screen(writer: Writer, places: Places) -> None:
    """Its socket takes the call and nobody answers it: what is in the journal is shown all the same, and keys work."""
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(places.control))
        deaf.listen()
        say(writer, FaultBody(FaultSource.INSTRUMENT, "oven", "no answer", "it was unplugged", 0))
        begin = time.monotonic()
        app = Monitor(Source(places), "bay-1", verdict_of)
        async with app.run_test(size=(150, 45)) as pilot:
            await pilot.pause(0.6)
            assert "it was unplugged" in str(app.panel("faults").render())
            await pilot.press("q")
            assert time.monotonic() - begin < ANSWER_S_MAX - 1.0


def test_a_trace_from_before_a_restart_of_the_machine_is_left_out() -> None:
    """The monotonic clock begins anew; the monitor looks back further than that."""
    memory = Memory()
    for at_s in (1e6, 100.0):
        memory._trace(field_reading(at_s=at_s, x=3000.0))
    trace = next(iter(memory.traces.values()))
    assert 0 < np.isfinite(trace.window()).sum() < POINTS_MAX
