"""What a quantity was like when it was accepted: given by a certificate, or the median of the first scans. Pure.

Rule: a reference is learnt once, and learnt anew only where somebody says so; one that followed would hide a drift.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray  # noqa: TC002  msgspec reads the annotations

# Two successive scans differ by their scatter alone: a slow drift while learning does not pass for scatter.
PAIR: Final = 2.0


@dataclass(slots=True)
class Reference:
    """Of one quantity, an array of any shape; `value` is None until it is learnt. NaN where no scan told it.

    `rows` are the scans it is learnt from, kept until `wanted` of them are there.
    """

    wanted: int
    circular: bool = False                 # an angle in radians
    value: NDArray[np.float64] | None = None
    rows: list[NDArray[np.float64]] = field(default_factory=list)
    complete: bool = False

    def learn(self, row: NDArray[np.float64]) -> bool:
        """Take one accepted scan; tell whether it was the last one wanted."""
        if self.complete or not np.isfinite(row).any():
            return False
        self.rows.append(row)
        if len(self.rows) < self.wanted:
            return False
        if self.value is None:
            self.value = middle(np.stack(self.rows), circular=self.circular)
        self.complete = True
        return True

    def deviation(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much a scan differs from the reference; NaN where it has none."""
        if self.value is None:
            return np.full(row.shape, np.nan)
        return wrapped(row - self.value) if self.circular else row - self.value


def middle(rows: NDArray[np.float64], *, circular: bool) -> NDArray[np.float64]:
    """Median over the scans of each cell; of angles, around their mean direction, so that no cut is in the way."""
    if not circular:
        return masked_median(rows)
    seen = np.where(np.isfinite(rows), np.exp(1j * np.where(np.isfinite(rows), rows, 0.0)), 0.0)
    towards = np.angle(seen.sum(axis=0))
    return wrapped(towards + masked_median(wrapped(rows - towards)))


def masked_median(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over the first axis of what is finite; NaN where nothing is."""
    ordered = np.sort(np.where(np.isfinite(rows), rows, np.inf), axis=0)
    count = np.isfinite(rows).sum(axis=0)[None]
    places = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, len(rows) - 1)
    low, high = (np.take_along_axis(ordered, at, axis=0)[0] for at in places)
    with np.errstate(invalid="ignore"):
        return np.where(count[0] > 0, (low + high) / 2.0, np.nan)


def masked_mean(cells: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean of what is finite; NaN where nothing is."""
    seen = np.isfinite(cells)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(seen, cells, 0.0).sum(axis=axis) / seen.sum(axis=axis))


def wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles within half a turn to both sides."""
    return np.asarray((angle + np.pi) % (2.0 * np.pi) - np.pi)


def spread(statistics: NDArray[np.float64]) -> float:
    """Standard deviation of one scan, pooled over charts, from the differences of successive scans [scan, chart]."""
    steps = np.diff(statistics, axis=0)
    steps = steps[np.isfinite(steps)]
    return float(np.sqrt(np.mean(steps**2) / PAIR)) if len(steps) else 0.0
