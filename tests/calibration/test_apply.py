"""A sample becomes a reading with an honest uncertainty, or one that says in words why it is uncalibrated."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from calibration.apply import calibrate, calibrate_scan
from calibration.correction import NqrHead, ScaleOffset, VectorMagnetometer
from calibration.vector_field import correct, nine_parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from calibration.certificate import Certificate, Statement
    from drivers.sample import Sample, ScanCapture

    Issued: TypeAlias = Callable[[Statement], Certificate]

DRAWS = 40_000      # the standard deviation of so many draws is known to 0.35 %


def test_an_oven_reading_is_in_kelvin_with_its_uncertainty_and_digest(
        oven: Statement, oven_sample: Sample, issued: Issued, inside_s: float) -> None:
    """Certified channels change unit and get a u; the others pass as they are with an unknown one."""
    certificate = issued(oven)
    reading = calibrate(oven_sample, certificate, inside_s, clock_trusted=True)
    assert [channel.unit for channel in reading.channels] == ["K", "%", "K"]
    np.testing.assert_allclose(reading.values, [[100.5 * 1.002 + 273.05, 23.4, 373.15]])
    assert np.isnan(reading.u[1])
    assert np.all(reading.u[[0, 2]] > 0)
    assert reading.trust.calibrated
    assert reading.trust.certificate_sha256 == certificate.sha256
    assert reading.trust.reason == ""
    assert reading.raw_sha256 == hashlib.sha256(oven_sample.raw).digest()


def test_the_uncertainty_of_a_line_is_what_a_monte_carlo_finds(
        oven: Statement, oven_sample: Sample, issued: Issued, inside_s: float) -> None:
    """Parameters with their correlation, noise and reference: within 5 %."""
    u = calibrate(oven_sample, issued(oven), inside_s, clock_trusted=True).u[0]
    assert isinstance(oven.model, ScaleOffset)
    line = oven.model.channels[0]
    chance = np.random.default_rng(11)
    mixed = line.correlation * line.u_scale * line.u_offset
    scale, offset = chance.multivariate_normal(
        [line.scale, line.offset], [[line.u_scale**2, mixed], [mixed, line.u_offset**2]], DRAWS).T
    read = 100.5 + line.u_noise * chance.standard_normal(DRAWS)
    spread = np.std(scale * read + offset + oven.reference.u * chance.standard_normal(DRAWS))
    assert u == pytest.approx(spread, rel=0.05)
    assert u != pytest.approx(np.hypot(line.u_offset, oven.reference.u), rel=0.05)  # the parts do matter


def test_the_uncertainty_of_a_field_is_what_a_monte_carlo_finds(
        vector: Statement, vector_sample: Sample, issued: Issued, inside_s: float) -> None:
    """All nine correlated parameters and the noise of each axis: within 5 %."""
    one_row = replace(vector_sample, values=vector_sample.values[:1])
    u = calibrate(one_row, issued(vector), inside_s, clock_trusted=True).u[:3]
    model = vector.model
    assert isinstance(model, VectorMagnetometer)
    sizes = np.array([*model.u_offset, *model.u_scale, *model.u_angle_rad])
    best = np.array([*model.offset, *model.scale, *model.angle_rad])
    chance = np.random.default_rng(12)
    drawn = chance.multivariate_normal(best, np.array(model.correlation) * np.outer(sizes, sizes), DRAWS // 8)
    read = one_row.values[0, :3] + np.array(model.u_noise) * chance.standard_normal((len(drawn), 3))
    fields = [correct(row[None], nine_parameters(p))[0] for row, p in zip(read, drawn, strict=True)]
    np.testing.assert_allclose(u, np.std(fields, axis=0) * 1e-9, rtol=0.05)


def test_a_field_is_corrected_and_given_in_tesla(vector: Statement, vector_sample: Sample, issued: Issued,
                                                 inside_s: float) -> None:
    """The written model, turned round: S P B + o gives the reading back."""
    reading = calibrate(vector_sample, issued(vector), inside_s, clock_trusted=True)
    assert [channel.unit for channel in reading.channels] == ["T", "T", "T", "C"]
    model = vector.model
    assert isinstance(model, VectorMagnetometer)
    a1, a2, a3 = model.angle_rad
    p = np.array([[1, 0, 0], [-np.sin(a1), np.cos(a1), 0],
                  [np.sin(a2), np.sin(a3), np.sqrt(1 - np.sin(a2)**2 - np.sin(a3)**2)]])
    back = (reading.values[:, :3] / 1e-9) @ (np.diag(model.scale) @ p).T + np.array(model.offset)
    np.testing.assert_allclose(back, vector_sample.values[:, :3], rtol=1e-12)
    np.testing.assert_array_equal(reading.values[:, 3], vector_sample.values[:, 3])
    assert np.isnan(reading.u[3])


def test_a_reference_that_enters_the_value_adds_its_uncertainty_once(
        vector: Statement, vector_sample: Sample, issued: Issued, inside_s: float) -> None:
    """Inside the parameters it is not added again; entering the value it adds in square."""
    inside = calibrate(vector_sample, issued(vector), inside_s, clock_trusted=True).u[:3]
    reference = msgspec.structs.replace(vector.reference, enters="value", unit="T", u=5e-9)
    added = calibrate(vector_sample, issued(msgspec.structs.replace(vector, reference=reference)), inside_s,
                      clock_trusted=True).u[:3]
    np.testing.assert_allclose(added, np.hypot(inside, 5e-9))


@pytest.mark.parametrize(("shift_s", "calibrated"), [
    (("valid_from", -0.001), False), (("valid_from", 0.0), True),
    (("valid_until", -0.001), True), (("valid_until", 0.0), False), (("valid_until", 1e9), False)])
def test_a_certificate_holds_from_its_first_instant_until_just_before_its_last(
        oven: Statement, oven_sample: Sample, issued: Issued, shift_s: tuple[str, float], *,
        calibrated: bool) -> None:
    """The edges are exact, and the reason names instrument, serial and date."""
    wall_s = getattr(oven, shift_s[0]).timestamp() + shift_s[1]
    reading = calibrate(oven_sample, issued(oven), wall_s, clock_trusted=True)
    assert reading.trust.calibrated is calibrated
    if not calibrated:
        assert "Eurotherm 3200, serial E-11" in reading.trust.reason
        assert ("2026-03-01" if shift_s[0] == "valid_from" else "2027-03-01") in reading.trust.reason


def test_without_a_trusted_clock_nobody_knows_whether_a_certificate_still_holds(
        oven: Statement, oven_sample: Sample, issued: Issued, inside_s: float) -> None:
    """A clock that may be years off cannot prove validity."""
    reading = calibrate(oven_sample, issued(oven), inside_s, clock_trusted=False)
    assert not reading.trust.calibrated
    assert "the clock is not trusted" in reading.trust.reason


@pytest.mark.parametrize(("change", "words"), [
    ({"serial": "E-12"}, "CAL-7 is for Eurotherm 3200, serial E-11; connected is Eurotherm 3200, serial E-12"),
    ({"model": "3216"}, "connected is Eurotherm 3216, serial E-11"),
    ({"make": "Other"}, "connected is Other 3200, serial E-11"),
    ({"serial": ""}, "connected is Eurotherm 3200, serial number unknown"),
])
def test_a_foreign_certificate_is_never_applied(oven: Statement, oven_sample: Sample, issued: Issued, inside_s: float,
                                                change: dict[str, str], words: str) -> None:
    """Make, model and serial must all be the very same, and a device that tells no serial cannot prove it."""
    device = replace(oven_sample.device, **change)
    reading = calibrate(replace(oven_sample, device=device), issued(oven), inside_s, clock_trusted=True)
    assert not reading.trust.calibrated
    assert reading.trust.certificate_sha256 is None
    assert words in reading.trust.reason


def test_an_uncalibrated_reading_keeps_the_devices_own_numbers(oven_sample: Sample, inside_s: float) -> None:
    """Nothing is lost and nothing is dressed up: unit as delivered, uncertainty unknown."""
    reading = calibrate(oven_sample, None, inside_s, clock_trusted=True)
    np.testing.assert_array_equal(reading.values, oven_sample.values)
    assert reading.channels == oven_sample.channels
    assert np.isnan(reading.u).all()
    assert reading.trust.reason == "Eurotherm 3200, serial E-11 has no calibration certificate"


def test_another_quantity_unit_or_channel_is_uncalibrated(oven: Statement, oven_sample: Sample, issued: Issued,
                                                          inside_s: float) -> None:
    """The certificate is for these channels in this unit and for nothing else."""
    first, *rest = oven_sample.channels
    cases = {
        "channel process_value delivers temperature in degF": (replace(first, unit="degF"), *rest),
        "channel process_value delivers pressure in degC": (replace(first, quantity="pressure"), *rest),
        "is for channel process_value; stream oven has pv": (replace(first, name="pv"), *rest),
    }
    for words, channels in cases.items():
        sample = replace(oven_sample, channels=channels)
        reading = calibrate(sample, issued(oven), inside_s, clock_trusted=True)
        assert words in reading.trust.reason
    fewer = replace(oven_sample, values=oven_sample.values[:, :2])
    assert "delivered values (1, 2)" in calibrate(fewer, issued(oven), inside_s, clock_trusted=True).trust.reason


def test_a_head_certificate_on_a_stream_is_refused_in_words(head: Statement, vector_sample: Sample, issued: Issued,
                                                            inside_s: float) -> None:
    """Even with the same make, model and serial the kind must fit."""
    subject = head.instrument
    device = replace(vector_sample.device, make=subject.make, model=subject.model, serial=subject.serial)
    sample = replace(vector_sample, device=device)
    reason = calibrate(sample, issued(head), inside_s, clock_trusted=True).trust.reason
    assert "for the scans of an NQR head, not for stream field" in reason


@pytest.mark.parametrize("certified", [True, False])
def test_a_value_that_is_not_finite_is_flagged_and_does_not_spoil_the_others(
        vector: Statement, vector_sample: Sample, issued: Issued, inside_s: float, *, certified: bool) -> None:
    """The flag names channel and count; u still comes from the finite rows."""
    values = vector_sample.values.copy()
    values[3, 1], values[4, 1], values[5, 3] = np.nan, np.inf, -np.inf
    sample = replace(vector_sample, values=values, flags=("segment changed",))
    with np.errstate(invalid="ignore"):
        reading = calibrate(sample, issued(vector) if certified else None, inside_s, clock_trusted=True)
    assert reading.flags == ("segment changed", "not finite: channel vector.y, 2 of 50 rows",
                             "not finite: channel therm, 1 of 50 rows")
    assert np.isfinite(reading.u[:3]).all() == certified


def test_a_sample_without_rows_is_a_reading_without_rows(vector: Statement, vector_sample: Sample, issued: Issued,
                                                         inside_s: float) -> None:
    """No row, no uncertainty, no crash."""
    reading = calibrate(replace(vector_sample, values=np.empty((0, 4))), issued(vector), inside_s, clock_trusted=True)
    assert reading.values.shape == (0, 4)
    assert np.isnan(reading.u).all()


def test_a_scan_becomes_field_by_each_channels_own_gain(head: Statement, scan: ScanCapture, issued: Issued,
                                                        inside_s: float) -> None:
    """Magnitude and unwrapped phase between the certificate's frequencies; the pilot shows what is left."""
    certificate = issued(head)
    done = calibrate_scan(scan, certificate, inside_s, clock_trusted=True)
    assert done.trust.certificate_sha256 == certificate.sha256
    assert done.bay_temperature_k == pytest.approx(294.65)
    assert isinstance(head.model, NqrHead)
    first, second = head.model.points[:2]
    khz = scan.bands[1].plan.carrier_hz / 1e3
    share = (khz - first.frequency_khz) / (second.frequency_khz - first.frequency_khz)
    size = np.array(first.magnitude) + share * (np.array(second.magnitude) - np.array(first.magnitude))
    turn = np.array(first.phase_rad) + share * (np.array(second.phase_rad) - np.array(first.phase_rad))
    gain = size * np.exp(1j * turn)
    band = done.bands[1]
    np.testing.assert_allclose(band.field_ft, scan.bands[1].counts / gain[:, None, None], rtol=1e-5)
    np.testing.assert_allclose(band.pilot_gain, 40.0 / gain, atol=0.005)
    assert band.field_ft.dtype == band.pilot_gain.dtype == np.complex64
    assert band.reflected == pytest.approx(0.02)
    assert band.u_relative == pytest.approx(np.sqrt(0.006**2 + 0.01**2 + 0.008**2 + 0.0063**2))


