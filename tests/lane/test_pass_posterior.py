"""How sure a weak pass is: as often right as stated, where a covariance at the peak would be too sure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.lane.background import learn
from gateway.lane.pass_posterior import Seen, draw, likelihoods
from hil.bench.lane_cover import measure_cover

STEP_S = 0.2
NOISE_T = 1e-11


@pytest.mark.parametrize("channels", [1, 3])
def test_passes_near_the_threshold_lie_within_their_uncertainty_as_often_as_stated(channels: int) -> None:
    """At d = 12 the shares within k = 1 are 0.68 but for the noise of 30 passes; they were 0.41 to 0.6."""
    found = measure_cover("white", channels, 12.0, 30, 5)
    assert found.told > 18
    slack = 3.0 * math.sqrt(0.22 / found.told)
    for share in found.inside:
        assert 0.6827 - slack < share < 0.6827 + 1.4 * slack, found


@pytest.mark.parametrize("channels", [1, 3])
def test_the_likelihood_is_the_energy_that_least_squares_explains(channels: int) -> None:
    """An independent fit of the white shapes explains the same energy at every place."""
    rng = np.random.default_rng(3)
    background = learn(NOISE_T * np.cumsum(rng.standard_normal((3000, channels)), axis=0), np.arange(3000))
    assert background is not None
    seen = Seen(rng.standard_normal((31, channels)), background, 1.0, STEP_S)
    late_s = np.array([-0.7, 0.0, 0.3])
    told = likelihoods(seen, 1.2, late_s)[0]
    fine = (np.arange(-15 - background.order, 16)[:, None] + (np.arange(6) + 0.5) / 6 - 0.5) * STEP_S
    for late, value in zip(late_s, told, strict=True):
        u = (fine - late) / 1.2
        shape = np.stack([(u**n * (1 + u * u) ** -2.5).mean(axis=1) for n in range(3)], axis=1)
        columns = []
        for channel in range(channels):
            for n in range(3):
                field = np.zeros((len(shape), channels))
                field[:, channel] = shape[:, n]
                white = background.whiten(field + background.centre) - background.whiten(0 * field + background.centre)
                columns.append((white - white.mean(axis=0)).ravel())
        y = (seen.white - seen.white.mean(axis=0)).ravel()
        basis = np.linalg.qr(np.stack(columns, axis=1))[0]
        assert 2.0 * value == pytest.approx(float(np.sum((basis.T @ y) ** 2)), rel=1e-5)


def test_a_strong_pass_is_as_sure_as_the_linear_fit_says() -> None:
    """Far above the noise the grid gives back the covariance that it was laid out by."""
    rng = np.random.default_rng(6)
    background = learn(NOISE_T * rng.standard_normal((3000, 3)), np.arange(3000))
    assert background is not None
    u = np.arange(-15, 16) * STEP_S
    shape = np.stack([u**n * (1 + u * u) ** -2.5 for n in range(3)], axis=1)
    white = 1e3 * shape @ rng.standard_normal((3, 3)) + rng.standard_normal((31, 3))
    seen = Seen(white, background, 1.0, STEP_S)
    covariance = np.array([[1e-6, 1e-7], [1e-7, 1e-6]])
    first = draw(seen, (0.0, 0.0), covariance, 4000, np.random.default_rng(1))
    wider = draw(seen, (0.0, 0.0), 4.0 * covariance, 4000, np.random.default_rng(1))
    assert wider.late_s.std() == pytest.approx(first.late_s.std(), rel=0.15)
    assert 0.0 < first.late_s.std() < 0.01
