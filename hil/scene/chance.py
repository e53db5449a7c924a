"""Noise that can be asked for at any sample: the value depends on key and position, never on earlier calls.

A counter is hashed (splitmix64, Steele, Lea and Flood, OOPSLA 2014) and shaped by Box and Muller.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP: Final = 0x9E3779B97F4A7C15
_MASK: Final = 2**64 - 1

# Flicker noise is a sum of octaves of smooth noise, from 1/64 s (above it white noise rules) to 2 hours.
FASTEST_S: Final = 1.0 / 64.0
OCTAVES: Final = 19
# One octave of unit variance has the one-sided spectrum 2 tau sinc^4(f tau); their sum is 2 / (3 ln 2 f).
FLICKER_VARIANCE: Final = 1.5 * np.log(2.0)


@lru_cache(maxsize=4096)
def key_of(*words: int) -> int:
    """Return one 64-bit key from several numbers; any change of any of them changes it."""
    key = 0
    for word in words:
        key = int(_mix(np.array([(key ^ (word & _MASK)) & _MASK], np.uint64))[0])
    return key


def gaussian(key: int, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return standard normal values, one for each index; same shape."""
    counter = index.astype(np.uint64)
    first = _uniform(_mix(counter * np.uint64(2) + np.uint64(key)))
    second = _uniform(_mix(counter * np.uint64(2) + np.uint64((key + 1) & _MASK)))
    return np.asarray(np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second))


def flicker(key: int, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1/f noise with a one-sided density of 1 per sqrt(Hz) at 1 Hz, valid below about 30 Hz."""
    if not time_s.size:
        return np.zeros_like(time_s)
    place = time_s / (FASTEST_S * 2.0 ** np.arange(OCTAVES)[:, None])
    left = np.floor(place).astype(np.int64)
    share = place - left
    # Only the knots in reach are drawn, all octaves in one go; slow ones have two for a whole block. An
    # octave's number goes into the high bits of the counter, which no knot's number reaches in a century.
    first = left.min(axis=1)
    count = left.max(axis=1) + 2 - first
    begin = np.cumsum(count) - count
    octave = np.repeat(np.arange(OCTAVES), count)
    knots = gaussian(key, np.arange(count.sum()) + (first - begin)[octave] + (octave << 48))
    at = left - first[:, None] + begin[:, None]
    mixed = knots[at] * (1.0 - share) + knots[at + 1] * share
    return np.asarray(mixed.sum(axis=0) * np.sqrt(FLICKER_VARIANCE))


def _mix(counter: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return splitmix64 of each counter."""
    z = counter * np.uint64(_STEP) + np.uint64(_STEP)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return values in (0, 1]; zero would have no logarithm."""
    return np.asarray(((bits >> np.uint64(11)).astype(np.float64) + 1.0) / 2.0**53)