def test_a_gain_phase_is_interpolated_the_short_way_round(head: Statement, scan: ScanCapture, issued: Issued,
                                                          inside_s: float) -> None:
    """From 3.0 rad at 1 MHz to -3.1 rad at 5.2 MHz is a step of 0.18 rad, not of -6.1."""
    plan = replace(scan.bands[0].plan, carrier_hz=3_100_000.0)  # half way
    one = replace(scan, bands=(replace(scan.bands[0], plan=plan),))
    turn = np.angle(calibrate_scan(one, issued(head), inside_s, clock_trusted=True).bands[0].pilot_gain[0])
    middle = (3.0 + (2 * np.pi - 3.1)) / 2
    assert np.exp(1j * turn) == pytest.approx(np.exp(-1j * middle), abs=0.005)


def test_a_dead_channel_shows_a_pilot_gain_of_zero_and_a_healthy_one_of_one(scan: ScanCapture,
                                                                            inside_s: float) -> None:
    """The pilot judges each channel by itself, with a strong station elsewhere in the band."""
    counts = scan.bands[0].counts.copy()
    station = 4e5 * np.exp(2j * np.pi * 1234.5 * (np.arange(256) - 127.5) / 20_000.0)
    counts += station.astype(np.complex64)
    counts[5] = 0.0
    one = replace(scan, bands=(replace(scan.bands[0], counts=counts),))
    pilot = calibrate_scan(one, None, inside_s, clock_trusted=True).bands[0].pilot_gain
    np.testing.assert_allclose(np.delete(pilot, 5), 1.0, atol=0.02)
    assert pilot[5] == 0.0


