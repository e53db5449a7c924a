"""The demonstration's certificates are true to the emulators: what they calibrate comes out right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.apply import calibrate, calibrate_scan
from calibration.certificate import parse_certificate
from calibration.certificate_text import certificate_text
from calibration.schedule import schedule
from drivers.eurotherm import CHANNELS, IDENTITY
from drivers.sample import BandCapture, Channel, Identity, Sample, ScanCapture
from hil.certificates import (
    head_certificate,
    magnetometer_certificate,
    oven_certificate,
    scalar_magnetometer_certificate,
)
from hil.instruments.nqr_head import channel_gains
from hil.scene.bay import Bay
from hil.scene.lane import Lane, Sensor, scalar_source, vector_source
from hil.scene.load import Load
from hil.scene.scan import scan
from hil.scene.tumble import Tumble, tumble_source

if TYPE_CHECKING:
    from calibration.certificate import Certificate, Statement

WALL_S = 1_790_000_000.25


def issued(statement: Statement) -> Certificate:
    """Write and read back, as the gateway gets it."""
    return parse_certificate(certificate_text(statement).encode(), "demo.toml")


def test_the_emulated_heads_certificate_gives_the_scenes_field_back() -> None:
    """Every pilot within the stated uncertainty of one, through the emulator's hidden gains."""
    gains = channel_gains(11)
    scene = scan(schedule(300.0), Bay(), Load(), np.random.default_rng(2))
    bands = tuple(
        BandCapture(band.plan, (band.field_ft * gains[:, None, None]).astype(np.complex64), band.pilot_offset_hz,
                    band.pilot_ft, band.forward_w, band.reflected_w) for band in scene.bands)
    device = Identity("open profile", "NQR-8 emulated", "NQR8-0001", "1.0.0")
    capture = ScanCapture(device, 1, bands, 300.0, 20.0, 0.2, 0, b"")
    done = calibrate_scan(capture, issued(head_certificate(device, gains, WALL_S)), WALL_S, clock_trusted=True)
    assert done.trust.calibrated, done.trust.reason
    for band, truth in zip(done.bands, scene.bands, strict=True):
        np.testing.assert_allclose(band.field_ft, truth.field_ft, rtol=1e-4, atol=1e-3)
        assert np.abs(band.pilot_gain - 1.0).max() < 5.0 * band.u_relative
    errors = np.array([band.pilot_gain for band in done.bands]) - 1.0
    # The scene's 1 % and 0.02 rad are inside the stated relative u, and the statement is no more than twice as large.
    assert 0.5 < np.sqrt(np.mean(np.abs(errors)**2)) / done.bands[0].u_relative < 1.0


def test_the_emulated_oven_and_magnetometers_get_readings_in_si_units() -> None:
    """Kelvin and tesla with an uncertainty, for the channels the drivers really deliver."""
    oven = Identity(IDENTITY.make, IDENTITY.model, "EMU-1", "")
    poll = Sample(oven, "oven", CHANNELS, np.array([[100.5, 100.0, 20.0, 100.0]]), None, 0, 0, b"")
    hot = calibrate(poll, issued(oven_certificate(oven, CHANNELS[0].name, WALL_S)), WALL_S, clock_trusted=True)
    assert hot.trust.calibrated, hot.trust.reason
    assert hot.values[0, 0] == pytest.approx(373.65)
    assert 0.05 < hot.u[0] < 0.1
    device = Identity("Twinleaf", "VMR", "VMR.R8.SIM", "abc123")
    axes = ("vector.x", "vector.y", "vector.z")
    for names, source, statement in (
        (axes, vector_source(Lane(), Sensor()), magnetometer_certificate(device, axes, WALL_S)),
        (("field",), scalar_source(Lane(), Sensor()), scalar_magnetometer_certificate(device, "field", WALL_S)),
    ):
        channels = tuple(Channel(name, "magnetic flux density", "nT") for name in names)
        values = source(0.0, 100, 100.0).reshape(100, -1)
        sample = Sample(device, "field", channels, values, 100.0, 0, 0, b"")
        reading = calibrate(sample, issued(statement), WALL_S, clock_trusted=True)
        assert reading.trust.calibrated, reading.trust.reason
        np.testing.assert_allclose(reading.values, values * 1e-9, rtol=1e-9)
        assert np.all((reading.u > 1e-10) & (reading.u < 5e-9))


def test_a_demonstration_certificate_says_that_its_instrument_is_emulated() -> None:
    """Nobody can take it for a measurement; it holds for a year from the moment it was made."""
    device = Identity("Eurotherm", "3200", "EMU-1", "")
    statement = oven_certificate(device, "process_value", WALL_S)
    text = certificate_text(statement)
    assert "values of the emulator, not measured" in text
    assert statement.valid_from.timestamp() == int(WALL_S)
    assert (statement.valid_until - statement.valid_from).days == 365
    assert json.dumps(statement.id) in text


def test_a_tumbling_sensor_reads_the_same_however_the_stream_is_cut() -> None:
    """A sample depends on its number and the seed alone."""
    read = tumble_source(Tumble())
    whole = read(0.0, 600, 100.0)
    parts = [read(start / 100.0, 7, 100.0) for start in range(0, 595, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:595])
    assert np.abs(tumble_source(Tumble(seed=2))(0.0, 600, 100.0) - whole).max() > 1_000.0


def test_a_held_sensor_reads_one_field_and_a_turned_one_does_not() -> None:
    """Between holds the field moves through the sensor's frame; its length stays that of the field."""
    tumble = Tumble(noise_nt=0.0, offset_nt=(0.0, 0.0, 0.0), scale=(1.0, 1.0, 1.0), lean_rad=(0.0, 0.0, 0.0))
    rows = tumble_source(tumble)(0.0, 500, 100.0)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), tumble.field_nt)
    assert np.ptp(rows[:200], axis=0).max() < 1e-6
    assert np.ptp(rows[200:250], axis=0).max() > 5_000.0
