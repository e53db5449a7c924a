"""What the lane's network sees of a flagged window: its white steps and what no dipole explains, at one length. Pure.

Any number of channels gives the same layout, however the sensor is turned; the model card pins the layout's number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYOUT: Final = 1
BINS: Final = 64
# Three principal components of the white window; what the fit leaves, in noise and in peaks; energy, scale and excess.
PLANES: Final = 8
COMPONENTS: Final = 3
SHAPE: Final = (BINS, PLANES)


def portrait(white: NDArray[np.float64], left: NDArray[np.float64], tau_s: float) -> NDArray[np.float32]:
    """Return the picture [BINS, PLANES] of white steps and of what a fit left of them, both [rows, channels]."""
    rows, channels = white.shape
    turned, sizes, _ = np.linalg.svd(white, full_matrices=False)
    courses = turned * sizes
    # A component's sign is chance: its largest value is made positive.
    courses *= np.where(courses[np.abs(courses).argmax(axis=0), np.arange(courses.shape[1])] < 0.0, -1.0, 1.0)
    peak = max(float(np.abs(courses).max()), 1.0)
    picture = np.zeros(SHAPE)
    used = min(COMPONENTS, courses.shape[1])
    picture[:, :used] = resampled(courses[:, :used]) / peak
    strongest = np.abs(left).max(axis=1)
    picture[:, 3] = np.arcsinh(largest(strongest)) / 3.0
    picture[:, 4] = largest(strongest) / peak
    energy = float(np.sum(white**2))
    excess = float(np.sum(left**2)) / (rows * channels)
    picture[:, 5:] = math.log1p(energy) / 10.0, math.log(tau_s), math.log(max(excess, 1e-3)) / 3.0
    return picture.astype(np.float32)


def resampled(courses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of steps [rows, n] over equal shares of the window: [BINS, n]."""
    rows = len(courses)
    sums = np.concatenate([np.zeros((1, courses.shape[1])), np.cumsum(courses, axis=0)])
    edges = np.linspace(0.0, rows, BINS + 1)
    at = np.stack([np.interp(edges, np.arange(rows + 1), column) for column in sums.T], axis=1)
    return np.asarray(np.diff(at, axis=0) * (BINS / rows))


def largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest of the steps [rows] that each equal share of the window touches: [BINS]."""
    rows = len(values)
    edges = [(k * rows // BINS, -(-(k + 1) * rows // BINS)) for k in range(BINS)]
    return np.array([values[low:max(high, low + 1)].max() for low, high in edges])
