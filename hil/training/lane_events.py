"""What disturbs a lane's magnetometer, made up for training: objects that pass, and what only looks so. Seeded.

Every range is an assumption. The bench draws its events from other ranges and other formulae (hil/bench/lane_events).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

EVENT_S: Final = 60.0
RATE_HZ: Final = 200.0
MIDDLE_S: Final = EVENT_S / 2.0


@dataclass(frozen=True, slots=True)
class Event:
    """The field of one event in any unit, [rows, 3] at RATE_HZ over EVENT_S, and whether an object passed."""

    kind: str
    passed: bool
    field: NDArray[np.float64]


def time_s() -> NDArray[np.float64]:
    """The middles of the rows."""
    return np.asarray((np.arange(round(EVENT_S * RATE_HZ)) + 0.5) / RATE_HZ, np.float64)


def gradient_of(moment: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return minus the gradient of m.r / r^3 at `place` [n, 3]; the moment is [3] or [n, 3]."""
    squared = np.einsum("tk,tk->t", place, place)[:, None]
    along = np.sum(moment * place, axis=1)[:, None]
    return np.asarray(3.0 * along * place / squared**2.5 - moment / squared**1.5)


def straight(rng: np.random.Generator) -> NDArray[np.float64]:
    """One dipole on a straight line."""
    return gradient_of(rng.standard_normal(3), _way(rng, time_s()))


def turning(rng: np.random.Generator) -> NDArray[np.float64]:
    """An object that swings or turns as it is carried: keys, a bag at arm's length."""
    t, moment, axis = time_s(), rng.standard_normal(3), _unit(rng)
    if rng.random() < 0.5:
        swing, gait = np.radians(rng.uniform(8.0, 50.0)), 2.0 * np.pi * rng.uniform(0.6, 2.2) * t
        angle = swing * np.sin(gait + 6.3 * rng.random())
    else:
        angle = rng.uniform(-1.0, 1.0) * (t - MIDDLE_S)
    return gradient_of(_turned(moment, axis, angle), _way(rng, t))


def winding(rng: np.random.Generator) -> NDArray[np.float64]:
    """An object that keeps no straight line and no even speed."""
    t = time_s()
    uneven = t + rng.uniform(0.05, 0.3) / 0.9 * np.sin(0.9 * t + 6.3 * rng.random())
    place = _way(rng, uneven)
    near = np.linalg.norm(place, axis=1).min()
    sway = min(0.35, 0.3 * near) * rng.random() * np.sin(2.0 * np.pi * rng.uniform(0.1, 0.9) * t + 6.3 * rng.random())
    return gradient_of(rng.standard_normal(3), place + sway[:, None] * _unit(rng))


def several(rng: np.random.Generator) -> NDArray[np.float64]:
    """Two or three objects carried together."""
    place = _way(rng, time_s())
    reach = 0.4 * np.linalg.norm(place, axis=1).min()
    parts = [gradient_of(rng.standard_normal(3), place + reach * rng.random() * _unit(rng))
             for _ in range(int(rng.integers(2, 4)))]
    return np.asarray(np.sum(parts, axis=0))


def step(rng: np.random.Generator) -> NDArray[np.float64]:
    """The field changes for good: iron set down, a relay, a range switched."""
    t, rise_s = time_s() - MIDDLE_S, 10.0 ** rng.uniform(-1.5, 0.0)
    return np.where(t > 0.0, -np.expm1(-np.maximum(t, 0.0) / rise_s), 0.0)[:, None] * _unit(rng)


def door(rng: np.random.Generator) -> NDArray[np.float64]:
    """A steel door turns on its hinge, and may close again."""
    t, takes_s, stays_s = time_s() - MIDDLE_S, rng.uniform(0.7, 4.0), rng.uniform(0.5, 9.0)
    opened = np.clip(t / takes_s, 0.0, 1.0)
    if rng.random() < 0.6:
        opened -= np.clip((t - takes_s - stays_s) / takes_s, 0.0, 1.0)
    angle = np.radians(rng.uniform(50.0, 110.0)) * opened
    hinge, leaf, axis = rng.uniform(1.5, 6.0) * _unit(rng), 0.45 * _unit(rng), _unit(rng)
    return gradient_of(_turned(rng.standard_normal(3), axis, angle), hinge + _turned(leaf, axis, angle))


