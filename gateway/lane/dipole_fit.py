"""What a pass tells of the object: when it was closest, how near, how large a moment, each with its uncertainty.

One sensor gives closest approach over speed, and moment over distance cubed. Metres and A m^2 follow from a prior on
the speed alone, so most of their uncertainty is its. Ferrous mass in motion, nothing more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gateway.detection.verdict import Anomaly, Passage
from gateway.lane.anderson import FUNCTIONS, functions, lags_of
from gateway.lane.bank import centred
from gateway.lane.pass_posterior import FACTOR, LATE_SCALES, Posterior, Seen, draw, likelihoods

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.lane.background import Background

# The prior (an assumption): speed uniform between a slow walk and a slow drive, closest approach as likely in each
# octave of the lane's width.
SPEED_MPS = (0.3, 2.0)
CLOSEST_M = (0.3, 5.0)
# Values drawn from what the data and the prior leave open; 68 % intervals are then good to about 2 %.
DRAWS = 4000
DRAWS_MIN = 100
SEED = 20_111                      # the same pass gives the same figures, in this record and in its check
INSIDE = 0.6827                    # of a normal distribution within one standard deviation
STEPS_MAX = 12                     # of the search for time and scale; it converges in three to six
SETTLED = 1e-5                     # of the scale: below its uncertainty for the strongest pass
# Where the search begins, in scales of the find: the best few of these.
START_SCALES = (0.5, 0.7, 1.0, 1.4, 2.0)
START_LATES = (-1.0, -0.5, 0.0, 0.5, 1.0)
STARTS = 3
STEP_SHARE = 0.02                  # of the scale: for derivatives by differences
# Energy that the fit leaves, over what noise leaves, as a share of the energy found: more is no single straight pass.
UNLIKE_SHARE = 0.03
MU0_OVER_4PI = 1e-7


@dataclass(frozen=True, slots=True)
class Sighting:
    """An anomaly with the white steps [rows, channels] that show it.

    `closest_at` is the monotonic time of the middle row in nanoseconds, without the delays of the line.
    """

    anomaly: Anomaly
    tau_s: float
    white: NDArray[np.float64]
    background: Background
    step_s: float
    closest_at: int


@dataclass(frozen=True, slots=True)
class Fit:
    """Best time (s after the middle) and scale of a pass, and what it leaves of the white steps [rows, channels].

    `covariance` [2, 2] of time and ln(scale) is that of the linear fit: it says where to look, not how sure it is.
    """

    late_s: float
    tau_s: float
    covariance: NDArray[np.float64]
    left: NDArray[np.float64]

    @property
    def energy_left(self) -> float:
        """What it does not explain, over all steps and channels."""
        return float(np.sum(self.left**2))


def fit(seen: Sighting) -> Anomaly:
    """Return the anomaly with its passage, or as it is where this was no single pass in a straight line."""
    found = search(seen)
    return seen.anomaly if found is None else told(seen, found)


def told(seen: Sighting, found: Fit) -> Anomaly:
    """Return the anomaly with what a fit tells of the object; as it is where the fit leaves too much."""
    passage = _passage(seen, found) if explained(seen, found) else None
    return seen.anomaly if passage is None else replace(seen.anomaly, passage=passage)


def explained(seen: Sighting, found: Fit) -> bool:
    """Tell whether one dipole on a straight line explains what was seen."""
    return unexplained(seen, found) <= 1.0


def unexplained(seen: Sighting, found: Fit) -> float:
    """Return the energy that a fit leaves beyond noise, over what one dipole on a straight line may leave."""
    rows, channels = seen.white.shape
    excess = found.energy_left - (rows - FUNCTIONS) * channels
    return float(excess / max(seen.anomaly.threshold, UNLIKE_SHARE * seen.anomaly.energy))


def search(seen: Sighting) -> Fit | None:
    """Return the best of the fits from the likeliest places of a coarse grid: one channel has several local ones."""
    known, starts = _known(seen), []
    for tau_s in (scale * seen.tau_s for scale in START_SCALES):
        late_s = np.array(START_LATES) * tau_s
        starts += list(zip(-likelihoods(known, tau_s, late_s)[0], late_s, [tau_s] * late_s.size, strict=True))
    likeliest = [(float(late_s), tau_s) for _, late_s, tau_s in sorted(starts)[:STARTS]]
    fits = [one for one in (_refined(seen, *start) for start in likeliest) if one is not None]
    return min(fits, key=lambda one: one.energy_left) if fits else None


def _known(seen: Sighting) -> Seen:
    return Seen(seen.white, seen.background, seen.tau_s, seen.step_s)


def _refined(seen: Sighting, late_s: float, tau_s: float) -> Fit | None:
    """Gauss and Newton on time and scale; the coefficients are linear and solved for on the way."""
    y = _flat(seen.white)
    for _ in range(STEPS_MAX):
        shapes = _white(seen, late_s, tau_s)
        coefficients = np.linalg.lstsq(shapes, y, rcond=None)[0]
        slope = STEP_SHARE * tau_s
        later = (_white(seen, late_s + slope, tau_s) - _white(seen, late_s - slope, tau_s)) @ coefficients
        wider = (_white(seen, late_s, tau_s + slope) - _white(seen, late_s, tau_s - slope)) @ coefficients
        known = np.column_stack([shapes, later / (2.0 * slope), wider / (2.0 * STEP_SHARE)])
        solved = np.linalg.lstsq(known, y, rcond=None)[0]
        # Half a scale at a time: far from the solution the slopes say little.
        move_s, stretch = float(np.clip(solved[-2], -tau_s / 2, tau_s / 2)), float(np.clip(solved[-1], -0.5, 0.5))
        if abs(move_s) < SETTLED * tau_s and abs(stretch) < SETTLED:
            break
        late_s, tau_s = late_s + move_s, tau_s * math.exp(stretch)
        within = seen.tau_s / FACTOR < tau_s < FACTOR * seen.tau_s
        if not (within and abs(late_s) < LATE_SCALES * seen.tau_s):
            return None
    triangle = np.asarray(np.linalg.qr(known)[1])
    if np.abs(np.diag(triangle)).min() <= 0.0:
        return None
    root = np.linalg.inv(triangle)[-2:]
    left = (y - shapes @ coefficients).reshape(seen.white.shape)
    return Fit(late_s, tau_s, np.asarray(root @ root.T), left)


def _white(seen: Sighting, late_s: float, tau_s: float) -> NDArray[np.float64]:
    """Return the white shapes of a pass: [rows * channels, channels * functions]."""
    rows, order = len(seen.white), seen.background.order
    half = rows // 2
    shape = functions(tau_s, seen.step_s, -half - order, half, late_s)
    white = seen.background.shapes(lags_of(shape, order))
    return _flat(white)


def _flat(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return white steps or shapes [rows, channels, ...] row by row, without their level: drift has one too."""
    return centred(white).reshape(white.shape[0] * white.shape[1], *white.shape[2:])


