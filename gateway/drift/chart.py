"""Page's two-sided cumulative sums, side by side: has a quantity left its reference, and by how much. Pure.

E. S. Page, Biometrika 41 (1954) 100. One scan alone never makes a drift, and a scan without a value changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray  # noqa: TC002  msgspec reads the annotations

from gateway.drift.bounds import CALM_SCANS, SIZE_SCANS, SPREAD_ALLOWANCE, SPREAD_INTERVAL, Bounds
from gateway.drift.reference import masked_median

# Of the interval, what one scan may add at most.
ONE_SCAN: Final = 0.75


@dataclass(slots=True)
class Charts:
    """As many charts as deviations come with each scan; `spread` is what one scan scatters by in control."""

    bounds: Bounds
    up: NDArray[np.float64]
    down: NDArray[np.float64]
    recent: NDArray[np.float64]   # the last deviations, newest last, [SIZE_SCANS, charts]
    calm: NDArray[np.int64]       # scans in a row within the allowance, at most CALM_SCANS
    drifted: NDArray[np.bool_]
    spread: float = 0.0

    @classmethod
    def begun(cls, bounds: Bounds, count: int) -> Self:
        """Return charts at their reference."""
        return cls(bounds, np.zeros(count), np.zeros(count), np.full((SIZE_SCANS, count), np.nan),
                   np.zeros(count, np.int64), np.zeros(count, np.bool_))

    @property
    def allowance(self) -> float:
        """What a scan may deviate by without being counted."""
        return max(self.bounds.allowance, SPREAD_ALLOWANCE * self.spread)

    @property
    def interval(self) -> float:
        """What the counted part must sum up to."""
        return max(self.bounds.interval, SPREAD_INTERVAL * self.spread)

    @property
    def size(self) -> NDArray[np.float64]:
        """By how much each has gone from its reference: the median of its last scans; NaN before the first."""
        return masked_median(self.recent)

    def take(self, deviation: NDArray[np.float64]) -> None:
        """Take one scan's deviations [charts]; NaN where a chart has none."""
        seen = np.isfinite(deviation)
        step = np.where(seen, deviation, 0.0)
        self.recent[:, seen] = np.concatenate([self.recent[1:, seen], deviation[None, seen]])
        for total, towards in ((self.up, step), (self.down, -step)):
            added = np.minimum(towards - self.allowance, ONE_SCAN * self.interval)
            # At most the interval is kept: what was far away for long must not take as long to come back.
            total[seen] = np.clip(total + added, 0.0, self.interval)[seen]
        near = seen & (np.abs(step) <= self.allowance)
        self.calm[near] = np.minimum(self.calm[near] + 1, CALM_SCANS)
        self.calm[seen & ~near] = 0
        self.drifted |= (self.up >= self.interval) | (self.down >= self.interval)
        over = self.drifted & (self.calm >= CALM_SCANS)
        self.drifted[over] = False
        self.up[over] = self.down[over] = 0.0
