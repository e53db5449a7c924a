"""The spectrum of each band of a scan, for the eye: power over its own median, and the lines expected. Pure.

Rule: it decides nothing. What the gateway decides by is in gateway/detection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from calibration.lines import covered
from drivers.nqr_profile import PageUnsound, captures_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandCapture

PILOT_BINS = 4      # on each side, that a strong tone between two bins leaks into
ARRAY_CHANNELS = 6  # of the head's eight; the last two are the reference sensors, far from the load


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One band: `db` over its median at `khz`, rising, both [256]; the covered substances' lines in it.

    At `pilot_khz` the head's own calibration tone stands, far above everything; it is no peak of the load.
    """

    carrier_khz: float
    khz: NDArray[np.float64]
    db: NDArray[np.float64]
    pilot_khz: float
    lines: tuple[tuple[float, str], ...]

    @property
    def peak(self) -> tuple[float, float]:
        """Where it is highest beside the pilot tone, in kHz, and how high, in dB."""
        aside = np.abs(self.khz - self.pilot_khz) > PILOT_BINS * (self.khz[1] - self.khz[0])
        place = int(np.argmax(np.where(aside, self.db, -np.inf)))
        return float(self.khz[place]), float(self.db[place])


def spectra_of(raw: bytes) -> tuple[Spectrum, ...]:
    """Return the spectra of a scan's raw data, by rising carrier; none where they are gone or damaged."""
    try:
        bands = captures_of(raw)
    except PageUnsound:
        return ()
    return tuple(sorted((spectrum_of(band) for band in bands), key=lambda one: one.carrier_khz))


def spectrum_of(band: BandCapture) -> Spectrum:
    """Return the mean power of the array's channels and all echo groups."""
    points = band.counts[:ARRAY_CHANNELS].astype(np.complex128)
    power = (np.abs(np.fft.fftshift(np.fft.fft(points, axis=2), axes=2)) ** 2).mean(axis=(0, 1))
    khz = (band.plan.carrier_hz + np.fft.fftshift(np.fft.fftfreq(points.shape[2], 1 / band.plan.rate_hz))) / 1e3
    floor = float(np.median(power))
    db = 10 * np.log10(np.maximum(power, 1e-30) / floor) if floor > 0 else np.zeros_like(power)
    near = tuple(line for line in expected() if khz[0] <= line[0] <= khz[-1])
    pilot_khz = (band.plan.carrier_hz + band.pilot_offset_hz) / 1e3
    return Spectrum(band.plan.carrier_hz / 1e3, khz, db, pilot_khz, near)


@cache
def expected() -> tuple[tuple[float, str], ...]:
    """Return the lines of the covered substances at the table's temperature, in kHz, with their substance."""
    return tuple(sorted((line.frequency_khz, substance.name) for substance in covered() for line in substance.lines))
