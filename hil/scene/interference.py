"""Everything in a band that is not the load: sensor noise, man-made noise, broadcast stations.

Noise follows physics of a complex baseband y with field = Re(y exp(i w t)): a one-sided density S of the
field gives E|y|^2 = 2 S^2 rate per point, so that d^2 = 2 s^H s / E|y|^2 = (2 / S^2) integral of field^2 dt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hil.scene.bay import ARRAY, CHANNELS, city_density_ft
from hil.scene.echo import GROUPS, POINTS, group_means, window_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from hil.scene.bay import Bay, Station


# The references stand 1.8 m away: a near field is a hundredth there, or less (prior).
REFERENCE_SHARE = 0.01


def sensor_noise(plan: BandPlan, bay: Bay, rng: np.random.Generator) -> NDArray[np.complex64]:
    """Return each channel's own noise, coloured across the band, averaged over echoes and trains."""
    # Twice the window is drawn and half of it kept: the cut-out is not periodic, as in the world.
    noise = _white(rng, (CHANNELS, GROUPS, 2 * POINTS))
    offset_hz = np.fft.fftfreq(2 * POINTS, 1 / plan.rate_hz)
    shape = np.sqrt(1.0 + (np.abs(offset_hz) / bay.edge_hz) ** bay.edge_exponent)
    coloured = np.fft.ifft(np.fft.fft(noise) * shape.astype(np.float32))[..., :POINTS]
    return np.asarray(coloured * point_sd(plan, bay.density_ft(plan.carrier_hz)), np.complex64)


def city_noise(plan: BandPlan, bay: Bay, rng: np.random.Generator) -> NDArray[np.complex128]:
    """Return man-made noise: one wave seen by all channels, array and reference alike."""
    wave = _white(rng, (GROUPS, POINTS)) * point_sd(plan, bay.city * city_density_ft(plan.carrier_hz))
    return coupling(bay, rng)[:, None, None] * wave


def station_field(plan: BandPlan, bay: Bay, station: Station, rng: np.random.Generator,
                  ) -> NDArray[np.complex128]:
    """Return a station's carrier and sidebands where they fall into the band, zero elsewhere; [8, 8, 256].

    Within a train the tones keep their phase and do not decay; from train to train their phase is random,
    because trains start seconds apart and bear no relation to the station.
    """
    side_ft = station.carrier_ft * station.depth / 2
    tones = ((0.0, station.carrier_ft), (station.audio_hz, side_ft), (-station.audio_hz, side_ft))
    wave = np.zeros((GROUPS, POINTS), np.complex128)
    for audio_hz, amplitude_ft in tones:
        offset_hz = station.frequency_khz * 1e3 + audio_hz - plan.carrier_hz
        trains = np.exp(2j * np.pi * rng.random(plan.trains)).mean()
        if abs(offset_hz) < plan.rate_hz / 2:
            groups = group_means(plan, np.exp(2j * np.pi * offset_hz * plan.echo_spacing_s))
            wave += amplitude_ft * trains * groups[:, None] * np.exp(2j * np.pi * offset_hz * window_s(plan))
    return coupling(bay, rng)[:, None, None] * wave


def ringdown_field(plan: BandPlan, bay: Bay) -> NDArray[np.complex128]:
    """Return what the coil's own ringing leaves in the window: at the carrier, alike after every pulse; [8, 1, 256].

    The coil stands around the load: the array's sensors feel it alike, the references a hundredth of it.
    """
    felt = np.where(np.arange(CHANNELS) < ARRAY, 1.0, REFERENCE_SHARE) * bay.ringdown_ft
    return np.asarray(felt[:, None, None] * np.exp(-window_s(plan) / bay.ringdown_s), np.complex128)


def coupling(bay: Bay, rng: np.random.Generator) -> NDArray[np.complex128]:
    """Return how each channel sees one far source: about 1, bent by whatever metal stands near it."""
    spread = rng.standard_normal(CHANNELS) + 1j * rng.standard_normal(CHANNELS)
    return np.asarray(1.0 + bay.coupling_spread * spread / np.sqrt(2.0), np.complex128)


def point_sd(plan: BandPlan, density_ft: float) -> float:
    """Return the standard deviation of |y| per delivered point for a one-sided density of the field."""
    return float(density_ft * np.sqrt(2.0 * plan.rate_hz / (plan.trains * plan.echoes_per_group)))


def _white(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.complex64]:
    """Return complex white noise with E|w|^2 = 1."""
    pairs = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return pairs.view(np.complex64)[..., 0]
