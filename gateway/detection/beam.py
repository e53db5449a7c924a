"""From a calibrated band to one beam towards the load, with its noise spectrum. Linear up to the noise estimate.

Order: pilot out, interference out, channels joined, ringing out, noise measured. A dead channel takes no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.floor import DENSITY_FT_MIN, densities_ft, noise_floor
from gateway.detection.head_array import ARRAY, GROUPS, POINTS, REFERENCES, steering
from gateway.detection.interference import cancel, quiet_bins
from gateway.detection.ringing import without_ringing
from gateway.detection.stations import find_carriers, find_tones, subtract_tones, tone_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import CalibratedBand
    from drivers.sample import BandPlan

# A channel whose pilot comes back weaker or stronger than this has lost its gain: amplifier, cell or cable.
PILOT_GAIN_MIN: Final = 0.5
PILOT_GAIN_MAX: Final = 2.0
# Diagonal loading, share of the mean channel power: keeps a beam stable when the geometry is not quite nominal.
LOADING: Final = 0.1


@dataclass(frozen=True, slots=True)
class Beam:
    """One band looking at the load.

    `spectra` is complex128 [group 8][bin 256], unitary FFT of the field on the axis at the sensor, in fT; `floor`
    [256] is the noise power E|w|^2 per bin of one group; `tones` marks bins with a station; `alive` has one
    entry per channel. `heard` and `seen` [256] are the mean power of the references and of the array over their
    medians before anything was taken out: what a station or ringing looked like. `ringing_ft` is the amplitude of the
    ringing taken out, at the pulse; 0 where none was.
    """

    plan: BandPlan
    spectra: NDArray[np.complex128]
    floor: NDArray[np.float64]
    tones: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    heard: NDArray[np.float64]
    seen: NDArray[np.float64]
    ringing_ft: float


class BandBlind(ValueError):
    """A band shows nothing of the load: no array channel has a pilot tone, or there is no noise to measure against."""


def form_beam(band: CalibratedBand, standoff_m: float) -> Beam:
    """The beam of one band. Raises `BandBlind` where there is nothing to see with."""
    gain = np.abs(band.pilot_gain)
    alive = (gain > PILOT_GAIN_MIN) & (gain < PILOT_GAIN_MAX) & np.isfinite(band.field_ft).all(axis=(1, 2))
    if not alive[ARRAY].any():
        raise BandBlind(f"{band.plan.carrier_hz / 1e3:g} kHz: no array channel returns the pilot tone")
    samples = _without_pilot(band, alive)
    before = np.fft.fft(samples, norm="ortho")
    # A channel in which most bins hold less than any sensor's noise is not a measurement, whatever its pilot says.
    if not densities_ft(np.abs(before[alive]) ** 2, band.plan).min() > DENSITY_FT_MIN:
        raise BandBlind(f"{band.plan.carrier_hz / 1e3:g} kHz: no noise, so these are not measured values")
    tones = find_tones(samples[REFERENCES][alive[REFERENCES]])
    spectra = np.fft.fft(subtract_tones(samples, tones), norm="ortho")
    array, marked = spectra[ARRAY][alive[ARRAY]], tone_bins(tones)
    array = cancel(array, spectra[REFERENCES][alive[REFERENCES]], quiet_bins(array, marked))
    weights = beam_weights(array, marked, steering(standoff_m)[alive[ARRAY]])
    beam = np.tensordot(weights.conj(), array, axes=1)
    beam, carriers, ringing_ft = _without_hazards(beam, _floor(beam, marked), band.plan, tones)
    marked |= tone_bins(carriers)
    heard, seen = (_excess(before[part][alive[part]]) for part in (REFERENCES, ARRAY))
    return Beam(band.plan, beam, _floor(beam, marked), marked, alive, heard, seen, ringing_ft)


def _floor(beam: NDArray[np.complex128], tones: NDArray[np.bool_]) -> NDArray[np.float64]:
    return noise_floor(np.mean(np.abs(beam) ** 2, axis=0), GROUPS, tones)


def _excess(spectra: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Mean power per bin over its median; 1 everywhere where no channel is alive."""
    if not len(spectra):
        return np.ones(POINTS)
    power = np.mean(np.abs(spectra) ** 2, axis=(0, 1))
    return np.asarray(power / np.median(power))


def _without_hazards(beam: NDArray[np.complex128], floor: NDArray[np.float64], plan: BandPlan,
                     tones: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.float64], float]:
    """Take out ringing and what is too narrow for an echo: the spectra, those carriers, the ringing's amplitude.

    Where both are there the ringing is fitted again with the carriers known: each bends the other.
    """
    still, ringing_ft = without_ringing(beam, floor, plan, tones)
    samples = np.fft.ifft(still, norm="ortho")
    carriers = find_carriers(samples, plan.rate_hz)
    if not len(carriers):
        return still, carriers, ringing_ft
    if ringing_ft:
        samples = np.fft.ifft(beam, norm="ortho")
    known = np.append(tones, carriers)
    still = np.fft.fft(subtract_tones(samples, known), norm="ortho")
    if ringing_ft:
        still, ringing_ft = without_ringing(still, floor, plan, known)
    return still, carriers, ringing_ft


def _without_pilot(band: CalibratedBand, alive: NDArray[np.bool_]) -> NDArray[np.complex128]:
    """Subtract the injected tone, fitted per channel over all groups: it keeps its phase from echo to echo."""
    tone = np.exp(2j * np.pi * band.pilot_offset_hz / band.plan.rate_hz * np.arange(POINTS))
    field = np.where(alive[:, None, None], band.field_ft, 0.0).astype(np.complex128)
    return np.asarray(field - (field @ tone.conj() / POINTS).mean(axis=1)[:, None, None] * tone)


def beam_weights(array: NDArray[np.complex128], tones: NDArray[np.bool_],
                 look: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Weights [channel] of least noise that pass a load on the axis unchanged: R^-1 a / (a^H R^-1 a).

    R comes from bins without tone and without line, so that the beam does not null the load.
    """
    quiet = quiet_bins(array, tones)
    chosen = quiet if quiet.sum() >= len(look) else np.ones_like(quiet)
    snapshots = array[:, :, chosen].reshape(len(look), -1)
    covariance = snapshots @ snapshots.conj().T / snapshots.shape[1]
    covariance += np.eye(len(look)) * LOADING * np.trace(covariance).real / len(look)
    solved = np.linalg.solve(covariance, look)
    return np.asarray(solved / (look @ solved))
