"""Turn what an instrument delivered into a value in SI units with a standard uncertainty, or say why not.

Nothing is dropped: without a certificate that holds, the device's own numbers pass, marked uncalibrated.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from calibration.channels import calibrated_channels, certified_channels, stated_u, why_unlike
from calibration.correction import NqrHead
from calibration.head_gain import NOMINAL_GAIN, calibrated_band, gain_at, why_not_a_head
from calibration.reading import CalibratedScan, Reading, Trust
from calibration.validity import why_not

if TYPE_CHECKING:
    from calibration.certificate import Certificate
    from calibration.head_gain import Gain
    from drivers.sample import Sample, ScanCapture

ZERO_CELSIUS_K = 273.15
STATED = "uncertainty as stated, not certified"  # by the register map of the instrument


def calibrate(sample: Sample, certificate: Certificate | None, wall_s: float, clock_trusted: bool) -> Reading:  # noqa: FBT001  the pipeline's contract
    """Return the reading of a sample: calibrated where the certificate holds, else as delivered and why.

    Channels that no certificate is applied to stay in the device's unit. Their uncertainty is the one that the
    sample's source states, which a flag then says, or unknown (NaN).
    `wall_s` is the wall time in seconds since 1970.
    """
    reason = why_not(certificate, sample.device, wall_s, clock_trusted)
    if certificate is not None and not reason:
        reason = why_unlike(sample, certificate.statement)
    if certificate is None or reason:
        channels, values, u = sample.channels, sample.values, stated_u(sample)
    else:
        channels, values, u = calibrated_channels(sample, certificate.statement)
    return Reading(
        device=sample.device, stream=sample.stream, channels=channels, values=values, u=u,
        rate_hz=sample.rate_hz, first_row=sample.first_row, seen_at=sample.seen_at,
        raw_sha256=hashlib.sha256(sample.raw).digest(), trust=_trust(certificate, reason),
        flags=sample.flags + _stated(sample, None if reason else certificate) + _not_finite_rows(sample))


def calibrate_scan(capture: ScanCapture, certificate: Certificate | None, wall_s: float,
                   clock_trusted: bool) -> CalibratedScan:  # noqa: FBT001  the pipeline's contract
    """Return a scan in fT. Without a certificate that holds, the nominal gain is used and `trust` says so."""
    reason = why_not(certificate, capture.device, wall_s, clock_trusted)
    if certificate is not None and not reason:
        reason = why_not_a_head(capture, certificate.statement)
    return CalibratedScan(
        device=capture.device, scan_id=capture.scan_id,
        bands=tuple(calibrated_band(band, _gain(certificate, reason, band.plan.carrier_hz))
                    for band in capture.bands),
        dwell_s=capture.dwell_s, bay_temperature_k=capture.bay_temperature_c + ZERO_CELSIUS_K,
        standoff_m=capture.standoff_m, seen_at=capture.seen_at,
        raw_sha256=hashlib.sha256(capture.raw).digest(), trust=_trust(certificate, reason),
        flags=capture.flags + _not_finite_points(capture))


def _trust(certificate: Certificate | None, reason: str) -> Trust:
    if certificate is None or reason:
        return Trust(calibrated=False, certificate_sha256=None, reason=reason)
    return Trust(calibrated=True, certificate_sha256=certificate.sha256)


def _gain(certificate: Certificate | None, reason: str, carrier_hz: float) -> Gain:
    if certificate is None or reason or not isinstance(certificate.statement.model, NqrHead):
        return NOMINAL_GAIN
    return gain_at(certificate.statement, certificate.statement.model, carrier_hz / 1e3)


def _stated(sample: Sample, applied: Certificate | None) -> tuple[str, ...]:
    """Flag an uncertainty that is not a certificate's: somebody stated it, nobody traced it."""
    if sample.u is None:
        return ()
    certified = certified_channels(applied.statement) if applied is not None else ()
    told = np.array([channel.name not in certified for channel in sample.channels]) & np.isfinite(sample.u)
    return (STATED,) if told.any() else ()


def _not_finite_rows(sample: Sample) -> tuple[str, ...]:
    if np.isfinite(sample.values).all():
        return ()
    bad = np.count_nonzero(~np.isfinite(sample.values), axis=0)
    return tuple(f"not finite: channel {channel.name}, {count} of {len(sample.values)} rows"
                 for channel, count in zip(sample.channels, bad, strict=False) if count)


def _not_finite_points(capture: ScanCapture) -> tuple[str, ...]:
    bad = [(b.plan.carrier_hz / 1e3, np.count_nonzero(~np.isfinite(b.counts))) for b in capture.bands]
    return tuple(f"not finite: band at {khz:g} kHz, {count} points" for khz, count in bad if count)
