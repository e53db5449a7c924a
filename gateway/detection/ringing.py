"""Take out piezo-electric and magneto-acoustic ringing: it decays from the pulse on, at the carrier, in every echo.

An echo is centred in its window and ringing starts before it, so the two hardly overlap. Pure arithmetic.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.chisquare import isf_even
from gateway.detection.head_array import GROUPS, POINTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan

# Decay times searched, fine enough that the nearest one leaves less than 1 % of the amplitude (steps of 2 %).
DECAYS_S: Final = np.geomspace(0.3e-3, 5e-3, 144)
# Echo shapes that must not explain the same samples better: near the carrier, T2* of the table's lines.
ECHO_T2STAR_S: Final = (0.25e-3, 0.64e-3, 1.2e-3)
ECHO_OFFSET_HZ: Final = np.linspace(-600.0, 600.0, 13)
# Ringing is taken out when noise alone would show as much once in a million bands.
PFA: Final = 1e-6
# A second material may ring with another decay; more rounds would start to fit noise.
ROUNDS_MAX: Final = 3


def without_ringing(beam: NDArray[np.complex128], floor: NDArray[np.float64],
                    plan: BandPlan) -> tuple[NDArray[np.complex128], float]:
    """The beam's spectra [group, bin] without ringing, and the amplitude taken out in fT at the pulse."""
    shapes, echoes, scale = _shapes(plan.rate_hz, plan.echo_spacing_s)
    limit = isf_even(PFA / len(DECAYS_S), 1) * float(floor[:3].mean()) / (2.0 * GROUPS)
    mean = np.fft.ifft(beam.mean(axis=0), norm="ortho")
    removed, amplitude_ft = np.zeros(POINTS, np.complex128), 0.0
    for _ in range(ROUNDS_MAX):
        found = shapes @ (mean - removed)
        best = int(np.argmax(np.abs(found)))
        if np.abs(found[best]) ** 2 <= max(limit, float(np.max(np.abs(echoes @ (mean - removed)) ** 2))):
            break
        removed += found[best] * shapes[best]
        amplitude_ft += float(np.abs(found[best]) * scale[best])
    return (beam - np.fft.fft(removed, norm="ortho") if amplitude_ft else beam), amplitude_ft


@lru_cache(maxsize=8)
def _shapes(rate_hz: float, echo_spacing_s: float) -> tuple[NDArray[np.float64], NDArray[np.complex128],
                                                           NDArray[np.float64]]:
    """Unit-norm ringing [decay, 256] and conjugate echoes [shape, 256]; fT at the pulse per unit of the first."""
    late = (np.arange(POINTS) - (POINTS - 1) / 2.0) / rate_hz
    ringing = np.exp(-(late + echo_spacing_s / 2.0)[None, :] / DECAYS_S[:, None])
    norm = np.linalg.norm(ringing, axis=1)
    echoes = np.stack([np.exp(-np.abs(late) / t2star - 2j * np.pi * f * late)
                       for t2star in ECHO_T2STAR_S for f in ECHO_OFFSET_HZ])
    return ringing / norm[:, None], echoes / np.linalg.norm(echoes, axis=1)[:, None], 1.0 / norm
