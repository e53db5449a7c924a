"""Fit the nine parameters of a three-axis magnetometer to attitudes held in a known scalar field.

The length of the corrected field must equal the reference in every attitude; nothing else is assumed.
Linear least squares gives the start (Merayo et al., Meas. Sci. Technol. 11 (2000) 120), Gauss-Newton the
answer and its covariance. Attitudes that cannot carry the answer are refused with numbers (`fit_refused.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calibration.correction import VectorMagnetometer
from calibration.directions import (
    GAP_DEG_MAX,
    missing_octants,
    octant_counts,
    unit_directions,
    widest_gap,
)
from calibration.fit_refused import (
    FitRefused,
    PoorCoverage,
    ResidualTooLarge,
    Saturated,
    TooFewAttitudes,
    TooManyOutliers,
)
from calibration.vector_field import NineParameters, correct, correction_matrix, derivatives, nine_parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.vector_field import Floats

ATTITUDES_MIN = 12          # nine parameters and three degrees of freedom left to judge the fit by
# Computed for 24 attitudes: spread evenly 2.3, at random 3.6-6.9 (5-95 %), half a sphere 18-46, a belt of
# +-6 degrees 290-540, one octant 360-930. Fifteen lies between what determines the parameters and what
# does not.
CONDITION_MAX = 15.0
OUTLIER_SIGMAS = 5.0        # with 100 attitudes a false alarm in 17 000 calibrations
HUBER = 1.5
ROBUST_STEPS = 30           # each costs 0.1 ms; without outliers one is enough, with them 20
ROBUST_DONE = 1e-8          # 0.0005 nT in the field of the Earth: enough to tell an outlier
MAD_TO_SIGMA = 1.4826       # of a normal distribution
OUTLIERS_MAX_SHARE = 0.2
RESIDUAL_MAX_RELATIVE = 1e-3  # 50 nT in the Earth's field: moving iron or a tram, not a place to calibrate at
STEPS_MAX = 20              # Gauss-Newton from the linear start needs 3 to 5
STEP_DONE = 1e-12           # relative to each parameter's own scale: far below any uncertainty
BIRGE_DOUBT = 3.0           # standard deviations of chi-square above its mean: then the noise is distrusted
FULL_SCALE_SHARE = 0.999
CLIPPED_MIN = 3             # so many identical extreme readings of a noisy axis are its end stop


@dataclass(frozen=True, slots=True)
class Attitudes:
    """Mean readings of held attitudes [n, 3], and the standard error of each mean [n, 3], in one unit."""

    readings: Floats
    u: Floats


@dataclass(frozen=True, slots=True)
class ScalarReference:
    """The field's magnitude at the place and its standard uncertainty, in the unit of the readings."""

    field: float
    u: float


@dataclass(frozen=True, slots=True)
class VectorFit:
    """The answer: parameters, covariance [9, 9] (reference included) and what a report needs.

    `residuals` are those of the attitudes that were kept; `outliers` the indices of those that were not.
    `birge` is the factor by which the noise had to be raised to explain the residuals; 1 if it explains them.
    """

    parameters: NineParameters
    covariance: Floats
    residuals: Floats
    residual_rms: float
    birge: float
    condition: float
    octants: tuple[int, ...]
    outliers: tuple[int, ...]


def fit_vector_magnetometer(attitudes: Attitudes, reference: ScalarReference,
                            full_scale: float | None = None) -> VectorFit:
    """Fit and judge; raises a `FitRefused` with numbers where the attitudes cannot carry nine parameters.

    `full_scale` is the end of each axis's range in the unit of the readings, if it is known.
    """
    count = len(attitudes.readings)
    if count < ATTITUDES_MIN:
        raise TooFewAttitudes(count, ATTITUDES_MIN)
    _refuse_saturated(attitudes.readings, full_scale)
    refined = _refine(attitudes, reference, _linear_start(attitudes.readings, reference.field))
    outliers = _outliers(attitudes, reference, refined)
    if outliers.any():
        _refuse_too_many(int(outliers.sum()), count)
        attitudes = Attitudes(attitudes.readings[~outliers], attitudes.u[~outliers])
        refined = _refine(attitudes, reference, refined.parameters)
    return _judge(attitudes, reference, refined, tuple(np.flatnonzero(outliers).tolist()))


