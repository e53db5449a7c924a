"""Find the resonances in an ODMR sweep: no dip, one, or a pair of Lorentzian dips, with their own uncertainty. Pure.

Rule: a dip that the noise could have made is none, and what one dip cannot tell (a splitting) is not told.

The model is offset + slope - depth_k / (1 + ((f - f_k) / width)^2), one width for all dips. Every pair of places and
four widths are tried by linear least squares, the best is refined by Levenberg and Marquardt (Marquardt, J. SIAM 11,
1963). The noise is taken from second differences, which a dip hardly changes; so chi2 per degree of freedom tells
whether the model fits. Uncertainties (k = 1) come from the residuals: inverse normal matrix times RSS / dof.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A dip must gain so much chi2 over none, and a second one over the first: below one in 10^5 sweeps of noise do.
DIP_CHI2_MIN = 40.0
SECOND_CHI2_MIN = 30.0

WIDTHS_STEPS = (1.0, 2.5, 6.0, 15.0)        # half widths tried, in steps of the sweep
WIDTH_STEPS_MIN = 0.5
WIDTH_SPAN_MAX = 0.25                       # wider than that share of the sweep is baseline, no dip
ROUNDING_VARIANCE = 1.0 / 12.0              # readings are whole mV
# Where the model does not fit, single points that stand out (a spark, a lost digit) are left out, a few at most.
POOR_CHI2 = 2.0
OUTLIER_SIGMAS, OUTLIERS_MAX = 6.0, 3
STEPS_MAX = 60
DAMPING_MAX = 1e8


@dataclass(frozen=True, slots=True)
class Resonances:
    """What a sweep shows. Frequencies in MHz; `splitting` and its uncertainty are NaN where there is one dip.

    `centre` is the middle of the pair, or the one dip; `contrast` the mean depth over the baseline; `fwhm` the full
    width; `chi2` per degree of freedom. `..._u` are standard uncertainties. `outliers` points were left out.
    """

    dips: int
    centre: float
    centre_u: float
    splitting: float
    splitting_u: float
    contrast: float
    contrast_u: float
    fwhm: float
    fwhm_u: float
    chi2: float
    outliers: int


@dataclass(frozen=True, slots=True)
class _Template:
    """Dips of one half width at every place [n, place], the baseline taken out.

    `square` is each one's sum of squares. `own` and `cross` are the inverse of each pair's normal matrix: the depth
    at i, with a dip at j, is along_i own_ij - along_j cross_ij.
    """

    width: float
    dips: NDArray[np.float64]
    square: NDArray[np.float64]
    own: NDArray[np.float64]
    cross: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the dips are by the grid, their half width, and how much of the sum of squares they explain."""

    places: tuple[float, ...]
    width: float
    gain: float


@dataclass(frozen=True, slots=True)
class _Fit:
    """Parameters (offset, slope, depth and place of each dip, width), residuals and Jacobian at the best point."""

    parameters: NDArray[np.float64]
    residuals: NDArray[np.float64]
    jacobian: NDArray[np.float64]

    @property
    def rss(self) -> float:
        """The sum of squared residuals."""
        return float(self.residuals @ self.residuals)

    @property
    def dof(self) -> int:
        """Points less parameters."""
        return len(self.residuals) - len(self.parameters)


def find_resonances(f_mhz: NDArray[np.float64], reading: NDArray[np.float64]) -> Resonances | None:
    """Return the resonances in `reading` [n] at the rising, evenly spaced `f_mhz` [n]; None where there is no dip."""
    variance = noise_variance(reading)
    kept = np.ones(len(reading), dtype=bool)
    found = first = _best(f_mhz, reading, variance)
    for _ in range(OUTLIERS_MAX):
        if found is not None and found.rss / found.dof / variance < POOR_CHI2:
            return _told(found, variance, int((~kept).sum()))
        worst = _lonely(reading, kept, variance)
        if worst is None:
            break
        kept[worst] = False
        found = _best(f_mhz[kept], reading[kept], variance)
    good = found is not None and found.rss / found.dof / variance < POOR_CHI2
    chosen, left_out = (found, int((~kept).sum())) if good else (first, 0)
    return None if chosen is None else _told(chosen, variance, left_out)


