"""Frequency-selective likelihood ratio of every candidate substance, all its lines at one common temperature.

Rule: a fit looks at what is in the scene; what was taken out of it (gateway/detection/identify.py) speaks no more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.chisquare import BISECTIONS, log_sf_ratio
from gateway.detection.echo_search import FREQUENCIES, STEP_CELLS, WIDTH_FACTORS, Decay, Response, search, subtract
from gateway.detection.sensitivity import excited, ft_per_kg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.detection.beam import Beam
    from gateway.detection.hypotheses import Grid
    from gateway.detection.verdict import LineEvidence

# Degrees of freedom of the noise floor, and independent looks per hypothesis of a grid with all its widths: both
# fitted to 5000 emulated scans of nothing (tiers A to C, 60 and 300 s), whose tails follow 300 and 0.3 from 0.3 to
# 0.001. A median over 65 bins of 8 groups alone would have 660 degrees; beam weights and cancellation take the rest.
# Two thirds are added to the looks for what hazards leave behind; that costs 0.14 dB.
FLOOR_DOF: Final = 300
LOOKS_PER_HYPOTHESIS: Final = 0.5
# A line must not be weaker than the strongest one predicts by more than this factor: texture, T1 and T2 priors.
RATIO_TOLERANCE: Final = 2.0
# Bracket of the threshold search: a hundred times what any false-alarm probability in use demands.
STATISTIC_MAX: Final = 1e4
# Of a subtracted line, this share of its statistic may be left within so many of its widths: its true width and
# frequency lie between those searched (4 T1 T2 / (T1 + T2)^2 is 0.983 at a ratio of 1.3).
RESIDUE_SHARE: Final = 0.05
RESIDUE_WIDTHS: Final = 4.0
# One-sided probability that all lines compared with the strongest lie below their bounds. With a bound of 90 % for each
# of its five, 4 % of the TNT that theory detects was called somebody else's line (10 of 235); for all together, 0.4 %.
# A single partner is held closer: noise beside a foreign line passes for it more easily than for five.
BOUND_P: Final = 0.9
BOUND_P_ONE: Final = 0.7
PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class LineFit:
    """One line at the best hypothesis. `band` is -1 where the line lay outside every band, and z is 0.

    `amplitude` and `z` are without what a removed line may have left there; `bound_ft` is how strong the line may
    be at most, with it and with what a line taken out beside it took along.
    """

    band: int
    cell: int
    amplitude: complex
    u_ft: float
    z: float
    expected_ft_per_kg: float
    bound_ft: float


@dataclass(frozen=True, slots=True)
class Fit:
    """The best explanation of a scan by one substance.

    `log_p` is the natural log of its false-alarm probability per scan, over this substance's grid and, after
    `per_scan`, over all substances. `consistent` is false when a line that should show is missing.
    """

    grid: Grid
    statistic: float
    log_p: float
    kelvin: float
    deviation: float
    width: int
    lines: tuple[LineFit, ...]
    consistent: bool
    evidence: tuple[LineEvidence, ...] = ()
    accepted: bool = False


class Scene:
    """The beams of one scan and the filter responses computed from them so far."""

    def __init__(self, beams: tuple[Beam, ...], dwell_s: float, standoff_m: float) -> None:
        self.beams = list(beams)
        self.dwell_s = dwell_s
        self.standoff_m = standoff_m
        self._responses: dict[tuple[int, Decay], Response] = {}
        self._residue = np.zeros((len(beams), FREQUENCIES))
        self._taken_ft = np.zeros((len(beams), FREQUENCIES))

    def response(self, band: int, decay: Decay) -> Response:
        """The matched filter of one band for one decay, computed once."""
        key = band, decay
        if key not in self._responses:
            self._responses[key] = search(self.beams[band], decay)
        return self._responses[key]

    def responses(self, grid: Grid) -> dict[tuple[int, Decay], Response]:
        """All responses a grid looks at."""
        return {(int(b), p.decay): self.response(int(b), p.decay) for i, p in enumerate(grid.lines)
                for b in np.unique(grid.band[:, i]) if b >= 0}

    def statistic(self, band: int, decay: Decay) -> NDArray[np.float64]:
        """2 ln L of one line at [width, frequency], less what removed lines may have left there."""
        return np.asarray(np.maximum(self.response(band, decay).statistic - self._residue[band], 0.0))

    def taken_ft(self, band: int, cell: int) -> float:
        """How much of a line at this place lines that were removed may have taken along, in fT."""
        return float(self._taken_ft[band, cell])

    def remove(self, fit: Fit) -> None:
        """Subtract a fit's lines from their bands."""
        for placed, line in zip(fit.grid.lines, fit.lines, strict=True):
            if line.band >= 0:
                self.take_out(line.band, line.cell, placed.decay)

    def take_out(self, band: int, cell: int, decay: Decay) -> None:
        """Subtract one line where it is strongest within a step of the grid."""
        beam, response = self.beams[band], search(self.beams[band], decay)
        low = max(0, cell - STEP_CELLS)
        near = response.statistic[:, low: cell + STEP_CELLS + 1]
        width, step = np.unravel_index(int(np.argmax(near)), near.shape)
        amplitude = complex(response.amplitude[width, low + step])
        spectra = subtract(beam, decay, int(width), int(low + step), amplitude)
        self.beams[band] = replace(beam, spectra=spectra)
        fwhm_cells = WIDTH_FACTORS[width] / (math.pi * decay.t2star_s) * FREQUENCIES / beam.plan.rate_hz
        reach = round(RESIDUE_WIDTHS * fwhm_cells)
        self._residue[band, max(0, cell - reach): cell + reach + 1] += RESIDUE_SHARE * float(near.max())
        # Two echoes of one width this far apart share 1 / (1 + (offset / width)^2) of their amplitude.
        apart = (np.arange(FREQUENCIES) - low - step) / fwhm_cells
        self._taken_ft[band] += abs(amplitude) / (1.0 + apart**2)
        self._responses = {k: r for k, r in self._responses.items() if k[0] != band}


