"""The fit of nine parameters tells the truth within its stated uncertainty, or refuses with numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from calibration.directions import spread_directions
from calibration.fit_refused import (
    FitRefused,
    PoorCoverage,
    ResidualTooLarge,
    Saturated,
    TooFewAttitudes,
    TooManyOutliers,
)
from calibration.vector_field import NineParameters, correct, correction_matrix, derivatives, nine_parameters
from calibration.vector_magnetometer import (
    CONDITION_MAX,
    Attitudes,
    ScalarReference,
    VectorFit,
    fit_vector_magnetometer,
    vector_correction,
)
from hil.scene.tumble import Tumble, sensor_axes

FIELD = 49_500.0
NOISE = 2.0
U_REFERENCE = 1.0
TRUTH = Tumble(offset_nt=(130.0, -85.0, 310.0), scale=(1.004, 0.993, 1.011), lean_rad=(0.006, -0.011, 0.004))


def directions(seed: int, count: int) -> np.ndarray:
    """Return evenly spread directions, turned by chance."""
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    return np.asarray(spread_directions(count) @ turn)


def readings(seed: int, along: np.ndarray, truth: Tumble = TRUTH, noise: float = NOISE) -> np.ndarray:
    """Return what a sensor with these errors reads, by the emulator's own geometry."""
    chance = np.random.default_rng((seed, 1))
    ideal = FIELD * along @ sensor_axes(truth).T * np.array(truth.scale) + np.array(truth.offset_nt)
    return np.asarray(ideal + noise * chance.standard_normal(ideal.shape))


def fit(values: np.ndarray, noise: float = NOISE, reference: float = FIELD, u: float = U_REFERENCE,
        full_scale: float | None = None) -> VectorFit:
    """Fit readings whose axes all have this noise."""
    return fit_vector_magnetometer(Attitudes(values, np.full(values.shape, noise)), ScalarReference(reference, u),
                                   full_scale)


def true_vector(truth: Tumble = TRUTH) -> np.ndarray:
    """Return the nine true parameters in the fit's order."""
    return np.array([*truth.offset_nt, *truth.scale, *truth.lean_rad])


def test_without_noise_the_fit_finds_the_true_errors_exactly() -> None:
    """Two independent writings of the sensor's geometry agree to rounding."""
    found = fit(readings(1, directions(1, 20), noise=0.0), noise=0.0)
    np.testing.assert_allclose(found.parameters.vector(), true_vector(), rtol=0, atol=1e-6)
    assert found.residual_rms < 1e-6


@pytest.mark.parametrize(("count", "evenly"), [(12, True), (24, True), (24, False), (80, False)])
def test_the_errors_of_200_fits_are_as_large_as_their_stated_uncertainty(count: int, *, evenly: bool) -> None:
    """The nine errors in units of their covariance follow chi-square with 9 degrees, reference error included."""
    squares, standard = [], []
    for seed in range(200):
        chance = np.random.default_rng((seed, 2))
        truth = Tumble(offset_nt=tuple(300.0 * chance.standard_normal(3)),
                       scale=tuple(1.0 + 0.01 * chance.standard_normal(3)),
                       lean_rad=tuple(0.01 * chance.standard_normal(3)))
        along = chance.standard_normal((count, 3))
        along = directions(seed, count) if evenly else along / np.linalg.norm(along, axis=1, keepdims=True)
        try:
            found = fit(readings(seed, along, truth), reference=FIELD + U_REFERENCE * chance.standard_normal())
        except PoorCoverage:
            assert not evenly  # a random draw may well leave a hemisphere thin
            continue
        error = found.parameters.vector() - true_vector(truth)
        squares.append(float(error @ np.linalg.solve(found.covariance, error)))
        standard.append(error / np.sqrt(np.diag(found.covariance)))
    assert len(squares) >= 190
    assert stats.kstest(squares, stats.chi2(9).cdf).pvalue > 1e-3
    assert np.mean(squares) == pytest.approx(9.0, abs=4.0 * np.sqrt(18.0 / len(squares)))
    np.testing.assert_allclose(np.std(standard, axis=0), 1.0, atol=0.2)  # 4 standard deviations of 200 draws