def _lonely(reading: NDArray[np.float64], kept: NDArray[np.bool_], variance: float) -> int | None:
    """Return the kept point that stands out most from the middle of its neighbours; None where none does."""
    places = np.flatnonzero(kept)
    y = reading[places]
    padded = np.concatenate([y[1:2], y, y[-2:-1]])      # an end has one neighbour
    away = np.abs(y - (padded[:-2] + padded[2:]) / 2.0)
    worst = int(away.argmax())
    return int(places[worst]) if away[worst] > OUTLIER_SIGMAS * np.sqrt(2.0 * variance) else None


def noise_variance(reading: NDArray[np.float64]) -> float:
    """Return the variance of one point from the second differences, whose variance is six times that.

    The largest fifth, where dips and sparks are, is left out: of a normal distribution the rest has 0.4377 of the
    variance. (The median would do as well, were readings not whole numbers.)
    """
    squares = np.sort(np.diff(reading, 2) ** 2)
    return max(float(squares[:int(0.8 * len(squares))].mean()) / 0.4377 / 6.0, ROUNDING_VARIANCE)


def _best(f: NDArray[np.float64], y: NDArray[np.float64], variance: float) -> _Fit | None:
    """Return the pair, the one dip, or None: the most that the noise does not explain."""
    basis = _baseline(f)
    rest = y - basis @ (basis.T @ y)
    # Refining may gain something over the grid, but never half of what is wanted: so most noise ends here.
    pair = _search(f, rest, pair=True)
    if pair.gain / variance < DIP_CHI2_MIN / 2:
        return None
    one = _refined(f, y, _search(f, rest, pair=False))
    if one is not None and (float(rest @ rest) - one.rss) / variance < DIP_CHI2_MIN:
        one = None
    two = _refined(f, y, pair)
    before = float(rest @ rest) if one is None else one.rss
    wanted = DIP_CHI2_MIN + SECOND_CHI2_MIN if one is None else SECOND_CHI2_MIN
    return two if two is not None and (before - two.rss) / variance >= wanted else one


@lru_cache(maxsize=4)
def _templates(axis: bytes) -> list[_Template]:
    """Return what is the same for every sweep of an instrument; `axis` is the bytes of its frequencies."""
    f = np.frombuffer(axis)
    basis, step = _baseline(f), float(np.median(np.diff(f)))
    made = []
    for width in (steps * step for steps in WIDTHS_STEPS):
        dips = -1.0 / (1.0 + ((f[:, None] - f[None, :]) / width) ** 2)
        dips -= basis @ (basis.T @ dips)
        gram = dips.T @ dips
        own = gram.diagonal()
        det = np.outer(own, own) - gram**2
        apart = det > 1e-6 * np.outer(own, own)     # two dips at neighbouring points are one
        inverse = np.where(apart, 1.0, 0.0) / np.where(apart, det, 1.0)
        made.append(_Template(width, dips, own, inverse * own[None, :], inverse * gram))
    return made


