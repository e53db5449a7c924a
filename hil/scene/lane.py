"""The magnetic lane: dipoles that pass magnetometers in the Earth's field. Fields in nT, seeded.

A sample depends on its number alone, so a stream is the same however it is cut into calls. Sensors filter
ideally: a disturbance above half the sample rate is absent, not aliased.
Axes: x along the lane, y across it, z up; the middle of the lane is the origin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hil.scene.chance import flicker, gaussian, key_of

# (start in seconds, number of samples, samples per second) -> nT, shape [n, 3] or, for a scalar sensor, [n].
FieldSource: TypeAlias = Callable[[float, int, float], NDArray[np.float64]]

Vector: TypeAlias = tuple[float, float, float]

# Beyond this a moment of 10 A m^2 is below 0.1 pT, far under any sensor's noise: it counts as absent.
FAR_M: Final = 300.0
DAY_S: Final = 86_400.0
_WHITE, _FLICKER, _PHASE, _DRIFT = range(4)      # what a key is drawn for


@dataclass(frozen=True, slots=True)
class Pass:
    """A magnetic moment that moves along x at `speed_mps` (0.3 to 2) and is abreast of the origin at `at_s`.

    `closest_m` is its distance across the lane (y), `height_m` its height, `moment_am2` in A m^2.
    """

    moment_am2: Vector
    at_s: float
    speed_mps: float = 1.0
    closest_m: float = 1.0
    height_m: float = 0.0


# A van and a lorry's worth of steel, as one dipole each: an assumption. Metres away, they outshine what is carried.
VAN_AM2: Final = (60.0, -25.0, -140.0)
LORRY_AM2: Final = (350.0, 120.0, -800.0)


def vehicle(at_s: float, speed_mps: float = 2.0, moment_am2: Vector = VAN_AM2) -> Pass:
    """Return a vehicle on the next lane, 4 m away: ferrous mass in motion too, and told of as such."""
    return Pass(moment_am2, at_s, speed_mps, 4.0, 0.3)


@dataclass(frozen=True, slots=True)
class Lane:
    """The surroundings all sensors share. Every default is an assumption.

    `mains_nt` is the amplitude along each axis at `mains_hz`, with a fifth of it at the third harmonic;
    `diurnal_nt` the daily swing's amplitude, `wander_nt` slow 1/f variation at 1 Hz in nT/sqrt(Hz).
    """

    passes: tuple[Pass, ...] = ()
    earth_nt: Vector = (18_500.0, 900.0, -44_500.0)
    mains_nt: Vector = (15.0, 25.0, 10.0)
    mains_hz: float = 50.0
    diurnal_nt: Vector = (20.0, 10.0, 15.0)
    wander_nt: float = 0.02
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Sensor:
    """Where a magnetometer stands and its own noise: white floor and 1/f part at 1 Hz, nT/sqrt(Hz).

    `key` tells its noise from that of every other sensor of the lane. The defaults are those of an optically
    pumped sensor in the Earth's field. `heading_nt` is the heading error of a scalar sensor: what it reads too much
    where the field lies along the lane, nothing where it is vertical. It turns a change of direction into a reading.
    """

    position_m: Vector = (0.0, 0.0, 0.0)
    white_nt: float = 0.005
    flicker_nt: float = 0.005
    key: int = 0
    heading_nt: float = 0.0


def vector_source(lane: Lane, sensor: Sensor) -> FieldSource:
    """Return what a three-axis sensor reads, aligned with the lane's axes; shape [n, 3]."""
    def read(t0_s: float, n: int, rate_hz: float) -> NDArray[np.float64]:
        index, time_s = _samples(t0_s, n, rate_hz)
        noise = [_sensor_noise(lane, sensor, axis, index, rate_hz) for axis in range(3)]
        return ambient_nt(lane, sensor.position_m, time_s, rate_hz) + np.stack(noise, axis=1)
    return read


def scalar_source(lane: Lane, sensor: Sensor) -> FieldSource:
    """Return what a scalar sensor reads, the magnitude of the field; shape [n]."""
    def read(t0_s: float, n: int, rate_hz: float) -> NDArray[np.float64]:
        index, time_s = _samples(t0_s, n, rate_hz)
        field = ambient_nt(lane, sensor.position_m, time_s, rate_hz)
        magnitude = np.linalg.norm(field, axis=1)
        heading = sensor.heading_nt * field[:, 0] / magnitude
        return np.asarray(magnitude + heading + _sensor_noise(lane, sensor, 3, index, rate_hz))
    return read


def ambient_nt(lane: Lane, position_m: Vector, time_s: NDArray[np.float64], rate_hz: float,
               ) -> NDArray[np.float64]:
    """Return the field at a place without any sensor's noise; shape [n, 3]."""
    field = np.tile(np.array(lane.earth_nt, np.float64), (len(time_s), 1))
    for axis in range(3):
        field[:, axis] += _mains(lane, axis, time_s, rate_hz) + _drift(lane, axis, time_s)
    for item in lane.passes:
        reach_s = FAR_M / item.speed_mps
        if not len(time_s) or time_s[0] > item.at_s + reach_s or time_s[-1] < item.at_s - reach_s:
            continue
        near = np.abs(time_s - item.at_s) < reach_s
        if near.any():
            along = item.speed_mps * (time_s[near] - item.at_s)
            source = np.stack([along, np.full_like(along, item.closest_m), np.full_like(along, item.height_m)], 1)
            field[near] += dipole_nt(np.array(item.moment_am2), np.array(position_m) - source)
    return field


def dipole_nt(moment_am2: NDArray[np.float64], r_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (mu0 / 4 pi) (3 (m.r) r / r^5 - m / r^3) in nT at `r_m` from a moment; shapes [3], [n, 3]."""
    r = np.linalg.norm(r_m, axis=1)[:, None]
    along = (r_m @ moment_am2)[:, None]
    return np.asarray(100.0 * (3.0 * along * r_m / r**5 - moment_am2 / r**3))


def _samples(t0_s: float, n: int, rate_hz: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the numbers of the samples from `t0_s` on and their times, which depend on the number alone."""
    index = np.arange(n, dtype=np.int64) + round(t0_s * rate_hz)
    return index, index / rate_hz


def _sensor_noise(lane: Lane, sensor: Sensor, axis: int, index: NDArray[np.int64], rate_hz: float,
                  ) -> NDArray[np.float64]:
    white = gaussian(key_of(lane.seed, sensor.key, axis, _WHITE), index)
    slow = flicker(key_of(lane.seed, sensor.key, axis, _FLICKER), index / rate_hz)
    return np.asarray(sensor.white_nt * np.sqrt(rate_hz / 2.0) * white + sensor.flicker_nt * slow)


def _mains(lane: Lane, axis: int, time_s: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    wave = np.zeros_like(time_s)
    for harmonic, share in ((1, 1.0), (3, 0.2)):
        if harmonic * lane.mains_hz < rate_hz / 2:
            chance = gaussian(key_of(lane.seed, axis, _PHASE), np.array([harmonic]))
            phase = 2.0 * np.pi * (harmonic * lane.mains_hz * time_s + chance)
            wave += share * lane.mains_nt[axis] * np.sin(phase)
    return wave


def _drift(lane: Lane, axis: int, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the daily swing and the slow wander, both alike at every sensor."""
    daily = lane.diurnal_nt[axis] * np.sin(2.0 * np.pi * time_s / DAY_S + axis)
    return np.asarray(daily + lane.wander_nt * flicker(key_of(lane.seed, axis, _DRIFT), time_s))
