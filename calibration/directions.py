"""Directions on the sphere around a sensor: which octants are covered, where the widest gap lies, in words.

Directions are those of the field in the sensor's own frame, rows of length one.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

OCTANTS = tuple(" ".join(f"{sign}{axis}" for sign, axis in zip(signs, "xyz", strict=True))
                for signs in product("+-", repeat=3))
# A component below sin 22.5 degrees is not worth naming: the direction is nearer to the other axes.
NAMED_COMPONENT = 0.38
# Computed: even coverage by 14 attitudes leaves 54 degrees, by 24 some 40; half a sphere leaves 90.
GAP_DEG_MAX = 75.0
# About 7 degrees between neighbours: finer than a hand can aim a sensor.
GRID_POINTS = 800


def unit_directions(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows [n, 3] scaled to length one; a row of zeros stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0.0, lengths, 1.0))


def octant_counts(directions: NDArray[np.float64]) -> tuple[int, ...]:
    """Return how many directions lie in each octant, in the order of `OCTANTS`."""
    index = (directions < 0.0) @ np.array([4, 2, 1])
    return tuple(int(count) for count in np.bincount(index, minlength=8))


def missing_octants(directions: NDArray[np.float64]) -> tuple[str, ...]:
    """Return the names of the octants without any direction, such as `+x -y +z`."""
    return tuple(name for name, count in zip(OCTANTS, octant_counts(directions), strict=True) if not count)


def widest_gap(directions: NDArray[np.float64]) -> tuple[float, str]:
    """Return the angle in degrees from the loneliest direction to its nearest neighbour, and its name."""
    if not len(directions):
        return 180.0, direction_name(np.array([0.0, 0.0, 1.0]))
    grid = spread_directions(GRID_POINTS)
    nearest = (grid @ directions.T).max(axis=1)
    loneliest = int(np.argmin(nearest))
    gap_deg = np.degrees(np.arccos(np.clip(nearest[loneliest], -1.0, 1.0)))
    return float(gap_deg), direction_name(grid[loneliest])


def direction_name(direction: NDArray[np.float64]) -> str:
    """Say a direction by the axes it leans on, such as `-z` or `+x -y`."""
    return " ".join(f"{'+' if part > 0 else '-'}{axis}" for part, axis in zip(direction, "xyz", strict=True)
                    if abs(part) > NAMED_COMPONENT)


def spread_directions(count: int) -> NDArray[np.float64]:
    """Return `count` directions spread evenly over the sphere (Fibonacci lattice), shape [count, 3]."""
    step = np.arange(count) + 0.5
    height = 1.0 - 2.0 * step / count
    azimuth = step * np.pi * (3.0 - np.sqrt(5.0))
    radius = np.sqrt(1.0 - height**2)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], axis=1)