def _baseline(f: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis of offset and slope, [n, 2]."""
    return np.linalg.qr(np.stack([np.ones_like(f), f - f.mean()], axis=1))[0]


def _search(f: NDArray[np.float64], rest: NDArray[np.float64], *, pair: bool) -> _Place:
    """Return the places and the half width that explain most of `rest`, all depths positive; every one is tried."""
    best = _Place((), 0.0, 0.0)
    for made in _templates(f.tobytes()):
        along = made.dips.T @ rest
        if pair:
            depth = along[:, None] * made.own - along[None, :] * made.cross
            gain = depth * along[:, None]
            gain = np.where(np.minimum(depth, depth.T) > 0, gain + gain.T, 0.0)
        else:
            gain = np.where(along > 0, along**2, 0.0) / made.square
        place = int(gain.argmax())
        if gain.flat[place] > best.gain:
            places = tuple(sorted(float(f[i]) for i in np.unravel_index(place, gain.shape)))
            best = _Place(places, made.width, float(gain.flat[place]))
    return best


def _refined(f: NDArray[np.float64], y: NDArray[np.float64], start: _Place) -> _Fit | None:
    """Refine by Levenberg and Marquardt; None where it runs out of the sweep or to something that is no dip."""
    places, width = start.places, start.width
    if not places:
        return None
    columns = np.stack([np.ones_like(f), f - f.mean(), *(-_lorentz(f, at, width) for at in places)], axis=1)
    offset, slope, *depths = np.linalg.lstsq(columns, y, rcond=None)[0]
    p = np.array([offset, slope, *(word for pair in zip(depths, places, strict=True) for word in pair), width])
    residuals, jacobian = _linearised(f, y, p)
    damping = 1e-3
    for _ in range(STEPS_MAX):
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ residuals
        scale = np.diag(normal.diagonal())
        try:
            move = np.linalg.solve(normal + damping * scale, gradient)
        except np.linalg.LinAlgError:
            return None
        fresh = _linearised(f, y, p + move)
        gain = float(residuals @ residuals - fresh[0] @ fresh[0])
        if not np.isfinite(gain) or gain < 0:
            damping *= 10.0
            if damping > DAMPING_MAX:
                break
            continue
        p, (residuals, jacobian), damping = p + move, fresh, damping / 10.0
        if gain <= 1e-9 * float(residuals @ residuals):
            break
    p[-1] = abs(p[-1])
    return _Fit(p, residuals, jacobian) if _is_dip(f, p) else None


def _is_dip(f: NDArray[np.float64], p: NDArray[np.float64]) -> bool:
    depths, places, width = p[2:-1:2], p[3:-1:2], p[-1]
    step, span = float(np.median(np.diff(f))), float(f[-1] - f[0])
    inside = bool((places >= f[0]).all() and (places <= f[-1]).all())
    return inside and bool((depths > 0).all()) and WIDTH_STEPS_MIN * step <= width <= WIDTH_SPAN_MAX * span


def _lorentz(f: NDArray[np.float64], at: float, width: float) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + ((f - at) / width) ** 2))


def _linearised(f: NDArray[np.float64], y: NDArray[np.float64], p: NDArray[np.float64],
                ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return data less model, and the model's derivatives, [n] and [n, parameters]."""
    width, middle = p[-1], f.mean()
    columns = [np.ones_like(f), f - middle]
    model = p[0] + p[1] * (f - middle)
    by_width = np.zeros_like(f)
    for depth, at in zip(p[2:-1:2], p[3:-1:2], strict=True):
        away = (f - at) / width
        shape = 1.0 / (1.0 + away**2)
        model -= depth * shape
        columns += [-shape, -2.0 * depth * shape**2 * away / width]
        by_width -= 2.0 * depth * shape**2 * away**2 / width
    return y - model, np.stack([*columns, by_width], axis=1)


def _told(fit: _Fit, variance: float, outliers: int) -> Resonances:
    p, dips = fit.parameters, (len(fit.parameters) - 3) // 2
    covariance = np.linalg.pinv(fit.jacobian.T @ fit.jacobian) * fit.rss / fit.dof
    names = {"centre": np.zeros(len(p)), "splitting": np.zeros(len(p)), "depth": np.zeros(len(p))}
    places = np.arange(3, 3 + 2 * dips, 2)
    names["centre"][places] = 1.0 / dips
    names["depth"][places - 1] = 1.0 / dips
    if dips == 2:
        names["splitting"][places] = (-1.0, 1.0) if p[5] >= p[3] else (1.0, -1.0)
    value = {name: float(row @ p) for name, row in names.items()}
    u = {name: max(float(row @ covariance @ row), 0.0) ** 0.5 for name, row in names.items()}
    alone = np.nan if dips == 1 else 1.0
    return Resonances(
        dips, value["centre"], u["centre"], alone * value["splitting"], alone * u["splitting"],
        value["depth"] / float(p[0]), u["depth"] / abs(float(p[0])), 2.0 * float(p[-1]),
        2.0 * max(float(covariance[-1, -1]), 0.0) ** 0.5, fit.rss / fit.dof / variance, outliers)
