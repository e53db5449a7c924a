"""The magnetic lane gives the field of a dipole, and the same samples however they are asked for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from hil.scene.chance import flicker, gaussian, key_of
from hil.scene.lane import Lane, Pass, Sensor, ambient_nt, dipole_nt, scalar_source, vector_source, vehicle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hil.scene.lane import FieldSource

CALM = Lane(mains_nt=(0.0, 0.0, 0.0), diurnal_nt=(0.0, 0.0, 0.0), wander_nt=0.0)
NOISELESS = Sensor(white_nt=0.0, flicker_nt=0.0)
BUSY = Lane(passes=(Pass((0.3, -0.2, 1.0), 5.0), Pass((5.0, 0.0, 0.0), 20.0, speed_mps=2.0, closest_m=3.0)))


def test_the_dipole_has_its_textbook_field_on_axis_and_equator() -> None:
    """0.1 A m^2 gives 20, 2.5 and 0.74 nT on its axis at 1, 2 and 3 m, and minus half of that at the equator."""
    moment = np.array([0.1, 0.0, 0.0])
    axis = dipole_nt(moment, np.array([[1.0, 0, 0], [2.0, 0, 0], [3.0, 0, 0]]))
    equator = dipole_nt(moment, np.array([[0, 1.0, 0], [0, 0, 2.0], [0, -3.0, 0]]))
    assert axis[:, 0] == pytest.approx([20.0, 2.5, 0.7407], rel=1e-4)
    assert equator[:, 0] == pytest.approx(-axis[:, 0] / 2)
    assert np.abs(axis[:, 1:]).max() == np.abs(equator[:, 1:]).max() == 0.0


def test_a_dipole_has_no_magnetic_charge_and_no_current_outside() -> None:
    """Divergence and curl vanish at arbitrary places, by central differences of the field itself."""
    moment, step = np.array([0.3, -0.7, 1.1]), 1e-4
    for place in np.random.default_rng(3).uniform(0.5, 1.5, (10, 3)):
        slope = np.array([(dipole_nt(moment, (place + e)[None]) - dipole_nt(moment, (place - e)[None]))[0] / 2 / step
                          for e in step * np.eye(3)])
        size = np.abs(slope).max()
        assert abs(np.trace(slope)) < 1e-5 * size
        assert np.abs(slope - slope.T).max() < 1e-5 * size


def test_a_straight_pass_follows_the_anderson_functions() -> None:
    """The field along a pass is a sum of u^n / (1 + u^2)^(5/2), n = 0, 1, 2, and of nothing else."""
    going = Pass((0.4, -0.9, 0.6), 15.0, speed_mps=0.5, closest_m=1.2, height_m=0.5)
    lane = replace(CALM, passes=(going,), earth_nt=(0, 0, 0))
    seen = vector_source(lane, NOISELESS)(0.0, 3000, 100.0)
    u = 0.5 * (np.arange(3000) / 100.0 - 15.0) / np.hypot(1.2, 0.5)
    basis = np.stack([u**n / (1 + u**2) ** 2.5 for n in range(3)], axis=1)
    rest = seen - basis @ np.linalg.lstsq(basis, seen, rcond=None)[0]
    assert np.abs(rest).max() < 1e-9 * np.abs(seen).max()


def test_a_scalar_sensor_sees_the_projection_on_the_earth_field() -> None:
    """For a small dipole the change of magnitude is its field along the Earth's, to second order."""
    lane = replace(CALM, passes=(Pass((0.1, 0.2, -0.1), 10.0),))
    scalar = scalar_source(lane, NOISELESS)(0.0, 2000, 100.0)
    vector = vector_source(lane, NOISELESS)(0.0, 2000, 100.0)
    earth = np.array(lane.earth_nt)
    size = np.linalg.norm(earth)
    along = (vector - earth) @ earth / size
    second_order = np.sum((vector - earth) ** 2, axis=1).max() / (2 * size)
    assert scalar.shape == (2000,)
    assert np.abs(scalar - size - along).max() <= 1.001 * second_order < 0.002 * np.ptp(along)


def test_the_dipole_is_the_gradient_of_its_potential() -> None:
    """An independent form, minus the gradient of mu0/4pi (m.r)/r^3 by central differences, gives the same field."""
    moment, step = np.array([0.4, -1.2, 0.7]), 1e-5

    def potential(place: NDArray[np.float64]) -> float:
        return 100.0 * float(moment @ place) / float(np.sqrt(place @ place)) ** 3

    for place in np.random.default_rng(8).uniform(0.6, 2.0, (10, 3)):
        minus = [-(potential(place + e) - potential(place - e)) / 2 / step for e in step * np.eye(3)]
        assert dipole_nt(moment, place[None])[0] == pytest.approx(minus, rel=1e-6, abs=1e-6)