def glitch(rng: np.random.Generator) -> NDArray[np.float64]:
    """A few rows that mean nothing: a lost lock, a wrong bit."""
    t, field = time_s() - MIDDLE_S, np.zeros((round(EVENT_S * RATE_HZ), 3))
    which = np.ones(3) if rng.random() < 0.5 else np.eye(3)[rng.integers(3)]
    for _ in range(int(rng.integers(1, 4))):
        start_s, long_s = rng.uniform(-0.5, 0.5), 10.0 ** rng.uniform(-2.3, -0.3)
        field += ((t > start_s) & (t < start_s + long_s))[:, None] * rng.standard_normal(3) * which
    return field


def burst(rng: np.random.Generator) -> NDArray[np.float64]:
    """A load on the mains: current for a while with an inrush, and a hum that does not average out at its edges."""
    t, long_s, inrush_s = time_s() - MIDDLE_S, 10.0 ** rng.uniform(-0.3, 1.1), 10.0 ** rng.uniform(-1.0, 0.3)
    on = ((t > 0.0) & (t < long_s)).astype(float)
    shape = on * (1.0 + rng.uniform(0.0, 4.0) * np.exp(-np.maximum(t, 0.0) / inrush_s))
    hum = rng.uniform(0.0, 6.0) * np.sin(2.0 * np.pi * 50.0 * (t + 0.02 * rng.random()))
    return np.asarray((shape * (1.0 + hum))[:, None] * _unit(rng))


def swaying(rng: np.random.Generator) -> NDArray[np.float64]:
    """The mast was struck: the sensor swings in the Earth's field and comes to rest."""
    t, rest_s = time_s() - MIDDLE_S, rng.uniform(0.7, 9.0)
    ringing = np.exp(-np.maximum(t, 0.0) / rest_s) * np.sin(2.0 * np.pi * rng.uniform(0.15, 2.0) * t)
    return np.where(t > 0.0, ringing, 0.0)[:, None] * _unit(rng)


def vehicle(rng: np.random.Generator) -> NDArray[np.float64]:
    """A long vehicle nearby: many dipoles in a row, none of them the whole."""
    long_m, parts = rng.uniform(4.0, 15.0), int(rng.integers(5, 12))
    speed, off = rng.uniform(0.6, 4.0), rng.uniform(2.0, 0.5 * long_m + 1.0)
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    along = speed * (time_s() - MIDDLE_S)
    permanent = rng.standard_normal(3)
    field = np.zeros((along.size, 3))
    for place_m in np.linspace(-0.5, 0.5, parts) * long_m:
        moment = 0.5 * permanent + rng.standard_normal(3)
        field += gradient_of(moment, off * frame[1] - (along + place_m)[:, None] * frame[0])
    return field


PASSES: Final[dict[str, Callable[[np.random.Generator], NDArray[np.float64]]]] = {
    "straight": straight, "turning": turning, "winding": winding, "several": several}
DISTURBANCES: Final[dict[str, Callable[[np.random.Generator], NDArray[np.float64]]]] = {
    "step": step, "door": door, "glitch": glitch, "burst": burst, "swaying": swaying, "vehicle": vehicle}


def draw_event(rng: np.random.Generator) -> Event:
    """Return a pass or, as often, a disturbance."""
    passed = bool(rng.random() < 0.5)
    kinds = PASSES if passed else DISTURBANCES
    kind = str(rng.choice(list(kinds)))
    return Event(kind, passed, kinds[kind](rng))


def _way(rng: np.random.Generator, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """From a straight-moving object to the sensor, abreast in the middle of the event: [rows, 3] in metres."""
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    speed, closest = rng.uniform(0.3, 2.2), np.exp(rng.uniform(np.log(0.3), np.log(5.0)))
    return np.asarray(closest * frame[1] - speed * (at_s - MIDDLE_S)[:, None] * frame[0])


def _unit(rng: np.random.Generator) -> NDArray[np.float64]:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _turned(vector: NDArray[np.float64], axis: NDArray[np.float64], angle: NDArray[np.float64],
            ) -> NDArray[np.float64]:
    """Return a vector turned about an axis by each angle, after Rodrigues: [rows, 3]."""
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    across, along = np.cross(axis, vector), axis * float(axis @ vector)
    return np.asarray(cosine * vector + sine * across + (1.0 - cosine) * along)
