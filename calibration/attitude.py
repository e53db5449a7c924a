"""Collect held attitudes of a magnetometer from its live stream: still periods count, motion does not.

Time is counted in rows of the stream; no clock is read. Every buffer is bounded by one hold.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calibration.directions import GAP_DEG_MAX, missing_octants, unit_directions, widest_gap
from calibration.vector_magnetometer import Attitudes

if TYPE_CHECKING:
    from calibration.vector_field import Floats

ATTITUDES_MAX = 500        # a day's work; bounds the memory of a forgotten session
BLOCKS_PER_HOLD = 5        # the first and last block of a still run may hold the end of a motion


@dataclass(frozen=True, slots=True)
class Holding:
    """When an attitude counts.

    The sensor is still while the block means of each axis stay within `still` (unit of the readings) for
    `hold_s`. A new attitude must be `separation_deg` away from all before it.
    """

    hold_s: float = 1.0
    still: float = 50.0
    separation_deg: float = 12.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the collection is, and what to do next, in words.

    `directions` [n, 3] are those of the attitudes so far, `now` [3] is the direction of the field at present,
    `gap_deg` the angle from the loneliest direction to its nearest attitude: at most `GAP_DEG_MAX` in the end.
    """

    attitudes: int
    wanted: int
    directions: Floats
    now: Floats
    missing: tuple[str, ...]
    gap_deg: float
    advice: str


class AttitudeCollector:
    """Takes rows [n, 3] as they come and keeps the mean of every attitude that was held."""

    def __init__(self, rate_hz: float, wanted: int, holding: Holding | None = None) -> None:
        self._holding = holding or Holding()
        self._wanted = min(wanted, ATTITUDES_MAX)
        self._block_rows = max(2, round(rate_hz * self._holding.hold_s / BLOCKS_PER_HOLD))
        self._pending = np.empty((0, 3))
        self._run: deque[Floats] = deque(maxlen=BLOCKS_PER_HOLD + 2)
        self._means: list[Floats] = []
        self._row_variances: list[Floats] = []
        self._mean_variances: list[tuple[float, float]] = []
        self._now = np.zeros(3)
        self._gap = (180.0, "")

    @property
    def complete(self) -> bool:
        """Whether as many attitudes were held as were wanted and they leave no wide gap."""
        covered = len(self._means) >= self._wanted and self._gap[0] <= GAP_DEG_MAX
        return covered or len(self._means) >= ATTITUDES_MAX

    def interrupt(self) -> None:
        """Forget the running hold: rows were lost, or the device itself doubts them."""
        self._pending = np.empty((0, 3))
        self._run.clear()

    def feed(self, rows: Floats) -> int:
        """Take rows [n, 3] and return how many attitudes they completed; a row not finite interrupts."""
        if not np.isfinite(rows).all():
            self.interrupt()
            return 0
        before = len(self._means)
        self._pending = np.concatenate([self._pending, rows])
        while len(self._pending) >= self._block_rows and not self.complete:
            block, self._pending = self._pending[:self._block_rows], self._pending[self._block_rows:]
            self._take(block)
        return len(self._means) - before

    def attitudes(self) -> Attitudes:
        """Return the means of all attitudes held so far, and their standard error, pooled over them.

        Only noise along the field counts: a hand that trembles turns the field and keeps its length. Noise
        slower than a block shows in the spread of the block means; the larger of the two is taken.
        """
        readings = np.array(self._means).reshape(-1, 3)
        variance = np.max(np.mean(self._mean_variances, axis=0)) if self._mean_variances else np.nan
        return Attitudes(readings, np.full(readings.shape, np.sqrt(variance)))

    def row_noise(self) -> Floats:
        """Return the standard deviation of a single row on each axis, pooled over the attitudes, [3]."""
        return np.sqrt(np.mean(self._row_variances, axis=0)) if self._row_variances else np.full(3, np.nan)

    def progress(self) -> Progress:
        """Return how far the collection is."""
        directions = unit_directions(self.attitudes().readings)
        missing = missing_octants(directions) if len(directions) else ()
        return Progress(len(self._means), self._wanted, directions, unit_directions(self._now[None])[0],
                        missing, self._gap[0], self._advice())

    def _take(self, block: Floats) -> None:
        """Add one block to the still run, or start the run again where the sensor has moved."""
        self._now = block.mean(axis=0)
        self._run.append(block)
        means = np.array([part.mean(axis=0) for part in self._run])
        if np.ptp(means, axis=0).max() > self._holding.still:
            self._run = deque([block], maxlen=BLOCKS_PER_HOLD + 2)
        elif len(self._run) == BLOCKS_PER_HOLD + 2 and self._is_new():
            self._keep(list(self._run)[1:-1])

    def _keep(self, blocks: list[Floats]) -> None:
        rows = np.array(blocks)
        mean = rows.mean(axis=(0, 1))
        along = rows @ unit_directions(mean[None])[0]
        fast = along.var(axis=1, ddof=1).mean() / along.size
        slow = along.mean(axis=1).var(ddof=1) / len(blocks)
        self._means.append(mean)
        self._row_variances.append(rows.var(axis=1, ddof=1).mean(axis=0))
        self._mean_variances.append((float(fast), float(slow)))
        self._gap = widest_gap(unit_directions(np.array(self._means)))

    def _is_new(self) -> bool:
        if not self._means:
            return True
        here = unit_directions(self._now[None])[0]
        nearest = float((unit_directions(np.array(self._means)) @ here).max())
        return bool(nearest < np.cos(np.radians(self._holding.separation_deg)))

    def _advice(self) -> str:
        if self.complete:
            return "enough attitudes"
        if not self._means:
            return "hold the sensor still in any position"
        if len(self._run) > 1 and self._is_new():
            return "hold still"
        gap_deg, gap = self._gap
        return f"turn the sensor until the field points along {gap}, {gap_deg:.0f} degrees from any attitude"