def test_a_vehicle_on_the_next_lane_outshines_what_is_carried() -> None:
    """A van four metres away gives hundreds of times the field of a tenth of an ampere square metre at two."""
    for going, least_nt, most_nt in ((vehicle(10.0), 100.0, 500.0), (Pass((0, 0, 0.1), 10.0, closest_m=2.0), 1.0, 2.0)):
        lane = replace(CALM, passes=(going,), earth_nt=(0, 0, 0))
        peak_nt = np.abs(vector_source(lane, NOISELESS)(0.0, 2000, 100.0)).max()
        assert least_nt < peak_nt < most_nt


def test_a_heading_error_reads_the_direction_of_the_field() -> None:
    """A field along the lane is read too large by the whole error, a vertical one not at all."""
    for earth_nt, error_nt in (((50_000.0, 0.0, 0.0), 2.0), ((0.0, 0.0, 50_000.0), 0.0)):
        lane = replace(CALM, earth_nt=earth_nt)
        seen = scalar_source(lane, replace(NOISELESS, heading_nt=2.0))(0.0, 10, 10.0)
        assert seen == pytest.approx(50_000.0 + error_nt, abs=1e-6)


def in_pieces(source: FieldSource, cuts: list[int], n: int, rate_hz: float) -> NDArray[np.float64]:
    """Return the samples as asked for between successive cuts."""
    edges = [0, *sorted(cuts), n]
    parts = [source(a / rate_hz, b - a, rate_hz) for a, b in pairwise(edges)]
    return np.concatenate(parts)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=12), rate_hz=st.sampled_from([10.0, 100.0, 480.0, 1000.0]))
def test_samples_do_not_depend_on_how_they_are_cut(cuts: list[int], rate_hz: float) -> None:
    """Any division into calls, empty ones among them, gives the same bits as one call."""
    for make in (vector_source, scalar_source):
        source = make(BUSY, Sensor(key=4))
        assert in_pieces(source, cuts, 300, rate_hz).tobytes() == source(0.0, 300, rate_hz).tobytes()


def test_a_stream_can_be_asked_for_late_and_out_of_order() -> None:
    """An hour in, a sample is what it would have been; nothing is remembered between calls."""
    source = vector_source(BUSY, Sensor())
    late = source(3600.0, 50, 100.0)
    source(0.0, 1000, 100.0)
    assert late.tobytes() == vector_source(BUSY, Sensor())(3600.0, 50, 100.0).tobytes()


def test_sensors_and_seeds_have_noise_of_their_own() -> None:
    """Two keys, two axes or two seeds share no noise; the same key and seed share all of it."""
    sources = [(vector_source(replace(CALM, seed=seed), Sensor(key=key)), axis)
               for seed, key, axis in ((1, 0, 0), (1, 1, 0), (1, 0, 1), (2, 0, 0))]
    rows = [source(0.0, 20_000, 100.0)[:, axis] for source, axis in sources]
    white = np.diff(np.stack(rows), axis=1)
    likeness = np.corrcoef(white) - np.eye(4)
    assert np.abs(likeness).max() < 0.03


def test_the_white_floor_and_the_flicker_have_their_stated_densities() -> None:
    """Welch's estimate gives white and 1/f parts back within 5 %."""
    source = scalar_source(CALM, Sensor(white_nt=0.010, flicker_nt=0.0))
    frequency_hz, power = welch(source(0.0, 200_000, 100.0), 100.0, nperseg=1000)
    assert np.sqrt(power[5:-5].mean()) == pytest.approx(0.010, rel=0.05)
    slow = flicker(key_of(1, 2), np.arange(400_000) / 20.0)
    frequency_hz, power = welch(slow, 20.0, nperseg=10_000)
    for centre_hz in (0.03, 0.1, 0.3, 1.0, 3.0):
        near = (frequency_hz > 0.7 * centre_hz) & (frequency_hz < 1.4 * centre_hz)
        assert np.sqrt((power * frequency_hz)[near].mean()) == pytest.approx(1.0, rel=0.05), centre_hz


def test_hashed_chance_is_normal_and_uncorrelated() -> None:
    """Mean, variance, kurtosis and neighbour correlation of 500 000 values are those of white noise."""
    values = gaussian(key_of(7), np.arange(500_000))
    assert abs(values.mean()) < 0.006
    assert values.var() == pytest.approx(1.0, abs=0.01)
    assert (values**4).mean() == pytest.approx(3.0, abs=0.06)
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.006