def test_an_uncalibrated_scan_uses_the_nominal_gain_and_says_so(head: Statement, scan: ScanCapture, issued: Issued,
                                                                inside_s: float) -> None:
    """Missing, foreign, expired, wrong kind or band: nominal gain, unknown uncertainty, no digest, a reason."""
    foreign = replace(scan, device=replace(scan.device, serial="H-2"))
    beyond = replace(scan, bands=(*scan.bands, replace(
        scan.bands[0], plan=replace(scan.bands[0].plan, carrier_hz=6e6))))
    narrow = replace(scan, bands=(replace(scan.bands[0], counts=scan.bands[0].counts[:4]),))
    for capture, certificate, wall_s, words in (
        (scan, None, inside_s, "open profile NQR-8, serial H-1 has no calibration certificate"),
        (foreign, issued(head), inside_s, "connected is open profile NQR-8, serial H-2"),
        (scan, issued(head), head.valid_until.timestamp(), "expired on 2027-03-01 12:00 UTC"),
        (beyond, issued(head), inside_s, "covers 400 to 5200 kHz; the scan has a band at 6000 kHz"),
        (narrow, issued(head), inside_s, "has 4 channels, not 8"),
    ):
        done = calibrate_scan(capture, certificate, wall_s, clock_trusted=True)
        assert words in done.trust.reason
        assert done.trust.certificate_sha256 is None
        np.testing.assert_allclose(done.bands[0].field_ft, capture.bands[0].counts / 40.0, rtol=1e-5)
        assert np.isnan(done.bands[0].u_relative)


def test_a_scan_with_points_that_are_not_finite_says_in_which_band(scan: ScanCapture, inside_s: float) -> None:
    """The flag lets the decision call that band not inspectable."""
    counts = scan.bands[2].counts.copy()
    counts[1, 2, 3:5] = np.nan
    bands = (*scan.bands[:2], replace(scan.bands[2], counts=counts))
    done = calibrate_scan(replace(scan, bands=bands), None, inside_s, clock_trusted=True)
    assert done.flags == (f"not finite: band at {scan.bands[2].plan.carrier_hz / 1e3:g} kHz, 2 points",)


def test_a_scan_of_fourteen_bands_is_calibrated_in_well_under_50_ms(head: Statement, scan: ScanCapture,
                                                                    issued: Issued, inside_s: float) -> None:
    """The best of ten, so that a busy machine does not decide."""
    certificate, full = issued(head), replace(scan, raw=bytes(14 * 16384 * 8))
    took_s = []
    for _ in range(10):
        begun = time.perf_counter()
        calibrate_scan(full, certificate, inside_s, clock_trusted=True)
        took_s.append(time.perf_counter() - begun)
    assert min(took_s) < 0.05, f"{min(took_s) * 1e3:.1f} ms"