def best_fit(scene: Scene, grid: Grid, substances: int) -> Fit:
    """The most likely hypothesis of one substance, with the look-elsewhere of the whole scan counted."""
    total = sum(_statistics(scene, grid, column) for column in range(len(grid.lines)))
    at, width = np.unravel_index(int(np.argmax(total)), np.shape(total))
    statistic = float(np.max(total))
    bound_u = _bound_u(int(np.sum(grid.band[at] >= 0)))
    lines = tuple(_line(scene, grid, (int(at), int(width), column), bound_u) for column in range(len(grid.lines)))
    return Fit(grid, statistic, log_p(statistic, grid, substances), float(grid.kelvin[at]),
               float(grid.deviation[at]), int(width), lines, _consistent(lines))


def log_p(statistic: float, grid: Grid, substances: int) -> float:
    """Natural log of the chance that noise alone reaches this anywhere in any substance's grid (Bonferroni)."""
    looks = LOOKS_PER_HYPOTHESIS * len(grid.kelvin) * substances
    return min(0.0, math.log(looks) + log_sf_ratio(statistic, len(grid.lines), FLOOR_DOF))


def threshold(pfa: float, grid: Grid, substances: int) -> float:
    """The statistic whose `log_p` is log(pfa)."""
    return _threshold(math.log(pfa) - math.log(LOOKS_PER_HYPOTHESIS * len(grid.kelvin) * substances), len(grid.lines))


@lru_cache(maxsize=256)
def _threshold(log_sf: float, pairs: int) -> float:
    low, high = 0.0, STATISTIC_MAX
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if log_sf_ratio(middle, pairs, FLOOR_DOF) > log_sf else (low, middle)
    return high


def _statistics(scene: Scene, grid: Grid, column: int) -> NDArray[np.float64]:
    """One line's statistic at every hypothesis and width, [hypothesis, width]; 0 outside the bands."""
    found = np.zeros((len(grid.kelvin), len(WIDTH_FACTORS)))
    for b in np.unique(grid.band[:, column]):
        if b >= 0:
            rows = grid.band[:, column] == b
            found[rows] = scene.statistic(int(b), grid.lines[column].decay)[:, grid.cell[rows, column]].T
    return found


@lru_cache(maxsize=16)
def _bound_u(lines: int) -> float:
    """Bound of an amplitude in standard uncertainties, when each line but the strongest is held against its own."""
    return NormalDist().inv_cdf(BOUND_P_ONE if lines == PAIR else BOUND_P ** (1.0 / max(1, lines - 1)))


def _line(scene: Scene, grid: Grid, place: tuple[int, int, int], bound_u: float) -> LineFit:
    """One line at a hypothesis, width and column."""
    at, width, column = place
    band, cell, placed = int(grid.band[at, column]), int(grid.cell[at, column]), grid.lines[column]
    if band < 0:
        return LineFit(-1, 0, 0j, math.inf, 0.0, 0.0, math.inf)
    plan = scene.beams[band].plan
    response = scene.response(band, placed.decay)
    information = float(response.information[width, cell])
    offset_hz = (cell / response.information.shape[1] - 0.5) * plan.rate_hz
    expected = ft_per_kg(placed, plan, scene.dwell_s, scene.standoff_m, float(grid.kelvin[at]))
    z = float(scene.statistic(band, placed.decay)[width, cell])
    share = math.sqrt(z / max(float(response.statistic[width, cell]), 1e-12))
    amplitude, u_ft = complex(response.amplitude[width, cell]), 1.0 / math.sqrt(2.0 * information)
    return LineFit(band, cell, amplitude * share, u_ft, z, expected * float(excited(np.array(offset_hz))),
                   abs(amplitude) + bound_u * u_ft + scene.taken_ft(band, cell))


def leans_on_one(fit: Fit) -> bool:
    """True where nothing but one line speaks for a substance: it has no other, or the only partner needs noise's help.

    The partner's bound, without what noise may hide of it, then lies below what the stronger line predicts.
    """
    if len(fit.lines) != PAIR:
        return len(fit.lines) == 1
    bare = (replace(line, bound_ft=line.bound_ft - _bound_u(PAIR) * line.u_ft) if line.band >= 0 else line
            for line in fit.lines)
    return not _consistent(tuple(bare))


def _in_bands(lines: tuple[LineFit, ...]) -> int:
    return sum(line.band >= 0 for line in lines)


def _consistent(lines: tuple[LineFit, ...]) -> bool:
    """False when the strongest line predicts another that is not there: then it is somebody else's line.

    Where the others would lie outside every band nothing speaks for this substance but one line that any crystal may
    have.
    """
    strongest = max(lines, key=lambda line: line.z)
    if strongest.expected_ft_per_kg <= 0.0 or (len(lines) > 1 and _in_bands(lines) == 1):
        return False
    mass_kg = abs(strongest.amplitude) / strongest.expected_ft_per_kg
    return all(line.bound_ft > mass_kg * line.expected_ft_per_kg / RATIO_TOLERANCE for line in lines)
