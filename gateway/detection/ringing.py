"""Take out piezo-electric and magneto-acoustic ringing: it decays from the pulse on, at the carrier, in every echo.

Ringing is fitted beside the echo, not under it, so that a line at the carrier stays whole. Pure arithmetic.
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

# Decay times searched, in steps of 2 %, and how finely between the best one's neighbours: a step of 0.1 % leaves
# nothing of 1 pT above the noise, where 2 % left 6 fT under a line.
DECAYS_S: Final = np.geomspace(0.3e-3, 5e-3, 144)
FINE_STEPS: Final = 41
# The middle of the window belongs to the echo: after 2.5 ms the longest-lived one has 0.5 % of its energy to come.
ECHO_HALF_S: Final = 2.5e-3
# Ringing is taken out when noise alone would show as much once in a million bands.
PFA: Final = 1e-6
# A second material may ring with another decay; more rounds would start to fit noise.
ROUNDS_MAX: Final = 3


def without_ringing(beam: NDArray[np.complex128], floor: NDArray[np.float64],
                    plan: BandPlan) -> tuple[NDArray[np.complex128], float]:
    """The beam's spectra [group, bin] without ringing, and the amplitude taken out in fT at the pulse."""
    limit = isf_even(PFA / len(DECAYS_S), 1) * float(floor[:3].mean()) / (2.0 * GROUPS)
    coarse, _ = _shapes(plan.rate_hz, plan.echo_spacing_s)
    mean = np.fft.ifft(beam.mean(axis=0), norm="ortho")
    removed, amplitude_ft = np.zeros(POINTS, np.complex128), 0.0
    for _ in range(ROUNDS_MAX):
        found = np.abs(coarse @ (mean - removed))
        best = int(np.argmax(found))
        if found[best] ** 2 <= limit:
            break
        ringing = _fitted(mean - removed, best, plan)
        removed += ringing
        amplitude_ft += float(np.abs(ringing[0]) * np.exp(_since_pulse_s(plan)[0] / DECAYS_S[best]))
    return (beam - np.fft.fft(removed, norm="ortho") if amplitude_ft else beam), amplitude_ft


def _fitted(samples: NDArray[np.complex128], best: int, plan: BandPlan) -> NDArray[np.complex128]:
    """The ringing itself [256], its decay refined between the neighbours of the best one searched."""
    low, high = DECAYS_S[max(0, best - 1)], DECAYS_S[min(len(DECAYS_S) - 1, best + 1)]
    beside, whole = _decaying(np.geomspace(low, high, FINE_STEPS), plan.rate_hz, plan.echo_spacing_s)
    found = beside @ samples
    finest = int(np.argmax(np.abs(found)))
    return np.asarray(found[finest] / float(beside[finest] @ whole[finest]) * whole[finest])


def _since_pulse_s(plan: BandPlan) -> NDArray[np.float64]:
    return np.asarray(plan.echo_spacing_s / 2.0 + (np.arange(POINTS) - (POINTS - 1) / 2.0) / plan.rate_hz)


@lru_cache(maxsize=8)
def _shapes(rate_hz: float, echo_spacing_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _decaying(DECAYS_S, rate_hz, echo_spacing_s)


def _decaying(decays_s: NDArray[np.float64], rate_hz: float,
              echo_spacing_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit-norm ringing beside the echo, zero under it, and the whole of it, 1 at the pulse: both [decay, 256]."""
    late = (np.arange(POINTS) - (POINTS - 1) / 2.0) / rate_hz
    whole = np.exp(-(late + echo_spacing_s / 2.0)[None, :] / decays_s[:, None])
    beside = whole * (np.abs(late) > ECHO_HALF_S)
    return beside / np.linalg.norm(beside, axis=1)[:, None], whole
