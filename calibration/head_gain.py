"""The NQR head: from converter counts to field in fT, with the gain of each channel at the carrier.

The pilot tone only judges the gain; it never corrects it, so a failing channel cannot pass as a healthy one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calibration.correction import HEAD_CHANNELS, NqrHead
from calibration.reading import CalibratedBand

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.certificate import Statement
    from drivers.sample import BandCapture, ScanCapture

# Counts per fT of a head without a certificate: the head profile's nominal conversion.
NOMINAL_COUNTS_PER_FT = 40.0


@dataclass(frozen=True, slots=True)
class Gain:
    """Complex counts per fT of the eight channels at one carrier, complex128 [8], and its relative u."""

    counts_per_ft: NDArray[np.complex128]
    u_relative: float


NOMINAL_GAIN = Gain(np.full(HEAD_CHANNELS, NOMINAL_COUNTS_PER_FT, np.complex128), float("nan"))


def why_not_a_head(capture: ScanCapture, statement: Statement) -> str:
    """Return why the certificate does not fit this scan: kind, channels or band; empty if it does."""
    if not isinstance(statement.model, NqrHead):
        return f"certificate {statement.id} is for {statement.quantity}, not for the scans of an NQR head"
    lowest, highest = statement.model.points[0].frequency_khz, statement.model.points[-1].frequency_khz
    for band in capture.bands:
        khz = band.plan.carrier_hz / 1e3
        if band.counts.shape[0] != HEAD_CHANNELS:
            return f"the band at {khz:g} kHz has {band.counts.shape[0]} channels, not {HEAD_CHANNELS}"
        if not lowest <= khz <= highest:
            return (f"certificate {statement.id} covers {lowest:g} to {highest:g} kHz; "
                    f"the scan has a band at {khz:g} kHz")
    return ""


def gain_at(statement: Statement, model: NqrHead, khz: float) -> Gain:
    """Interpolate magnitude and phase linearly between the certificate's frequencies.

    The relative uncertainty is that of the complex gain (magnitude and phase) of the worst channel, with
    repeatability and, where it enters the value, the reference.
    """
    at = np.array([point.frequency_khz for point in model.points])
    magnitude = _between(at, [point.magnitude for point in model.points], khz)
    phase = _between(at, np.unwrap([point.phase_rad for point in model.points], axis=0), khz)
    u_magnitude = _between(at, [point.u_magnitude_relative for point in model.points], khz)
    u_phase = _between(at, [point.u_phase_rad for point in model.points], khz)
    u_reference = statement.reference.u if statement.reference.enters == "value" else 0.0
    worst = float((u_magnitude**2 + u_phase**2).max())
    u_relative = float(np.sqrt(worst + model.u_repeatability_relative**2 + u_reference**2))
    return Gain(magnitude * np.exp(1j * phase), u_relative)


def calibrated_band(band: BandCapture, gain: Gain) -> CalibratedBand:
    """Return a band in fT with the pilot gain of each channel.

    Without forward power the reflected share is unknown: NaN.
    """
    counts_per_ft = gain.counts_per_ft[:band.counts.shape[0], None, None]
    field_ft = (band.counts / counts_per_ft.astype(np.complex64)).astype(np.complex64, copy=False)
    return CalibratedBand(
        plan=band.plan, field_ft=field_ft, pilot_offset_hz=band.pilot_offset_hz,
        pilot_gain=_pilot_gain(field_ft, band), u_relative=gain.u_relative,
        reflected=band.reflected_w / band.forward_w if band.forward_w > 0.0 else float("nan"))


def _pilot_gain(field_ft: NDArray[np.complex64], band: BandCapture) -> NDArray[np.complex64]:
    """Return the pilot found over the pilot expected, shape [channels].

    The pilot has the same phase in every window, zero at the window's centre, so groups are averaged first.
    A Hann window keeps a strong station elsewhere in the band out of the estimate.
    """
    if not band.pilot_ft > 0.0:
        return np.full(field_ft.shape[0], np.nan, np.complex64)
    points = field_ft.shape[-1]
    time_s = (np.arange(points) - (points - 1) / 2.0) / band.plan.rate_hz
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(points) + 0.5) / points)
    tone = window / window.sum() * np.exp(-2j * np.pi * band.pilot_offset_hz * time_s)
    return np.asarray(field_ft.mean(axis=1) @ tone / band.pilot_ft).astype(np.complex64)


def _between(at: NDArray[np.float64], rows: object, khz: float) -> NDArray[np.float64]:
    table = np.asarray(rows, np.float64)
    return np.array([np.interp(khz, at, column) for column in table.T])
