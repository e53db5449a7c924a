"""Is there a resonance line in one spectrometer record? The record itself says what its noise is. Pure.

Rule: the stated false-alarm probability is exact for white complex Gaussian noise around the line, and only there.

The points are transformed with no window, so that the bins of white noise are independent, each an exponential
variable. The mean power of the bins inside the line window, over that of reference bins on both sides of it, follows
Fisher's F with twice as many degrees of freedom as there are bins (Richards, Fundamentals of Radar Signal
Processing, 2nd edition, section 6.5: cell-averaging CFAR). A stray tone among the reference bins makes the answer
more careful, never less; a stray tone inside the window cannot be told from a line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gateway.detection.chisquare import BISECTIONS, log_sf_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drivers.nqrduck_file import Measurement

# The reference lies from one width to twenty widths beside the window's edge: near enough to be the same noise, far
# enough for a strong line's skirts; and it has this many bins at least, for a threshold near that of known noise.
GUARD_WIDTHS, REFERENCE_WIDTHS = 1.0, 20.0
REFERENCE_BINS_MIN = 32

# A receiver's filter ends before half the sample rate.
BAND_SHARE = 0.45


class SearchRefused(ValueError):
    """The record cannot answer the question; the message says why."""


@dataclass(frozen=True, slots=True)
class LineSearch:
    """The answer. `statistic` is the window's mean power over the reference's; a line is said above `threshold`.

    `p_value` is the probability of this much or more in noise alone, `pfa` that of the threshold. `peak_hz` is the
    strongest bin of the window. Degrees of freedom are twice the bins of each.
    """

    present: bool
    statistic: float
    threshold: float
    pfa: float
    p_value: float
    window_bins: int
    reference_bins: int
    peak_hz: float
    carrier_hz: float


def nearest(measurements: Sequence[Measurement], line_hz: float) -> Measurement:
    """Return the record whose carrier lies nearest: the pulse excites no others."""
    return min(measurements, key=lambda one: abs(one.carrier_hz - line_hz))


def search_line(record: Measurement, line_hz: float, width_hz: float, pfa: float) -> LineSearch:
    """Look for a line within `width_hz` around `line_hz`; raises SearchRefused."""
    count = len(record.points)
    offsets = np.fft.fftfreq(count, 1.0 / record.rate_hz)
    zero_hz = record.carrier_hz - record.line_offset_hz     # the frequency that baseband 0 stands for
    away = np.abs(offsets - (line_hz - zero_hz))
    reach = BAND_SHARE * record.rate_hz
    if abs(line_hz - zero_hz) + width_hz / 2 > reach:
        span = f"{(zero_hz - reach) / 1e3:.3f} to {(zero_hz + reach) / 1e3:.3f} kHz"
        raise SearchRefused(f"line at {line_hz / 1e3:g} kHz: the record covers {span}")
    window = away <= width_hz / 2
    if not window.any():
        raise SearchRefused(f"width {width_hz / 1e3:g} kHz: must be at least {record.rate_hz / count / 1e3:.3g} kHz, "
                            "the resolution of the record")
    inner, outer = (0.5 + GUARD_WIDTHS) * width_hz, (0.5 + REFERENCE_WIDTHS) * width_hz
    reference = (away > inner) & (away <= outer) & (np.abs(offsets) <= reach)
    if int(reference.sum()) < REFERENCE_BINS_MIN:
        raise SearchRefused(f"width {width_hz / 1e3:g} kHz: only {int(reference.sum())} bins beside the window tell "
                            f"the noise, {REFERENCE_BINS_MIN} are needed: another width, or a longer record")
    found = _judged(record, window, reference, pfa)
    return replace(found, peak_hz=found.peak_hz + zero_hz)


def _judged(
    record: Measurement, window: NDArray[np.bool_], reference: NDArray[np.bool_], pfa: float,
) -> LineSearch:
    """Return the answer, with the peak's frequency in baseband."""
    power = np.sum(np.abs(np.fft.fft(record.points, axis=0)) ** 2, axis=1)
    noise = float(power[reference].mean())
    if not 0.0 < noise < math.inf:
        raise SearchRefused("the record holds no noise beside the line: it was made, not measured, or is cut off")
    columns = record.points.shape[1]
    bins, beside = int(window.sum()), int(reference.sum())
    statistic = float(power[window].mean()) / noise
    peak = int(np.flatnonzero(window)[np.argmax(power[window])])
    peak_hz = float(np.fft.fftfreq(len(power), 1.0 / record.rate_hz)[peak])
    threshold = ratio_threshold(pfa, bins * columns, beside * columns)
    p_value = math.exp(log_sf_ratio(2 * bins * columns * statistic, bins * columns, 2 * beside * columns))
    return LineSearch(
        statistic > threshold, statistic, threshold, pfa, p_value, bins, beside, peak_hz, record.carrier_hz)


@lru_cache(maxsize=256)
def ratio_threshold(pfa: float, pairs_above: int, pairs_below: int) -> float:
    """Value that F with twice these degrees of freedom exceeds with probability `pfa`: exact, by bisection."""
    def log_tail(ratio: float) -> float:
        return log_sf_ratio(2 * pairs_above * ratio, pairs_above, 2 * pairs_below)

    low, high, goal = 0.0, 1.0, math.log(pfa)
    while log_tail(high) > goal:
        high *= 2.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if log_tail(middle) > goal else (low, middle)
    return (low + high) / 2.0
