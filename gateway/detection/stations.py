"""Find the carriers of broadcast stations, in the reference channels first, and subtract them.

A tone is taken out when the references hear it, or when no echo could be so narrow: never a line of the load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.chisquare import isf_even
from gateway.detection.floor import noise_floor
from gateway.detection.head_array import GROUPS, POINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# A tone is believed when noise alone would show one in a hundred bands; a false one costs one bin of 256.
TONE_PFA: Final = 0.01
# A band of 20 kHz holds at most three stations of a 9 kHz raster, each a carrier with its strongest sidebands.
TONES_MAX: Final = 16
# Half-bin steps find a tone to 0.25 bins; the steps below then converge quadratically.
PADDING: Final = 2
REFINEMENTS: Final = 6
# Tones closer than this, in bins, are one tone to a window of 256 points.
APART_BINS: Final = 0.7
# The longest-lived line of the table (RDX 0.91 ms, urea-d4 0.93 ms) rounded up: the narrowest echo there is.
ECHO_T2STAR_S: Final = 1e-3
# An echo that explains a peak is centred within its own width of it.
RIVAL_BINS: Final = 6
# A tone must beat every echo by this much of 2 ln L. At the worst strength, where half of a line's energy reaches the
# limit of a tone with the help of noise, a line of 1 ms is then taken for a tone 2 times in 3000 (at most 0.0021), as
# often as the noise beside it is; with no margin and no train held against it, 8 times in 1000.
MARGIN: Final = 12.0
# A train is laid out to last two T2e of its lines (calibration.schedule): how its groups die away.
GROUP_WEIGHTS: Final = np.exp(-np.arange(GROUPS) / 4.0)
# Bins on each side of a tone that a line must not be read from.
TONE_HALF_WIDTH: Final = 1


def find_tones(references: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Frequencies, in cycles per sample, of the tones in [reference, group, 256] samples; strongest first."""
    windows = references.reshape(-1, POINTS)
    return _search(windows, _no_rival) if len(windows) else np.zeros(0)


def find_carriers(beam: NDArray[np.complex128], rate_hz: float) -> NDArray[np.float64]:
    """Tones in the beam's samples [group, 256] too weak for the references: narrower than any echo.

    An echo lasts a millisecond and fills several bins: the shortest-lived line puts under 0.4 of its energy
    into a tone's single frequency. What a steady tone explains better than an echo does is not a line.
    """
    late = (np.arange(POINTS) - (POINTS - 1) / 2.0) / rate_hz
    echo = np.exp(-np.abs(late) / ECHO_T2STAR_S)
    echo *= np.sqrt(POINTS) / np.linalg.norm(echo)
    return _search(beam, lambda left, floor: _echo_power(left * echo, floor))


def _no_rival(_left: NDArray[np.complex128], _floor: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.zeros(PADDING * POINTS)


def _echo_power(matched: NDArray[np.complex128], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a tone must have in power to be likelier than an echo at each frequency.

    Two echoes are held against it: one as free in every group as the tone is, and a train, whose groups keep their
    phase and die away. The train has one complex amplitude instead of eight, so seven of the tone's count for nothing.
    """
    train = np.abs(np.fft.fft(GROUP_WEIGHTS @ matched, PADDING * POINTS)) ** 2 / np.sum(GROUP_WEIGHTS**2) / GROUPS
    free = (GROUPS - 1) / GROUPS * floor
    return np.asarray(np.maximum(_power(matched), train + free) + MARGIN / (2.0 * GROUPS) * floor)


def _search(windows: NDArray[np.complex128],
            rival: Callable[[NDArray[np.complex128], NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Take the strongest tone, refine all, subtract, until noise or the rival explanation is stronger."""
    near = np.arange(-RIVAL_BINS * PADDING, RIVAL_BINS * PADDING + 1)
    limit = isf_even(TONE_PFA / (PADDING * POINTS), len(windows)) / (2.0 * len(windows))
    tones, left = np.zeros(0), windows
    while len(tones) < TONES_MAX:
        power = _power(left)
        floor = np.repeat(noise_floor(power[::PADDING], len(windows)), PADDING)
        peak = int(np.argmax(power / floor))
        tone = peak / (PADDING * POINTS)
        noise = limit * floor[peak]
        explained = np.take(rival(left, floor), peak + near, mode="wrap").max()
        if power[peak] <= max(noise, explained) or _crowded(tone, tones):
            break
        tones = _refined(windows, np.append(tones, tone))
        left = subtract_tones(windows, tones)
    return tones


def _power(windows: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.asarray(np.mean(np.abs(np.fft.fft(windows, PADDING * POINTS)) ** 2, axis=0))


def subtract_tones(samples: NDArray[np.complex128], tones: NDArray[np.float64],
                   kept: NDArray[np.bool_] | None = None) -> NDArray[np.complex128]:
    """Project the tones out of the last axis (256 samples), with a free amplitude and phase in every window.

    With `kept` [256] the last axis holds those samples of the window alone.
    """
    if not len(tones):
        return samples
    basis = np.linalg.qr(_waves(tones) if kept is None else _waves(tones)[kept])[0]
    return np.asarray(samples - (samples @ basis.conj()) @ basis.T)


def tone_bins(tones: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Bins (FFT order) on or beside a tone."""
    marked = np.zeros(POINTS, bool)
    nearest = np.round(tones * POINTS).astype(int)
    for step in range(-TONE_HALF_WIDTH, TONE_HALF_WIDTH + 1):
        marked[(nearest + step) % POINTS] = True
    return marked


def _crowded(tone: float, tones: NDArray[np.float64]) -> bool:
    """True next to a tone already found: what is left there is not a tone (a modulated or drifting carrier)."""
    distance = np.abs((tones - tone + 0.5) % 1.0 - 0.5)
    return bool(len(tones)) and float(distance.min()) * POINTS < APART_BINS


def _waves(tones: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.exp(2j * np.pi * np.outer(np.arange(POINTS) - (POINTS - 1) / 2.0, tones))


def _refined(windows: NDArray[np.complex128], tones: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gauss-Newton on all frequencies at once, amplitudes eliminated (variable projection)."""
    ramp = 2j * np.pi * (np.arange(POINTS) - (POINTS - 1) / 2.0)
    for _ in range(REFINEMENTS):
        waves = _waves(tones)
        inverse = np.linalg.pinv(waves)
        amplitudes = inverse @ windows.T
        slopes = ramp[:, None] * waves
        slopes = slopes - waves @ (inverse @ slopes)
        residual = windows.T - waves @ amplitudes
        hessian = (slopes.conj().T @ slopes) * (amplitudes.conj() @ amplitudes.T)
        gradient = np.sum(amplitudes.conj() * (slopes.conj().T @ residual), axis=1)
        tones = tones + np.clip(_step(hessian.real, gradient.real), -0.5 / POINTS, 0.5 / POINTS)
    return tones


def _step(hessian: NDArray[np.float64], gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton's step; the least one where two tones ran into each other and the matrix is singular."""
    try:
        return np.asarray(np.linalg.solve(hessian, gradient))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(hessian, gradient, rcond=None)[0])
