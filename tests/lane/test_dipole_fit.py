"""What is told of a passing object: within its uncertainty as often as stated, and nothing where it is no dipole."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gateway.detection.verdict import Anomaly
from gateway.lane.anderson import scale_of
from gateway.lane.background import learn
from gateway.lane.dipole_fit import CLOSEST_M, SPEED_MPS, Sighting, fit

if TYPE_CHECKING:
    from gateway.lane.background import Background

STEP_S = 0.2
NOISE_T = 1e-11
TRIALS = 70


def field_of(rng: np.random.Generator, speed: float, closest: float, moment: np.ndarray, half: int) -> np.ndarray:
    """A dipole's field at the steps, from the potential's gradient: written apart from the scene's."""
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    time_s = (np.arange(-half * 6, (half + 1) * 6) + 0.5) * STEP_S / 6 - STEP_S / 2
    place = closest * frame[1] - speed * time_s[:, None] * frame[0]
    squared = np.einsum("tk,tk->t", place, place)[:, None]
    gradient = moment / squared**1.5 - 3.0 * (place @ moment)[:, None] * place / squared**2.5
    return np.asarray(-1e-7 * gradient.reshape(-1, 6, 3).mean(axis=1))


def sighting(field: np.ndarray, background: Background, tau_s: float, noise: np.ndarray) -> Sighting:
    """What the search hands over at this scale."""
    rows = scale_of(tau_s, STEP_S).rows
    middle = len(field) // 2 - background.order
    seen = background.whiten(field + noise)[middle - rows // 2: middle + rows // 2 + 1]
    energy = float(np.sum(seen**2))
    return Sighting(Anomaly(energy, 44.0, 1e-6, 1e-9, 1.0), tau_s, seen, background, STEP_S, 10**12)


@pytest.mark.parametrize("channels", [1, 3])
def test_two_thirds_of_the_emulated_passes_lie_within_one_standard_uncertainty(channels: int) -> None:
    """Time, crossing, distance and moment: the share inside k = 1 is 68 %, within the noise of so many trials."""
    rng = np.random.default_rng(7)
    background = learn(NOISE_T * rng.standard_normal((3000, channels)), np.arange(3000))
    assert background is not None
    inside, told = np.zeros(4), 0
    for _ in range(TRIALS):
        speed, closest = rng.uniform(*SPEED_MPS), math.exp(rng.uniform(*np.log(CLOSEST_M)))
        tau_s = closest / speed
        if not 0.4 < tau_s < 4.0:
            continue
        told += judged(rng, background, (speed, closest), 200, inside)
    assert told > TRIALS / 2
    # Three standard deviations of a share of two thirds; what is stated for one channel is a little too sure.
    assert np.all(inside / told > 0.6827 - 3.0 * math.sqrt(0.22 / told)), inside / told
    assert np.all(inside / told < 0.6827 + 4.0 * math.sqrt(0.22 / told)), inside / told


def judged(rng: np.random.Generator, background: Background, going: tuple[float, float], half: int,
           inside: np.ndarray) -> int:
    """Fit one pass of a random moment at 15 to 60 times the noise, and count what is within k = 1."""
    speed, closest = going
    direction = rng.standard_normal(3)
    field = field_of(rng, speed, closest, direction, half)
    if background.channels == 1:
        earth = rng.standard_normal(3)
        field = (field @ earth / np.linalg.norm(earth))[:, None]
    share = rng.uniform(15.0, 60.0) * NOISE_T / np.linalg.norm(field)
    noise = NOISE_T * rng.standard_normal(field.shape)
    passage = fit(sighting(share * field, background, closest / speed, noise)).passage
    if passage is None:
        return 0
    off = (passage.closest_at / 1e9 - 1000.0, passage.crossing_s - closest / speed, passage.closest_m - closest,
           passage.moment_am2 - float(share * np.linalg.norm(direction)))
    u = (passage.u_closest_at_s, passage.u_crossing_s, passage.u_closest_m, passage.u_moment_am2)
    inside += np.abs(off) < u
    return 1


def test_a_step_of_the_field_is_no_passing_dipole() -> None:
    """Where one dipole on a straight line does not explain what was seen, no moment and no distance are stated."""
    rng = np.random.default_rng(3)
    background = learn(NOISE_T * rng.standard_normal((3000, 3)), np.arange(3000))
    assert background is not None
    field = np.zeros((401, 3))
    field[200:] = 100.0 * NOISE_T
    assert fit(sighting(field, background, 1.0, NOISE_T * rng.standard_normal(field.shape))).passage is None


def test_the_speed_is_the_larger_part_of_the_uncertainty_of_a_strong_pass() -> None:
    """Closest approach over speed is measured to a few per cent; metres are not, and the record says so."""
    rng = np.random.default_rng(4)
    background = learn(NOISE_T * rng.standard_normal((3000, 3)), np.arange(3000))
    assert background is not None
    field = field_of(rng, 1.0, 1.0, np.array([0.3, -0.2, 1.0]), 200)
    passage = fit(sighting(field, background, 1.0, NOISE_T * rng.standard_normal(field.shape))).passage
    assert passage is not None
    assert passage.crossing_s == pytest.approx(1.0, abs=4.0 * passage.u_crossing_s)
    assert passage.u_crossing_s < 0.05
    assert 0.3 < passage.u_closest_m / passage.closest_m < 0.6
    assert 0.6 < passage.u_moment_am2 / passage.moment_am2 < 1.0
