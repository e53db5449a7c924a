"""The noise floor of a band, read past lines and stations by a running median. Pure arithmetic.

The floor is smooth (a tuned sensor's response), so a median over 5 kHz outvotes a line of half a kilohertz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.head_array import POINTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan

# No magnetometer is quieter, in fT/sqrt(Hz) at one channel: the energy resolution limit S^2 V / (2 mu0) >= hbar, which
# no sensor is known to pass by much (Mitchell and Palacios Alvarez, Rev. Mod. Phys. 92 (2020) 021001), gives this for a
# cell of a quarter of a litre, and the best RF magnetometers published reach 0.2. What is quieter is not noise of a
# sensor but rounding: constants, equal values, a pattern.
DENSITY_FT_MIN: Final = 1e-3
# Bins of one median: 5 kHz at 20 kHz, against lines of 10 bins at most.
FLOOR_BINS: Final = 65
# The floor changes slowly: a median every 8 bins, straight lines between.
STRIDE: Final = 8


def noise_floor(power: NDArray[np.float64], averages: int, left_out: NDArray[np.bool_] | None = None,
                ) -> NDArray[np.float64]:
    """Expected noise power per bin, [256] in FFT order, from power that is the mean of so many exponentials.

    `left_out` marks bins that do not count. Infinite where nothing counts.
    """
    ordered = np.fft.fftshift(power)
    if left_out is not None:
        ordered = np.where(np.fft.fftshift(left_out), np.nan, ordered)
    half = FLOOR_BINS // 2
    padded = np.concatenate([ordered[half:0:-1], ordered, ordered[-2:-half - 2:-1]])
    windows = np.lib.stride_tricks.sliding_window_view(padded, FLOOR_BINS)[::STRIDE]
    counted = ~np.isnan(windows).all(axis=1)
    if not counted.any():
        return np.full(POINTS, np.inf)
    medians = np.nanmedian(windows[counted], axis=1) if np.isnan(windows).any() else np.median(windows, axis=1)
    smooth = np.interp(np.arange(POINTS), np.arange(0, POINTS, STRIDE)[counted], medians)
    # Median of a Gamma(n) over its mean is 1 - 1/(3n) (Wilson-Hilferty, first order).
    return np.asarray(np.fft.ifftshift(smooth / (1.0 - 1.0 / (3.0 * averages))))


def densities_ft(power: NDArray[np.float64], plan: BandPlan) -> NDArray[np.float64]:
    """One-sided noise density of each channel in fT/sqrt(Hz), from [channel, group, bin] powers of a unitary FFT.

    E|w|^2 = 2 S^2 rate / (trains echoes_per_group) per point; the median of an exponential is ln 2 of its mean.
    """
    averaged = plan.trains * plan.echoes_per_group / (2.0 * plan.rate_hz)
    return np.asarray(np.sqrt(np.median(power, axis=(1, 2)) / np.log(2.0) * averaged))