def _passage(seen: Sighting, found: Fit) -> Passage | None:
    """Draw from what data and prior leave open, and sum it up."""
    rng = np.random.default_rng(SEED)
    drawn = draw(_known(seen), (found.late_s, math.log(found.tau_s)), found.covariance, DRAWS, rng)
    closest_m = rng.uniform(*SPEED_MPS, DRAWS) * drawn.tau_s
    weights = ((closest_m > CLOSEST_M[0]) & (closest_m < CLOSEST_M[1])).astype(float)
    size_t, likely = _sizes(drawn, rng)
    weights_moment = weights * likely
    weights *= drawn.likely
    if not (_enough(weights) and _enough(weights_moment)):
        return None
    moment_am2 = size_t / MU0_OVER_4PI * closest_m**3
    late_s, u_late_s = _interval(drawn.late_s, weights)
    crossing, metres, moment = (_interval(drawn.tau_s, weights), _interval(closest_m, weights),
                                _interval(moment_am2, weights_moment))
    return Passage(seen.closest_at + round(late_s * 1e9), u_late_s, *crossing, *metres, *moment)


def _enough(weights: NDArray[np.float64]) -> bool:
    """Tell whether weighted draws are worth as many as an interval needs (Kish's effective number)."""
    total = float(weights.sum())
    return total > 0.0 and total**2 / float((weights**2).sum()) >= DRAWS_MIN


def _sizes(drawn: Posterior, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mu0/4pi * moment / closest^3 of each draw in tesla, and how likely the draw is."""
    channels = drawn.coefficients.shape[1]
    if channels == FUNCTIONS:
        return _vector_size(drawn.coefficients), drawn.likely
    if channels == 1:
        return _scalar_size(drawn.coefficients[:, 0], rng)
    return np.zeros(DRAWS), np.zeros(DRAWS)


def _vector_size(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the size of a moment from all three components of its field, however the sensor is turned.

    With x along the track, p towards the sensor: c0 = 3 m_p p - m, c1 = -3 (m_p x + m_x p), c2 = 3 m_x x - m, so
    |m|^2 = (|c0|^2 + |c2|^2 - |c1|^2 / 3) / 2.
    """
    squared = (coefficients**2).sum(axis=1) @ np.array([0.5, -1.0 / 6.0, 0.5])
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _scalar_size(coefficients: NDArray[np.float64], rng: np.random.Generator,
                 ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the size of a moment whose field is known along the Earth's alone, and how likely each draw is.

    The Earth's field e is turned anyhow to track and sensor. For each turn the three coefficients give the moment,
    c = H m; flat in c means |det H| in m, and the prior on m (any direction, any octave of size) is |m|^-3.
    """
    earth = rng.standard_normal((len(coefficients), 3))
    earth /= np.linalg.norm(earth, axis=1)[:, None]
    x, p = np.eye(3)[0], np.eye(3)[1]
    e_x, e_p = earth[:, :1], earth[:, 1:2]
    rows = [3.0 * e_p * p - earth, -3.0 * (e_p * x + e_x * p), 3.0 * e_x * x - earth]
    matrix = np.stack(rows, axis=1)
    determinant = np.linalg.det(matrix)
    turned = np.abs(determinant) > np.finfo(float).eps
    moment = np.zeros_like(coefficients)
    moment[turned] = np.linalg.solve(matrix[turned], coefficients[turned][:, :, None])[:, :, 0]
    size = np.linalg.norm(moment, axis=1)
    largest = float(np.linalg.norm(coefficients, axis=1).mean())
    likely = np.where(turned & (size > 0.0), 1.0, 0.0)
    likely[turned] *= (largest / np.maximum(size[turned], largest * 1e-3)) ** 3 / np.abs(determinant[turned])
    return size, likely


def _interval(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle of the central 68 % interval and half its width: a value and its k = 1 uncertainty."""
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    share = (share - weights[order] / 2.0) / share[-1]
    low, high = np.interp([(1.0 - INSIDE) / 2.0, (1.0 + INSIDE) / 2.0], share, values[order])
    return float(low + high) / 2.0, float(high - low) / 2.0
