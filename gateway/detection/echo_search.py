"""Matched filter of one band for an echo train at every frequency, width and decay. Exact in coloured noise.

Model (Somasundaram et al., IEEE TGRS 45 (2007) 925), echo centre in mid-window, window n of group g:
    y = A sum_m exp(-(t + m mu) / Te) exp(-|t - tsp| / T2*) exp(2 pi i f (t - tsp)) + noise
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.head_array import GROUPS, POINTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from gateway.detection.beam import Beam

# Frequencies searched: half a bin apart, 39 Hz at 20 kHz, a tenth of the narrowest line.
FREQUENCIES: Final = 2 * POINTS
# Hypotheses are laid two search cells apart: half of it costs a 500 Hz wide line less than 1 % of its energy.
STEP_CELLS: Final = 2
# Crystals of poor quality have wider lines: T2* divided by these.
WIDTH_FACTORS: Final = (1.0, 1.7, 3.0)
# Offsets within this share of half the band; beyond, the head's anti-alias filter leaves nothing to see.
BAND_SHARE: Final = 0.98


@dataclass(frozen=True, slots=True)
class Decay:
    """What makes the shape of a line's echo train: T2e in s, T2* in s of a good crystal."""

    t2e_s: float
    t2star_s: float


@dataclass(frozen=True, slots=True)
class Response:
    """The filter's answer, [width factor][frequency index].

    `amplitude` is the complex least-squares amplitude at the first pulse, in fT; `information` is s^H R^-1 s in
    1 / fT^2, so that 2 |amplitude|^2 information is chi-square with 2 degrees of freedom in noise alone.
    """

    amplitude: NDArray[np.complex128]
    information: NDArray[np.float64]

    @property
    def statistic(self) -> NDArray[np.float64]:
        """2 ln of the likelihood ratio of one line of free complex amplitude."""
        return 2.0 * np.abs(self.amplitude) ** 2 * self.information


def offsets_hz(rate_hz: float) -> NDArray[np.float64]:
    """The frequencies searched, as offsets from the carrier, ascending."""
    return (np.arange(FREQUENCIES) - FREQUENCIES // 2) * rate_hz / FREQUENCIES


def search(beam: Beam, decay: Decay) -> Response:
    """Match every frequency and width at once: numerator and information are Fourier transforms.

    num(f) = sum_n y[n] e[n] exp(-2 pi i f n), with y = R^-1 x; info(f) transforms the lags of e times those of
    R^-1 (circulant: the floor is diagonal in frequency).
    """
    groups = group_decay(beam.plan, decay.t2e_s)
    inverse = 1.0 / beam.floor
    whitened = np.fft.ifft((groups @ beam.spectra) * inverse, norm="ortho")
    envelopes, lags = _envelopes(beam.plan, decay)
    numerator = np.fft.fftshift(np.fft.fft(whitened * envelopes, FREQUENCIES), axes=1)
    precision = np.fft.ifft(inverse)
    kernel = precision[np.arange(-POINTS + 1, POINTS) % POINTS]
    wrapped = np.zeros((len(WIDTH_FACTORS), FREQUENCIES), np.complex128)
    wrapped[:, np.arange(-POINTS + 1, POINTS) % FREQUENCIES] = lags * kernel
    information = np.fft.fftshift(np.fft.fft(wrapped).real, axes=1) * float(groups @ groups)
    return Response(_centred(numerator) / information, information)


def subtract(beam: Beam, decay: Decay, width: int, frequency: int, amplitude: complex) -> NDArray[np.complex128]:
    """The beam's spectra [group, bin] without this line."""
    envelope = _envelopes(beam.plan, decay)[0][width]
    n = np.arange(POINTS) - (POINTS - 1) / 2.0
    echo = envelope * np.exp(2j * np.pi * (frequency - FREQUENCIES // 2) / FREQUENCIES * n)
    line = np.fft.fft(amplitude * echo, norm="ortho")
    return beam.spectra - group_decay(beam.plan, decay.t2e_s)[:, None] * line


def group_decay(plan: BandPlan, t2e_s: float) -> NDArray[np.float64]:
    """Mean of exp(-m mu / Te) over the echoes m of each group; shape [8]."""
    echoes = np.arange(GROUPS * plan.echoes_per_group).reshape(GROUPS, plan.echoes_per_group)
    return np.asarray(np.exp(-echoes * plan.echo_spacing_s / t2e_s).mean(axis=1))


def echo_energy(plan: BandPlan, decay: Decay, width_factor: float) -> float:
    """Sum of the squares of a train of unit amplitude at its first pulse, over groups and points."""
    return float(np.sum(group_decay(plan, decay.t2e_s) ** 2) * np.sum(_envelope(plan, decay, width_factor) ** 2))


def _centred(numerator: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Refer the phase to the echo centre, which lies between two samples."""
    turns = (np.arange(FREQUENCIES) - FREQUENCIES // 2) / FREQUENCIES * (POINTS - 1) / 2.0
    return np.asarray(numerator * np.exp(2j * np.pi * turns))


def _envelope(plan: BandPlan, decay: Decay, width_factor: float) -> NDArray[np.float64]:
    late = (np.arange(POINTS) - (POINTS - 1) / 2.0) / plan.rate_hz
    since_pulse = late + plan.echo_spacing_s / 2.0
    return np.asarray(np.exp(-since_pulse / decay.t2e_s - np.abs(late) * width_factor / decay.t2star_s))


@lru_cache(maxsize=64)
def _envelopes(plan: BandPlan, decay: Decay) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Echo envelopes [width, 256] and their autocorrelations [width, 511], lag 0 in the middle."""
    envelopes = np.stack([_envelope(plan, decay, factor) for factor in WIDTH_FACTORS])
    return envelopes, np.stack([np.correlate(e, e, "full") for e in envelopes])
