"""The tails and thresholds everything rests on, held against SciPy. Exact sums agree to rounding."""

from __future__ import annotations

import math

import pytest
from scipy.stats import beta, chi2, f, ncx2

from gateway.detection.chisquare import (
    detection_probability,
    f_threshold,
    isf_even,
    log_sf_even,
    log_sf_ratio,
    required_deflection,
)
from hil.training.bounds import lower_bound, upper_bound


@pytest.mark.parametrize("pairs", [1, 2, 6])
@pytest.mark.parametrize("p", [0.3, 1e-2, 1e-9])
def test_the_chi_square_threshold_is_scipys(pairs: int, p: float) -> None:
    """The threshold for a probability is exact at any even number of degrees of freedom."""
    assert isf_even(p, pairs) == pytest.approx(chi2.isf(p, 2 * pairs), rel=1e-9)
    assert log_sf_even(isf_even(p, pairs), pairs) == pytest.approx(math.log(p), abs=1e-9)


def test_the_tail_of_a_strong_line_does_not_underflow() -> None:
    """A statistic of 5000 still has a finite logarithm of its probability."""
    assert log_sf_even(5000.0, 2) == pytest.approx(-2500.0 + math.log(2501.0), rel=1e-12)


@pytest.mark.parametrize("pairs", [1, 2, 6])
@pytest.mark.parametrize("deflection", [0.0, 2.0, 5.0, 9.0, 60.0])
def test_detection_probability_is_the_noncentral_tail(pairs: int, deflection: float) -> None:
    """Pd of a likelihood ratio with free complex amplitudes is the noncentral chi-square tail."""
    threshold = chi2.isf(1e-5, 2 * pairs)
    assert detection_probability(threshold, pairs, deflection) == pytest.approx(
        ncx2.sf(threshold, 2 * pairs, deflection**2), abs=1e-9)


def test_the_required_deflection_gives_the_wanted_probability() -> None:
    """The table of physics: two lines, Pfa 1e-3, Pd 0.95 needs d = 5.64."""
    assert required_deflection(0.95, chi2.isf(1e-3, 4), 2) == pytest.approx(5.64, abs=0.005)


@pytest.mark.parametrize("pairs", [1, 2, 6])
def test_the_tail_with_estimated_noise_is_that_of_f(pairs: int) -> None:
    """Estimating the noise makes the tail heavier, exactly as the F distribution says."""
    for x in (5.0, 20.0, 60.0):
        assert log_sf_ratio(x, pairs, 660) == pytest.approx(f.logsf(x / (2 * pairs), 2 * pairs, 660), rel=1e-8)


@pytest.mark.parametrize("p", [1e-2, 1e-4, 1e-5])
@pytest.mark.parametrize(("above", "below"), [(32, 1100), (96, 3000), (96, 10**9)])
def test_the_f_threshold_keeps_its_probability_within_a_tenth(p: float, above: int, below: int) -> None:
    """Wilson and Hilferty's cube roots give the rate asked for to 10 %."""
    assert f.sf(f_threshold(p, above, below), above, below) == pytest.approx(p, rel=0.1)


def test_too_few_degrees_of_freedom_are_refused() -> None:
    """With almost no background there is no threshold, rather than a wrong one."""
    with pytest.raises(ValueError, match="more degrees of freedom"):
        f_threshold(1e-9, 8, 3)


@pytest.mark.parametrize(("hits", "trials"), [(0, 29), (29, 29), (45, 46), (203, 208), (1, 473)])
def test_bounds_are_clopper_and_pearsons(hits: int, trials: int) -> None:
    """Every stated bound is the exact one-sided 95 % bound."""
    lower = beta.ppf(0.05, hits, trials - hits + 1) if hits else 0.0
    upper = beta.ppf(0.95, hits + 1, trials - hits) if hits < trials else 1.0
    assert lower_bound(hits, trials) == pytest.approx(lower, abs=1e-9)
    assert upper_bound(hits, trials) == pytest.approx(upper, abs=1e-9)
