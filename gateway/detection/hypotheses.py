"""Where the lines of a substance may lie together: one temperature and one deviation of slope for all of them.

A hypothesis picks one search cell per line. Lines outside every band are absent and count as unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from calibration.lines import Role, Substance, line_table
from calibration.priors import SLOPE_HALF_RANGE_HZ_PER_K, properties
from gateway.detection.echo_search import BAND_SHARE, FREQUENCIES, STEP_CELLS, Decay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.lines import Line
    from drivers.sample import BandPlan

# Carrier and baseband rate of a band, Hz.
Span: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Placed:
    """A line with what the search needs of it."""

    line: Line
    decay: Decay
    slope_hz_per_k: float
    slope_half_range: float

    def frequency_hz(self, kelvin: float, deviation: float) -> float:
        """Where the line lies at this temperature, if its slope deviates so far (-1 to 1 of the half range)."""
        slope = self.slope_hz_per_k + deviation * self.slope_half_range
        return self.line.frequency_khz * 1e3 + slope * (kelvin - line_table().reference_temperature_k)


@dataclass(frozen=True, slots=True)
class Grid:
    """All distinguishable hypotheses of a substance.

    `band` and `cell` are [hypothesis, line]: the band's index (-1: in none) and the frequency index in it.
    `kelvin` and `deviation` are [hypothesis]. Lines that no band ever holds are left out of `lines`.
    Before equal ones are dropped there are hundreds of times as many: short types, and the nearest band found by
    bisection, keep the peak of laying them out 38 MB lower.
    """

    substance: Substance
    lines: tuple[Placed, ...]
    band: NDArray[np.int16]
    cell: NDArray[np.int16]
    kelvin: NDArray[np.float32]
    deviation: NDArray[np.float32]


def candidates() -> tuple[Substance, ...]:
    """Covered substances first, then calibrants and confusers: what may explain a line without being an alarm."""
    table = line_table()
    return tuple(s for role in (Role.TARGET, Role.CALIBRANT, Role.CONFUSER) for s in table.substances(role))


def grids(plans: tuple[BandPlan, ...], low_k: float, high_k: float) -> tuple[Grid, ...]:
    """The grids of all candidates that have a line in some band between these temperatures."""
    return grids_of(tuple((plan.carrier_hz, plan.rate_hz) for plan in plans), low_k, high_k)


@lru_cache(maxsize=4)
def grids_of(bands: tuple[Span, ...], low_k: float, high_k: float) -> tuple[Grid, ...]:
    """The same for (carrier Hz, baseband rate Hz) of each band. Half a second the first time, then kept."""
    made = (_grid(substance, bands, low_k, high_k) for substance in candidates())
    return tuple(grid for grid in made if grid.lines)


def place(line: Line) -> Placed:
    """A line's figures from the table, or the marked priors where the table gives none."""
    known = properties(line)
    slope = known.slope_hz_per_k
    half = slope.half_range or SLOPE_HALF_RANGE_HZ_PER_K
    return Placed(line, Decay(known.t2e_s.value, known.t2star_us.value * 1e-6), slope.value, half)


def _grid(substance: Substance, bands: tuple[Span, ...], low_k: float, high_k: float) -> Grid:
    placed = tuple(place(line) for line in substance.lines)
    kelvin, deviation = _axes(placed, bands, low_k, high_k)
    where = [_cells(p.frequency_hz(kelvin, deviation), bands) for p in placed]  # type: ignore[arg-type]  # arrays
    seen = [i for i, (band, _) in enumerate(where) if (band >= 0).any()]
    if not seen:
        empty = np.zeros((0, 0), np.int16)
        return Grid(substance, (), empty, empty, np.zeros(0, np.float32), np.zeros(0, np.float32))
    band, cell = (np.stack([where[i][k] for i in seen], axis=1) for k in (0, 1))
    _, first = np.unique(np.concatenate([band, cell], axis=1), axis=0, return_index=True)
    first = np.sort(first)
    first = first[(band[first] >= 0).any(axis=1)]
    return Grid(substance, tuple(placed[i] for i in seen), band[first], cell[first],
                kelvin[first].astype(np.float32), deviation[first].astype(np.float32))


def _axes(placed: tuple[Placed, ...], bands: tuple[Span, ...], low_k: float,
          high_k: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Temperatures and deviations fine enough that no line moves by more than a step, flattened."""
    step_hz = STEP_CELLS * min(rate for _, rate in bands) / FREQUENCIES
    steepest = max(abs(p.slope_hz_per_k) + p.slope_half_range for p in placed)
    away_k = max(abs(t - line_table().reference_temperature_k) for t in (low_k, high_k))
    kelvin = np.linspace(low_k, high_k, int((high_k - low_k) * steepest / step_hz) + 2)
    widest = max(p.slope_half_range for p in placed) * away_k
    deviation = np.linspace(-1.0, 1.0, 2 * int(widest / step_hz) + 1)
    # Nominal slopes first: np.unique keeps the first of equal cells, the least far-fetched explanation.
    deviation = deviation[np.argsort(np.abs(deviation), kind="stable")]
    return np.tile(kelvin, len(deviation)), np.repeat(deviation, len(kelvin))


def _cells(frequency_hz: NDArray[np.float64],
           bands: tuple[Span, ...]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Band index and frequency index of each frequency, in the band whose carrier is nearest; -1 in none."""
    carrier, rate = np.array(bands).T
    order = np.argsort(carrier)
    between = (carrier[order][1:] + carrier[order][:-1]) / 2.0
    nearest = order[np.searchsorted(between, frequency_hz)]
    offset = frequency_hz - carrier[nearest]
    inside = np.abs(offset) < BAND_SHARE * rate[nearest] / 2.0
    index = np.round(offset / (rate[nearest] * STEP_CELLS / FREQUENCIES)).astype(np.int16) * STEP_CELLS
    return (np.where(inside, nearest, -1).astype(np.int16),
            np.where(inside, index + FREQUENCIES // 2, 0).astype(np.int16))
