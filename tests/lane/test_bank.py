"""The search for passes against its theory: detection and false-alarm probability, and what lies between scales."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, f, ncx2

from gateway.detection.chisquare import isf, isf_estimated
from gateway.lane.anderson import TAU_S, functions, lagged
from gateway.lane.background import learn
from gateway.lane.bank import LEVEL_TAU_S, bank_of

STEP_S = 0.2
NOISE_T = 1e-11


def white(channels: int, steps: int, seed: int = 1) -> np.ndarray:
    """Steps of white noise in tesla."""
    return NOISE_T * np.random.default_rng(seed).standard_normal((steps, channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_one_look_detects_what_theory_says_within_a_fifth_of_a_decibel(channels: int) -> None:
    """In white noise Pd = P(noncentral chi-square(d^2) > threshold), three degrees of freedom a channel."""
    background = learn(white(channels, 4500), np.arange(4500))
    assert background is not None
    bank = bank_of(background, [1.0], STEP_S, 0.1)
    (basis,), (scale,) = bank.bases, bank.scales
    signal = np.random.default_rng(2).standard_normal((channels, 3))
    shape = functions(1.0, STEP_S, -scale.rows // 2 - background.order + 1, scale.rows // 2) @ signal.T
    noise = white(channels, 60_000, seed=3)
    quiet = background.whiten(noise)
    windows = np.stack([quiet[k:k + scale.rows].ravel() for k in range(0, len(quiet) - scale.rows, scale.rows)])
    dof = 3 * channels
    for pfa in (1e-2, 1e-3):
        for d in (4.0, 5.0, 6.0):
            passing = shape * (d * NOISE_T / np.linalg.norm(shape))
            seen = background.whiten(passing) - background.whiten(np.zeros_like(passing))
            energy = np.sum(((windows + seen[-scale.rows:].ravel()) @ basis) ** 2, axis=1)
            pd = float(np.mean(energy > chi2.isf(pfa, dof)))
            worst, best = (float(ncx2.sf(chi2.isf(pfa, dof), dof, (d * 10 ** (x / 20)) ** 2)) for x in (-0.2, 0.2))
            noise_of_pd = 3.0 * np.sqrt(pd * (1 - pd) / len(windows))
            assert worst - noise_of_pd <= pd <= best + noise_of_pd, (pfa, d)


def test_no_pass_between_two_scales_or_times_loses_a_fifth_of_a_decibel() -> None:
    """The bank's best window holds at least 95 % of the energy of any pass within its range."""
    for tau_s in np.geomspace(TAU_S[0], LEVEL_TAU_S, 25):
        for late_s in (0.0, 0.25 * 0.5 * tau_s):
            shape = functions(tau_s, STEP_S, -60, 60, late_s)
            for n in range(3):
                kept = 0.0
                for near_s in TAU_S[:8]:
                    basis = np.linalg.qr(functions(near_s, STEP_S, -60, 60))[0]
                    kept = max(kept, float(np.sum((basis.T @ shape[:, n]) ** 2)))
                assert kept > 0.95 * float(np.sum(shape[:, n] ** 2)), (tau_s, late_s, n)


@pytest.mark.parametrize("flicker", [0.0, 4.0])
def test_the_energy_of_new_noise_is_that_of_chi_square_at_every_scale(flicker: float) -> None:
    """Whitened 1/f noise that the filter has not seen has the mean that the threshold assumes, or less."""
    rng, steps = np.random.default_rng(5), 4500 + 300
    energies = np.zeros(len(TAU_S))
    for _ in range(8):
        frequency = np.fft.rfftfreq(2 * steps, STEP_S)
        density = np.sqrt(1.0 + flicker**2 / np.maximum(frequency, frequency[1]))
        spectrum = np.fft.rfft(rng.standard_normal((2 * steps, 3)), axis=0) * density[:, None]
        field = NOISE_T * np.fft.irfft(spectrum, axis=0)[:steps]
        background = learn(field[:4500], np.arange(4500))
        assert background is not None
        bank, new = bank_of(background, TAU_S, STEP_S, 0.1), background.whiten(field[4500:])
        for k, (scale, basis) in enumerate(zip(bank.scales, bank.bases, strict=True)):
            ends = range(scale.rows, len(new) + 1, scale.rows)
            energies[k] += np.mean([np.sum((new[e - scale.rows:e].ravel() @ basis) ** 2) for e in ends]) / 9 / 8
    assert energies.max() < 1.4
    assert energies[:8].mean() == pytest.approx(1.0, abs=0.1)


def test_thresholds_are_those_of_scipy() -> None:
    """Chi-square and F tails of our own agree with an independent implementation far into the tail."""
    for dof in (3, 6, 9):
        for p in (1e-3, 1e-7):
            assert isf(p, dof) == pytest.approx(chi2.isf(p, dof), rel=1e-8)
            for below in (47, 1400):
                assert isf_estimated(p, dof, below) == pytest.approx(dof * f.isf(p, dof, below), rel=1e-6)


def test_the_shapes_are_filtered_as_the_data_are() -> None:
    """A pass without noise lies in the white basis entirely: whitening the data alone would lose it."""
    background = learn(np.cumsum(white(2, 3000), axis=0), np.arange(3000))
    assert background is not None
    past = lagged(1.0, STEP_S, background.order)
    field = 1e-9 * functions(1.0, STEP_S, -15 - background.order, 15) @ np.array([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0]]).T
    seen = (background.whiten(field) - background.whiten(np.zeros_like(field))).ravel()
    shapes = background.shapes(past).reshape(seen.size, -1)
    rest = seen - shapes @ np.linalg.lstsq(shapes, seen, rcond=None)[0]
    assert np.linalg.norm(rest) < 1e-9 * np.linalg.norm(seen)