def vector_correction(fit: VectorFit, channels: tuple[str, str, str], u_noise: Floats) -> VectorMagnetometer:
    """Return the fit as the parameters of a certificate; `u_noise` is the spread of one row on each axis."""
    u = np.sqrt(np.diag(fit.covariance))
    correlation = np.clip(fit.covariance / np.outer(u, u), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    p = fit.parameters
    return VectorMagnetometer(
        channels=channels, offset=_three(p.offset), u_offset=_three(u[:3]), scale=_three(p.scale),
        u_scale=_three(u[3:6]), angle_rad=_three(p.angle_rad), u_angle_rad=_three(u[6:]),
        u_noise=_three(u_noise), correlation=tuple(tuple(row) for row in correlation.tolist()))


def _three(values: Floats) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


@dataclass(frozen=True, slots=True)
class _Refined:
    """A converged fit: residuals [n], their derivatives [n, 9] and standard deviations [n]."""

    parameters: NineParameters
    residuals: Floats
    slopes: Floats
    sigma: Floats


def _refuse_saturated(readings: Floats, full_scale: float | None) -> None:
    for axis, column in zip("xyz", np.abs(readings).T, strict=True):
        largest = float(column.max())
        stuck = np.flatnonzero(column >= (largest if full_scale is None else full_scale * FULL_SCALE_SHARE))
        if len(stuck) >= (CLIPPED_MIN if full_scale is None else 1):
            raise Saturated(axis, tuple(int(index) for index in stuck), largest)


def _refuse_too_many(outliers: int, count: int) -> None:
    outliers_max = min(int(count * OUTLIERS_MAX_SHARE), count - ATTITUDES_MIN)
    if outliers > outliers_max:
        raise TooManyOutliers(outliers, count, outliers_max)


def _linear_start(readings: Floats, field: float) -> NineParameters:
    """Solve x'Qx - 2q'x = 1 for the ellipsoid of the readings, centred and scaled to be near 1."""
    centre = readings.mean(axis=0)
    x, y, z = ((readings - centre) / field).T
    design = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z, -2 * x, -2 * y, -2 * z], axis=1)
    solved, _, rank, _ = np.linalg.lstsq(design, np.ones(len(readings)), rcond=None)
    form = solved[[0, 3, 4, 3, 1, 5, 4, 5, 2]].reshape(3, 3)
    if rank < 9 or np.linalg.eigvalsh(form)[0] <= 0.0:  # a cylinder, a sheet: not the shape of any sensor
        raise _hopeless(readings, field, float(np.std(np.linalg.norm(readings, axis=1))))
    offset = np.linalg.solve(form, solved[6:])
    form /= 1.0 + solved[6:] @ offset
    return _from_form(form, centre + field * offset)


def _from_form(form: Floats, offset: Floats) -> NineParameters:
    """Split Q = M'M, M lower triangular, into scale and angles: inverse(M) = S P, rows of P of length 1."""
    lower = np.linalg.cholesky(form[::-1, ::-1])[::-1, ::-1].T  # Cholesky from the last row upwards
    inverse = np.linalg.inv(lower)
    scale = np.linalg.norm(inverse, axis=1)
    rows = inverse / scale[:, None]
    angles = np.arcsin(np.array([-rows[1, 0], rows[2, 0], rows[2, 1]]))
    return NineParameters(offset, scale, angles)


def _refine(attitudes: Attitudes, reference: ScalarReference, start: NineParameters) -> _Refined:
    """Gauss-Newton on |field| - reference, each attitude weighted by its own noise."""
    p = start
    for _ in range(STEPS_MAX):
        now = _linearised(attitudes, reference, p)
        step = np.linalg.lstsq(now.slopes / now.sigma[:, None], -now.residuals / now.sigma, rcond=None)[0]
        p = nine_parameters(p.vector() + step)
        if not np.all(np.isfinite(p.vector())) or np.any(np.abs(p.angle_rad) > 0.5) or np.any(p.scale <= 0.0):
            break
        if np.all(np.abs(step) < STEP_DONE * _natural(reference.field)):
            return _linearised(attitudes, reference, p)
    raise _hopeless(attitudes.readings, reference.field, float(np.sqrt(np.mean(now.residuals**2))))


def _linearised(attitudes: Attitudes, reference: ScalarReference, p: NineParameters) -> _Refined:
    field = correct(attitudes.readings, p)
    length = np.linalg.norm(field, axis=1)
    along = field / length[:, None]
    slopes = np.einsum("ni,nij->nj", along, derivatives(attitudes.readings, p))
    sigma = np.sqrt((((along @ correction_matrix(p)) * attitudes.u)**2).sum(axis=1))
    floor = 1e-9 * reference.field  # a simulated sensor without noise still needs a weight
    return _Refined(p, length - reference.field, slopes, np.maximum(sigma, floor))