def test_mains_is_heard_where_the_rate_allows_it_and_never_aliased() -> None:
    """50 Hz stands at its amplitude in a 1 kHz stream and is absent from one of 80 Hz."""
    lane = Lane(diurnal_nt=(0.0, 0.0, 0.0), wander_nt=0.0)
    fast = vector_source(lane, NOISELESS)(0.0, 1000, 1000.0)[:, 1]
    slow = vector_source(lane, NOISELESS)(0.0, 80, 80.0)[:, 1]
    spectrum = np.abs(np.fft.rfft(fast - fast.mean())) / 500
    assert spectrum[50] == pytest.approx(25.0, rel=1e-6)
    assert spectrum[150] == pytest.approx(5.0, rel=1e-6)
    assert np.ptp(slow) == 0.0


def test_drift_is_shared_by_all_sensors() -> None:
    """Slow variation is the same at two places, so a difference of sensors cancels it."""
    time_s = np.arange(0.0, 7200.0, 10.0)
    lane = Lane(mains_nt=(0.0, 0.0, 0.0))
    here, there = (ambient_nt(lane, place, time_s, 0.1) for place in ((0.0, 0.0, 0.0), (0.0, 2.0, 1.0)))
    assert np.array_equal(here, there)
    assert 1.0 < np.ptp(here[:, 0]) < 60.0


@pytest.mark.parametrize("speed_mps", [0.3, 1.0, 2.0])
def test_a_pass_at_any_speed_is_the_same_field_at_the_same_place(speed_mps: float) -> None:
    """From a slow walk to a slow drive the closed form holds: what is felt depends on the place alone."""
    going = Pass((0.4, -0.9, 0.6), 400.0, speed_mps=speed_mps, closest_m=1.2, height_m=0.5)
    lane = replace(CALM, passes=(going,), earth_nt=(0.0, 0.0, 0.0))
    along = np.linspace(-20.0, 20.0, 81)
    field = ambient_nt(lane, (0.0, 0.0, 0.0), 400.0 + along / speed_mps, 100.0)
    moment, nt = np.array(going.moment_am2), []
    for x in along:
        r = -np.array([x, 1.2, 0.5])
        size = float(np.sqrt(r @ r))
        nt.append(1e-7 * 1e9 * (3.0 * float(moment @ r) * r / size**5 - moment / size**3))
    assert field == pytest.approx(np.array(nt), rel=1e-9, abs=1e-12)


def test_the_wander_of_the_lane_has_its_stated_density() -> None:
    """Welch's estimate gives its 1/f density back within 5 %, over the three axes."""
    lane = Lane(mains_nt=(0.0, 0.0, 0.0), diurnal_nt=(0.0, 0.0, 0.0), wander_nt=0.05, seed=5)
    seen = ambient_nt(lane, (0.0, 0.0, 0.0), np.arange(50_000) / 20.0, 20.0)
    frequency_hz, power = welch(seen, 20.0, nperseg=2000, axis=0)
    near = (frequency_hz > 0.1) & (frequency_hz < 5.0)
    assert np.sqrt((power * frequency_hz[:, None])[near].mean()) == pytest.approx(0.05, rel=0.05)


def test_the_day_swings_the_field_by_its_amplitude_and_returns() -> None:
    """A sine of a day for each axis, whatever the sensor; the same time on the next day reads the same."""
    lane = Lane(mains_nt=(0.0, 0.0, 0.0), wander_nt=0.0)
    for hour in range(0, 24, 5):
        seen = [ambient_nt(lane, (0.0, 0.0, 0.0), np.array([3600.0 * (hour + later)]), 1.0)[0] - np.array(lane.earth_nt)
                for later in (0, 12, 24)]
        swing = np.array(lane.diurnal_nt) * np.sin(np.pi * hour / 12.0 + np.arange(3))
        assert seen[0] == pytest.approx(swing, abs=1e-6)
        assert seen[1] == pytest.approx(-swing, abs=1e-6)
        assert seen[2] == pytest.approx(swing, abs=1e-6)


def test_a_scalar_sensor_hears_mains_along_the_earth_field_and_a_sixty_hertz_lane_hums_there() -> None:
    """The magnitude moves by the mains' part along the field; at 60 Hz and its third harmonic only."""
    lane = Lane(diurnal_nt=(0.0, 0.0, 0.0), wander_nt=0.0, mains_hz=60.0, mains_nt=(15.0, 0.0, 0.0))
    seen = scalar_source(lane, NOISELESS)(0.0, 1000, 1000.0)
    spectrum = np.abs(np.fft.rfft(seen - seen.mean())) / 500
    earth = np.array(lane.earth_nt)
    assert spectrum[60] == pytest.approx(15.0 * earth[0] / np.linalg.norm(earth), rel=1e-3)
    assert set(np.flatnonzero(spectrum > 0.02 * spectrum[60])) == {60, 180}