def test_one_percent_of_reference_goes_into_every_scale_and_nowhere_else() -> None:
    """A reference 1 % too large makes each scale 1 % too small; offsets and angles stay."""
    values = readings(3, directions(3, 20), noise=0.0)
    right, wrong = fit(values), fit(values, reference=FIELD * 1.01)
    np.testing.assert_allclose(wrong.parameters.scale, right.parameters.scale / 1.01, rtol=1e-9)
    np.testing.assert_allclose(wrong.parameters.offset, right.parameters.offset, atol=1e-5)
    np.testing.assert_allclose(wrong.parameters.angle_rad, right.parameters.angle_rad, atol=1e-10)


def test_noise_larger_than_stated_raises_the_uncertainty_instead_of_passing() -> None:
    """The residuals contradict the stated noise: the Birge ratio makes up for it."""
    for factor in (2.0, 10.0):
        found = fit(readings(4, directions(4, 60), noise=factor * NOISE))
        assert found.birge == pytest.approx(factor, rel=0.25)
        assert found.outliers == ()
        error = found.parameters.vector() - true_vector()
        assert error @ np.linalg.solve(found.covariance, error) < stats.chi2(9).ppf(0.999)


def _cap(limit: float) -> np.ndarray:
    every = spread_directions(400)
    return np.asarray(every[every[:, 2] > limit][::4])


@pytest.mark.parametrize(("name", "along"), [
    ("a plane", np.array([[np.cos(a), np.sin(a), 0.0] for a in np.linspace(0, 2 * np.pi, 24, endpoint=False)])),
    ("a belt", np.array([[np.cos(a), np.sin(a), 0.1 * (-1) ** i] for i, a in enumerate(np.linspace(0, 6, 24))])),
    ("half the sphere", _cap(0.0)),
    ("a cap", _cap(0.7)),
    ("one octant", spread_directions(400)[(spread_directions(400) > 0.05).all(axis=1)][:30]),
    ("one direction", np.tile([0.0, 0.6, 0.8], (20, 1))),
])
def test_poor_coverage_is_refused_and_the_gap_is_named(name: str, along: np.ndarray) -> None:
    """Whatever the attitudes cannot determine is not certified; the message says where to turn the sensor."""
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    with pytest.raises(PoorCoverage) as refused:
        fit(readings(5, along))
    assert refused.value.condition > CONDITION_MAX, name
    assert refused.value.gap_deg > 60.0
    assert "turn the sensor so that the field points there" in str(refused.value)
    assert f"must be at most {CONDITION_MAX:g}" in str(refused.value)
    if name == "one octant":
        assert refused.value.missing == ("+x +y -z", "+x -y +z", "+x -y -z", "-x +y +z", "-x +y -z", "-x -y +z",
                                         "-x -y -z")
        assert "+x" not in refused.value.gap


@pytest.mark.parametrize("count", [0, 1, 9, 11])
def test_too_few_attitudes_are_refused_with_both_numbers(count: int) -> None:
    """Nine unknowns and something left to judge the answer by."""
    with pytest.raises(TooFewAttitudes, match=rf"attitudes = {count}: at least 12") as refused:
        fit(readings(6, directions(6, 24))[:count])
    assert refused.value.attitudes == count


def test_outliers_are_left_out_and_reported() -> None:
    """Two attitudes taken while a trolley passed do not spoil the other 28."""
    along = directions(7, 30)
    values = readings(7, along)
    values[4] += 100.0 * along[4]
    values[19] -= 60.0 * along[19]
    found = fit(values)
    assert found.outliers == (4, 19)
    error = found.parameters.vector() - true_vector()
    assert error @ np.linalg.solve(found.covariance, error) < stats.chi2(9).ppf(0.999)