def _natural(field: float) -> Floats:
    """Return the size of each parameter that changes the field by about the field itself."""
    return np.array([field] * 3 + [1.0] * 6)


def _condition(slopes: Floats, field: float) -> float:
    singular = np.linalg.svd(slopes * _natural(field) / field, compute_uv=False)
    return float(singular[0] / singular[-1]) if singular[-1] > 0.0 else float("inf")


def _outliers(attitudes: Attitudes, reference: ScalarReference, start: _Refined) -> NDArray[np.bool_]:
    """Return which attitudes a robust fit does not explain (Huber's M-estimate, scale from the median).

    Least squares would spread an outlier over all residuals. The scale carries the correction for few degrees
    of freedom of Rousseeuw and Leroy (1987) and is never below the stated noise.
    """
    now = start
    for _ in range(ROBUST_STEPS):
        standard = np.abs(now.residuals) / now.sigma
        weight = np.sqrt(np.minimum(1.0, HUBER * _scale(standard) / np.maximum(standard, 1e-9))) / now.sigma
        step = np.linalg.lstsq(now.slopes * weight[:, None], -now.residuals * weight, rcond=None)[0]
        now = _linearised(attitudes, reference, nine_parameters(now.parameters.vector() + step))
        if np.all(np.abs(step) < ROBUST_DONE * _natural(reference.field)):
            break
    basis = np.linalg.svd(now.slopes / now.sigma[:, None], full_matrices=False)[0]
    free = np.maximum(1.0 - (basis**2).sum(axis=1), 1e-6)  # 1 - leverage
    standard = np.abs(now.residuals) / now.sigma / np.sqrt(free)
    return np.asarray(standard > OUTLIER_SIGMAS * _scale(standard))


def _scale(standard: Floats) -> float:
    """Return the typical size of residuals given in units of their stated noise; at least 1."""
    few = 1.0 + 5.0 / (len(standard) - 9)
    return max(1.0, MAD_TO_SIGMA * few * float(np.median(standard)))


def _judge(attitudes: Attitudes, reference: ScalarReference, refined: _Refined,
           outliers: tuple[int, ...]) -> VectorFit:
    directions = unit_directions(correct(attitudes.readings, refined.parameters))
    condition = _condition(refined.slopes, reference.field)
    if condition > CONDITION_MAX:
        raise _poor_coverage(directions, condition)
    rms = float(np.sqrt(np.mean(refined.residuals**2)))
    if rms > RESIDUAL_MAX_RELATIVE * reference.field:
        raise ResidualTooLarge(rms, RESIDUAL_MAX_RELATIVE * reference.field)
    birge = _birge(refined)
    covariance = _covariance(refined, reference, birge)
    return VectorFit(refined.parameters, covariance, refined.residuals, rms, birge, condition,
                     octant_counts(directions), outliers)


def _birge(refined: _Refined) -> float:
    """Return the factor on the noise that explains the residuals, if the noise does not (Birge ratio).

    The residuals' own scatter with n degrees of freedom gives a t-distribution: n - 2 in place of n makes the
    stated u its standard deviation (JCGM 101:2008, 6.4.9.4).
    """
    free = len(refined.residuals) - 9
    chi_square = float(((refined.residuals / refined.sigma)**2).sum())
    doubted = chi_square > free + BIRGE_DOUBT * np.sqrt(2.0 * free)
    return float(np.sqrt(chi_square / (free - 2))) if doubted else 1.0


def _covariance(refined: _Refined, reference: ScalarReference, birge: float) -> Floats:
    """Return noise and reference together: a reference 1 % too large makes every scale 1 % too small."""
    size = _natural(reference.field)
    whitened = refined.slopes * size / refined.sigma[:, None]
    noise = np.linalg.inv(whitened.T @ whitened) * np.outer(size, size) * birge**2
    common = np.zeros(9)
    common[3:6] = -refined.parameters.scale / reference.field
    return np.asarray(noise + np.outer(common, common) * reference.u**2)


def _hopeless(readings: Floats, field: float, rms: float) -> FitRefused:
    """Return why no fit was found: a gap in the attitudes, or readings that lie on no ellipsoid."""
    directions = unit_directions(readings)
    if widest_gap(directions)[0] > GAP_DEG_MAX:
        return _poor_coverage(directions, float("inf"))
    return ResidualTooLarge(rms, RESIDUAL_MAX_RELATIVE * field)


def _poor_coverage(directions: NDArray[np.float64], condition: float) -> PoorCoverage:
    gap_deg, gap = widest_gap(directions)
    return PoorCoverage(condition, CONDITION_MAX, missing_octants(directions), gap_deg, gap)
