"""A three-axis magnetometer with known errors, held in one attitude after another in a steady field.

For practising calibration without a sensor. A sample depends on its number and the seed alone, so a stream is
the same however it is cut into calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.scene.chance import gaussian, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Vector = tuple[float, float, float]
_NOISE: Final = 0x7B1E      # what a key is drawn for


@dataclass(frozen=True, slots=True)
class Tumble:
    """The field, the sensor's true errors, and how it is handled. Every default is an assumption.

    Errors: what each axis reads in no field (`offset_nt`), its reading over the true field (`scale`), and how
    far the y axis leans from the perpendicular to x, and z from those to x and y (`lean_rad`). `noise_nt` is
    the standard deviation of one sample. Each of `attitudes` is held for `hold_s` and left within `turn_s`.
    """

    field_nt: float = 49_500.0
    offset_nt: Vector = (130.0, -85.0, 310.0)
    scale: Vector = (1.004, 0.993, 1.011)
    lean_rad: Vector = (0.006, -0.011, 0.004)
    noise_nt: float = 1.0
    attitudes: int = 32
    hold_s: float = 2.0
    turn_s: float = 0.5
    seed: int = 1


def tumble_source(tumble: Tumble) -> Callable[[float, int, float], NDArray[np.float64]]:
    """Return what the sensor reads, nT [n, 3], from `t0_s` on for `n` samples at `rate_hz`."""
    directions = attitude_directions(tumble)
    axes = sensor_axes(tumble)

    def read(t0_s: float, n: int, rate_hz: float) -> NDArray[np.float64]:
        index = np.arange(n, dtype=np.int64) + round(t0_s * rate_hz)
        field = tumble.field_nt * _field_direction(tumble, directions, index / rate_hz)
        noise = [gaussian(key_of(tumble.seed, axis, _NOISE), index) for axis in range(3)]
        reading = (field @ axes.T) * np.array(tumble.scale) + np.array(tumble.offset_nt)
        return np.asarray(reading + tumble.noise_nt * np.stack(noise, axis=1))
    return read


def sensor_axes(tumble: Tumble) -> NDArray[np.float64]:
    """Return the unit vectors of the three sensor axes as rows, in the sensor's orthogonal frame.

    x is the frame's own; y lies in the plane of x and y, leaning by the first angle towards -x; z has the
    sines of the other two as its parts along x and y.
    """
    lean = np.sin(tumble.lean_rad)
    second = np.array([-lean[0], np.sqrt(1.0 - lean[0]**2), 0.0])
    third = np.array([lean[1], lean[2], np.sqrt(1.0 - lean[1]**2 - lean[2]**2)])
    return np.stack([np.array([1.0, 0.0, 0.0]), second, third])


def attitude_directions(tumble: Tumble) -> NDArray[np.float64]:
    """Return the field's direction in the sensor's frame for each attitude: a spiral from pole to pole, turned."""
    step = np.arange(tumble.attitudes) + 0.5
    height = 1.0 - 2.0 * step / tumble.attitudes
    azimuth = np.sqrt(4.0 * np.pi * tumble.attitudes) * np.arcsin(height)  # equal steps along the spiral
    radius = np.sqrt(1.0 - height**2)
    spiral = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], axis=1)
    turn = np.linalg.qr(np.random.default_rng(tumble.seed).standard_normal((3, 3)))[0]
    return np.asarray(spiral @ turn)


def _field_direction(tumble: Tumble, directions: NDArray[np.float64], time_s: NDArray[np.float64],
                     ) -> NDArray[np.float64]:
    """Return the direction at each time: held, then turned to the next; after the last comes the first."""
    turns = time_s / (tumble.hold_s + tumble.turn_s)
    at = np.floor(turns).astype(np.int64)
    share = np.clip(((turns - at) * (tumble.hold_s + tumble.turn_s) - tumble.hold_s) / tumble.turn_s, 0.0, 1.0)
    here, there = directions[at % tumble.attitudes], directions[(at + 1) % tumble.attitudes]
    path = (1.0 - share)[:, None] * here + share[:, None] * there
    return np.asarray(path / np.linalg.norm(path, axis=1, keepdims=True))
