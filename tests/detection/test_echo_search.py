"""The matched filter against a direct computation, and its distribution in noise. The echo model is the scene's own."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.schedule import schedule
from gateway.detection.beam import Beam
from gateway.detection.echo_search import FREQUENCIES, WIDTH_FACTORS, Decay, offsets_hz, search, subtract
from hil.scene.echo import echo_train, excited

PLAN = schedule(300.0)[8]
DECAY = Decay(0.008, 0.00091)
FLOOR = 1.0 + 0.6 * np.cos(2 * np.pi * np.arange(256) / 256)


def beam(spectra: np.ndarray) -> Beam:
    """A beam of these spectra over a floor that is known."""
    return Beam(PLAN, spectra, FLOOR, np.zeros(256, bool), np.ones(8, bool), np.ones(256), np.ones(256), 0.0)


def line(amplitude: complex, cell: int, width: float = 1.0) -> np.ndarray:
    """Spectra [group, bin] of a line of the scene at a search frequency."""
    train = echo_train(PLAN, float(offsets_hz(PLAN.rate_hz)[cell]), DECAY.t2e_s, DECAY.t2star_s / width)
    return np.fft.fft(amplitude * train, norm="ortho")


@pytest.mark.parametrize("width", range(len(WIDTH_FACTORS)))
@pytest.mark.parametrize("cell", [20, 281, 490])
def test_a_noise_free_line_gives_its_amplitude_and_the_deflection_of_theory(cell: int, width: int) -> None:
    """2 s^H R^-1 s is found at the line's own frequency and width, and the amplitude with its phase."""
    amplitude = 2.5 * np.exp(0.7j)
    spectra = line(amplitude, cell, WIDTH_FACTORS[width])
    response = search(beam(spectra), DECAY)
    assert response.statistic[width, cell] == pytest.approx(2 * np.sum(np.abs(spectra) ** 2 / FLOOR), rel=1e-9)
    assert response.amplitude[width, cell] == pytest.approx(amplitude * excited(offsets_hz(PLAN.rate_hz)[cell]))
    found = np.unravel_index(response.statistic.argmax(), response.statistic.shape)
    assert [int(i) for i in found] == [width, cell]


def test_subtracting_a_fitted_line_leaves_nothing() -> None:
    """What was fitted can be taken out to rounding."""
    spectra = line(2.5 * np.exp(0.7j), 300)
    fitted = search(beam(spectra), DECAY).amplitude[0, 300]
    left = subtract(beam(spectra), DECAY, 0, 300, complex(fitted))
    assert np.abs(left).max() < 1e-9 * np.abs(spectra).max()


def test_in_coloured_noise_the_statistic_is_chi_square_at_every_frequency_and_width() -> None:
    """Mean 2 and the 1 % tail of two degrees of freedom, band edges included."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(400):
        noise = (rng.normal(size=(8, 256)) + 1j * rng.normal(size=(8, 256))) * np.sqrt(FLOOR / 2)
        found.append(search(beam(noise), DECAY).statistic[:, :: FREQUENCIES // 16])
    statistic = np.array(found)
    assert statistic.mean(axis=(0, 2)) == pytest.approx(2.0, abs=0.12)
    assert (statistic > 9.21).mean() == pytest.approx(0.01, abs=0.003)
