"""Take out ringing of load and coil: it decays from the pulse on, at the carrier, alike after all pulses or in turns.

Ringing is fitted beside the echo, not under it, so that a line at the carrier stays whole. Pure arithmetic.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.chisquare import isf_even
from gateway.detection.head_array import GROUPS, POINTS
from gateway.detection.stations import subtract_tones

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan

# Decay times searched, in steps of 2 %, and how finely between the best one's neighbours: a step of 0.1 % leaves
# nothing of 1 pT above the noise, where 2 % left 6 fT under a line. From the coil's own to nearly a window's length:
# with 0.3 to 5 ms, ringing of 6 ms was named a substance in four scans of five, and 200 us of the coil in two.
DECAYS_S: Final = np.geomspace(50e-6, 12e-3, 278)
FINE_STEPS: Final = 41
# The middle of the window belongs to the echo: after 2.5 ms the longest-lived one has 0.5 % of its energy to come.
ECHO_HALF_S: Final = 2.5e-3
# Ringing is taken out when noise alone would show as much once in a million bands.
PFA: Final = 1e-6
# A second material may ring with another decay; more rounds would start to fit noise.
ROUNDS_MAX: Final = 3
# The sign that alternating ringing has from group to group.
TURNS: Final = np.where(np.arange(GROUPS) % 2, -1.0, 1.0)[:, None]
# Of the ringing's amplitude beside the echo, at least so much must be what no tone explains.
TOLD_SHARE: Final = 0.05


def without_ringing(beam: NDArray[np.complex128], floor: NDArray[np.float64], plan: BandPlan,
                    tones: NDArray[np.float64] | None = None) -> tuple[NDArray[np.complex128], float]:
    """The beam's spectra [group, bin] without ringing, and the amplitude taken out in fT at the pulse.

    Where the pulses' phase alternates, so does what rings with it: the mean of an even number of echoes has none of it,
    a group with an odd number has it with a sign of its own in turns, and it is taken out in a second look.
    `tones`, in cycles per sample, were projected out of the beam before. A tone near the carrier took its share of the
    ringing with it, so the ringing's shape goes the same way; beside the echo each tone is free, so that neither what
    was left of it nor what its projection spread from an echo over the window is taken for ringing.
    """
    tones = np.zeros(0) if tones is None else tones
    beam, alike_ft = _without_alike(beam, floor, plan, tones)
    if plan.echoes_per_group % 2 == 0:
        return beam, alike_ft
    turned, in_turns_ft = _without_alike(beam * TURNS, floor, plan, tones)
    return (turned * TURNS if in_turns_ft else beam), max(alike_ft, in_turns_ft)


def _without_alike(beam: NDArray[np.complex128], floor: NDArray[np.float64], plan: BandPlan,
                   tones: NDArray[np.float64]) -> tuple[NDArray[np.complex128], float]:
    """As `without_ringing`, of ringing that is the same in all groups."""
    limit = isf_even(PFA / len(DECAYS_S), 1) * float(floor[:3].mean()) / (2.0 * GROUPS)
    coarse = (_shapes(plan.rate_hz, plan.echo_spacing_s) if not len(tones)
              else _decaying(DECAYS_S, plan.rate_hz, plan.echo_spacing_s, tones))[0]
    mean = np.fft.ifft(beam.mean(axis=0), norm="ortho")
    removed, amplitude_ft = np.zeros(POINTS, np.complex128), 0.0
    for _ in range(ROUNDS_MAX):
        found = np.abs(coarse.conj() @ (mean - removed))
        best = int(np.argmax(found))
        if found[best] ** 2 <= limit:
            break
        ringing, at_pulse_ft = _fitted(mean - removed, best, plan, tones)
        removed += ringing
        amplitude_ft += at_pulse_ft
    return (beam - np.fft.fft(removed, norm="ortho") if amplitude_ft else beam), amplitude_ft


def _fitted(samples: NDArray[np.complex128], best: int, plan: BandPlan,
            tones: NDArray[np.float64]) -> tuple[NDArray[np.complex128], float]:
    """The ringing itself [256] and its amplitude at the pulse, its decay refined between the best one's neighbours."""
    low, high = DECAYS_S[max(0, best - 1)], DECAYS_S[min(len(DECAYS_S) - 1, best + 1)]
    beside, whole = _decaying(np.geomspace(low, high, FINE_STEPS), plan.rate_hz, plan.echo_spacing_s, tones)
    found = beside.conj() @ samples
    finest = int(np.argmax(np.abs(found)))
    amplitude = complex(found[finest] / (beside[finest].conj() @ whole[finest]))
    return np.asarray(amplitude * subtract_tones(whole[finest], tones)), abs(amplitude)


@lru_cache(maxsize=8)
def _shapes(rate_hz: float, echo_spacing_s: float) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    return _decaying(DECAYS_S, rate_hz, echo_spacing_s, np.zeros(0))


def _decaying(decays_s: NDArray[np.float64], rate_hz: float, echo_spacing_s: float,
              tones: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Unit-norm ringing beside the echo, zero under it, and the whole of it, 1 at the pulse: both [decay, 256].

    What lies beside the echo has no part that any of the tones could explain there.
    """
    late = (np.arange(POINTS) - (POINTS - 1) / 2.0) / rate_hz
    whole = np.exp(-(late + echo_spacing_s / 2.0)[None, :] / decays_s[:, None]).astype(np.complex128)
    apart = np.abs(late) > ECHO_HALF_S
    beside = np.zeros_like(whole)
    beside[:, apart] = subtract_tones(whole[:, apart], tones, apart)
    norm = np.linalg.norm(beside, axis=1)
    # Tones all around the carrier could explain any ringing: then none is seen.
    told = norm > TOLD_SHARE * np.linalg.norm(whole[:, apart], axis=1)
    return np.where(told, 1.0 / norm, 0.0)[:, None] * beside, whole