def test_too_many_outliers_are_refused_with_their_number() -> None:
    """When a quarter of the attitudes disagrees, something is wrong with the place."""
    values = readings(8, directions(8, 48))
    values[::4] *= 1.0 + 0.004 * np.random.default_rng(8).choice([-1.0, 1.0], (12, 1))
    with pytest.raises(TooManyOutliers, match=r"outliers = 12 of 48 attitudes: at most 9 may be") as refused:
        fit(values)
    assert refused.value.outliers == 12


def test_a_saturated_axis_is_refused_with_its_name() -> None:
    """Known range or not: an axis at its end stop is no reading."""
    values = readings(9, directions(9, 30))
    with pytest.raises(Saturated, match=r"axis [xyz] = ") as known:
        fit(values, full_scale=45_000.0)
    assert len(known.value.attitudes) >= 1
    clipped = values.copy()
    clipped[:, 2] = np.clip(clipped[:, 2], -40_000.0, 40_000.0)
    with pytest.raises(Saturated, match="axis z = 40000") as unknown:
        fit(clipped)
    assert unknown.value.axis == "z"


def test_a_reference_from_another_place_is_no_refusal_but_a_field_that_changes_is() -> None:
    """A wrong reference only scales; a field that changes between attitudes leaves no distorted sphere."""
    assert fit(readings(10, directions(10, 24)), reference=2.0 * FIELD).parameters.scale[0] == pytest.approx(
        0.502, abs=1e-3)
    along = directions(10, 40)
    drifting = readings(10, along * np.random.default_rng(1).uniform(0.8, 1.2, (40, 1)))
    with pytest.raises((ResidualTooLarge, TooManyOutliers, PoorCoverage)):
        fit(drifting)
    with pytest.raises(ResidualTooLarge, match="residual rms"):
        fit(drifting, noise=5_000.0)


@pytest.mark.parametrize("seed", range(5))
def test_noise_without_a_field_never_becomes_a_certificate(seed: int) -> None:
    """A sensor that reads nonsense is refused, whatever the nonsense."""
    with pytest.raises(FitRefused):
        fit(FIELD * np.random.default_rng(seed).standard_normal((30, 3)))


def test_the_derivatives_are_those_of_the_correction() -> None:
    """Every column against a central difference."""
    p = nine_parameters(true_vector())
    values = readings(11, directions(11, 6))
    found = derivatives(values, p)
    for column, step in enumerate([1e-3] * 3 + [1e-7] * 6):
        shift = np.zeros(9)
        shift[column] = step
        rise = correct(values, nine_parameters(p.vector() + shift)) - correct(values,
                                                                              nine_parameters(p.vector() - shift))
        np.testing.assert_allclose(found[:, :, column], rise / (2.0 * step), rtol=1e-6, atol=1e-6 * FIELD)


def test_the_correction_is_lower_triangular_so_that_x_stays_x() -> None:
    """The documented convention: the frame's x is the sensor's own x axis."""
    matrix = correction_matrix(NineParameters(np.zeros(3), np.array([2.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.3])))
    np.testing.assert_allclose(np.triu(matrix, 1), 0.0, atol=1e-15)
    np.testing.assert_allclose(matrix[0], [0.5, 0.0, 0.0])


def test_a_certificate_carries_the_whole_covariance() -> None:
    """Uncertainties and correlations give the fit's covariance back."""
    found = fit(readings(12, directions(12, 24)))
    model = vector_correction(found, ("x", "y", "z"), np.array([1.0, 2.0, 3.0]))
    u = np.array([*model.u_offset, *model.u_scale, *model.u_angle_rad])
    np.testing.assert_allclose(np.array(model.correlation) * np.outer(u, u), found.covariance, rtol=1e-9)
    assert model.u_noise == (1.0, 2.0, 3.0)
