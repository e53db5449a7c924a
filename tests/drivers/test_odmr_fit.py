"""The ODMR fit finds what is in a sweep, states its uncertainty rightly, and finds nothing in noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.odmr_fit import find_resonances, noise_variance

if TYPE_CHECKING:
    from numpy.typing import NDArray

F = 2854.0 + 0.25 * np.arange(128, dtype=np.float64)
BASE_MV = 1200.0


def spectrum(
    rng: np.random.Generator, splitting: float, *, centre: float = 2870.0, depth: float = 30.0, fwhm: float = 1.6,
    noise: float = 2.0, slope: float = 0.3, f: NDArray[np.float64] = F,
) -> NDArray[np.float64]:
    """Return a sweep in whole mV, written with complex poles instead of the fit's formula.

    A Lorentzian dip is the real part of gamma / (gamma + i (f - f0)).
    """
    gamma = fwhm / 2
    lines = sum((gamma / (gamma + 1j * (f - at))).real for at in (centre - splitting / 2, centre + splitting / 2))
    clean = BASE_MV + slope * (f - 2870.0) - depth * lines
    return np.asarray(np.round(clean + noise * rng.standard_normal(len(f))))


@pytest.mark.parametrize("splitting", [2.0, 3.0, 5.0, 9.0, 16.0, 28.0])
def test_the_splitting_is_found_and_its_uncertainty_is_right(splitting: float) -> None:
    """Pulls (found less true over stated u) of 150 sweeps have mean 0 and width 1 within what 150 sweeps can tell."""
    rng = np.random.default_rng(round(10 * splitting))
    pulls, centres, chi2 = [], [], []
    for _ in range(150):
        true_splitting, true_centre = splitting + rng.uniform(-0.2, 0.2), 2870.0 + rng.uniform(-0.3, 0.3)
        found = find_resonances(F, spectrum(rng, true_splitting, centre=true_centre))
        assert found is not None
        assert found.dips == 2
        pulls.append((found.splitting - true_splitting) / found.splitting_u)
        centres.append((found.centre - true_centre) / found.centre_u)
        chi2.append(found.chi2)
    for pull in (np.array(pulls), np.array(centres)):
        assert abs(pull.mean()) < 4 / math.sqrt(150)
        assert pull.std() == pytest.approx(1.0, abs=4 / math.sqrt(2 * 150))
        assert np.abs(pull).max() < 5.0
    assert np.mean(chi2) == pytest.approx(1.0, abs=0.1)


def test_contrast_and_width_are_those_of_the_spectrum() -> None:
    """2.5 % deep and 1.6 MHz wide, each within 5 of its standard uncertainties."""
    found = find_resonances(F, spectrum(np.random.default_rng(1), 12.0))
    assert found is not None
    assert abs(found.contrast - 30 / 1200) < 5 * found.contrast_u
    assert abs(found.fwhm - 1.6) < 5 * found.fwhm_u
    assert found.contrast_u < 1e-3
    assert found.fwhm_u < 0.2


@pytest.mark.parametrize("noise", [0.0, 0.2, 1.0, 5.0])
def test_it_holds_from_rounding_alone_to_noise_of_a_sixth_of_the_dip(noise: float) -> None:
    """Whole millivolts are noise of 0.29 mV, and are counted as such."""
    rng = np.random.default_rng(round(10 * noise) + 1)
    pulls = []
    for _ in range(100):
        true = rng.uniform(5.0, 20.0)
        found = find_resonances(F, spectrum(rng, true, noise=noise))
        assert found is not None
        pulls.append((found.splitting - true) / found.splitting_u)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.3)


def test_noise_has_no_resonance() -> None:
    """None of 500 flat or sloping sweeps shows a dip."""
    rng = np.random.default_rng(4)
    for n in range(500):
        noise = float(rng.choice((0.0, 0.5, 3.0, 20.0))) * rng.normal(size=128)
        assert find_resonances(F, np.round(BASE_MV + (n % 3) * 0.5 * (F - 2870.0) + noise)) is None


def test_one_dip_has_a_centre_and_no_splitting() -> None:
    """An unresolved pair, or one whose other half lies outside the sweep: nobody could tell the field from it."""
    rng = np.random.default_rng(5)
    for splitting, centre, seen in ((0.0, 2870.0, 2870.0), (30.0, 2885.0, 2870.0)):
        found = find_resonances(F, spectrum(rng, splitting, centre=centre))
        assert found is not None
        assert found.dips == 1
        assert math.isnan(found.splitting)
        assert math.isnan(found.splitting_u)
        assert abs(found.centre - seen) < 5 * found.centre_u + 0.01


def test_a_pair_outside_the_sweep_is_no_resonance() -> None:
    """40 MHz of splitting in a sweep of 32: its tails alone are no dip."""
    rng = np.random.default_rng(6)
    assert [find_resonances(F, spectrum(rng, 40.0)) for _ in range(50)] == [None] * 50


def test_dips_of_unequal_depth_are_told_apart() -> None:
    """Three to one, as polarised light makes them: the splitting is still right."""
    rng, pulls = np.random.default_rng(7), []
    for _ in range(100):
        deep, shallow = spectrum(rng, 0.0, centre=2866.0, depth=30.0), spectrum(rng, 0.0, centre=2873.0, depth=10.0)
        found = find_resonances(F, deep + shallow - BASE_MV)
        assert found is not None
        assert found.dips == 2
        pulls.append((found.splitting - 7.0) / found.splitting_u)
    assert abs(np.mean(pulls)) < 0.4
    assert np.std(pulls) == pytest.approx(1.0, abs=0.3)


def test_a_spark_is_left_out_and_makes_no_second_dip() -> None:
    """One point of 200 mV in either direction changes neither the number of dips nor the splitting."""
    rng = np.random.default_rng(8)
    for n in range(60):
        sweep = spectrum(rng, (0.0, 8.0)[n % 2])
        sweep[rng.integers(128)] += rng.choice((-200.0, 200.0))
        found = find_resonances(F, sweep)
        assert found is not None
        assert found.dips == 1 + n % 2
        assert found.outliers >= 1
        if found.dips == 2:
            assert abs(found.splitting - 8.0) < 5 * found.splitting_u


def test_a_spectrum_of_another_shape_is_told_by_its_chi2() -> None:
    """Six deep dips where two are fitted: chi2 far above 1; and its uncertainty grows with the residuals."""
    rng = np.random.default_rng(9)
    other = np.sum([spectrum(rng, split, depth=30.0) - BASE_MV for split in (4.0, 12.0, 20.0)], axis=0) + BASE_MV
    found = find_resonances(F, other)
    assert found is None or found.chi2 > 5.0


@pytest.mark.parametrize(("start", "step"), [(2838.0, 0.5), (2806.0, 1.0), (2864.0, 0.25), (2872.0 - 8, 0.125)])
def test_other_sweeps_are_fitted_as_well(start: float, step: float) -> None:
    """The tables a builder may swap in: splitting and width follow the axis."""
    f = start + step * np.arange(128, dtype=np.float64)
    rng = np.random.default_rng(10)
    span, middle = 127 * step, start + 63.5 * step
    found = find_resonances(f, spectrum(rng, 0.4 * span, centre=middle, fwhm=8 * step, f=f, slope=0.0))
    assert found is not None
    assert found.dips == 2
    assert abs(found.splitting - 0.4 * span) < 5 * found.splitting_u


@pytest.mark.parametrize("reading", [
    np.zeros(128), np.full(128, 1500.0), np.arange(128, dtype=np.float64), np.where(np.arange(128) % 2, 0.0, 1500.0),
    np.where(np.arange(128) == 64, 0.0, 1500.0), np.r_[np.zeros(64), np.full(64, 1500.0)],
], ids=["dark", "clipped", "ramp", "comb", "one point", "edge"])
def test_a_sweep_that_is_no_spectrum_is_borne(reading: NDArray[np.float64]) -> None:
    """Nothing raises, nothing is infinite; and what has no dip of any width has no resonance."""
    found = find_resonances(F, reading)
    assert found is None or (math.isfinite(found.centre) and math.isfinite(found.centre_u))
    if len(np.unique(np.diff(reading))) == 1:
        assert found is None


def test_the_noise_is_told_from_the_spectrum_itself() -> None:
    """Second differences: 2 mV are found within a quarter, dips or none; a dark sweep has its rounding."""
    rng = np.random.default_rng(11)
    found = [noise_variance(spectrum(rng, splitting)) for splitting in (3.0, 10.0, 40.0) for _ in range(30)]
    assert np.sqrt(np.mean(found)) == pytest.approx(2.0, rel=0.25)
    assert noise_variance(np.zeros(128)) == pytest.approx(1 / 12)
