"""Events that measure the lane's network: written apart from those that train it, from other ranges and formulae.

Poles instead of dipoles, second-order steps, exponential glitches: what the network learnt by heart fails here. Seeded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hil.scene.lane import dipole_nt
from hil.training.lane_events import EVENT_S, Event, time_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Maker = Callable[[np.random.Generator, NDArray[np.float64]], NDArray[np.float64]]

# How much larger than what a gait swings a carried object may turn, and other ranges, are assumptions.
SPEED_MPS: Final = (0.4, 1.8)
CLOSEST_M: Final = (0.5, 4.0)


def trolley(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """One dipole on a straight line, at distances uniform in metres."""
    return dipole_nt(rng.standard_normal(3), _past(rng, t))


def keys(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys that turn about themselves and sway with a gait as they are carried past."""
    place, axes = _past(rng, t), np.linalg.qr(rng.standard_normal((3, 3)))[0]
    phase = 2.0 * np.pi * rng.uniform(0.8, 1.8) * t + 6.3 * rng.random()
    swing = rng.uniform(0.1, 0.7) * np.sin(phase) + rng.uniform(-0.4, 0.4) * t
    sway = rng.uniform(0.0, 0.1) * np.sin(phase / 2.0)[:, None] * axes[2]
    field = np.zeros((t.size, 3))
    for axis, share in ((axes[0], np.cos(swing)), (axes[1], np.sin(swing))):
        field += share[:, None] * dipole_nt(axis, place + sway)
    return field


def bar(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """A bar with two poles, 0.2 to 0.8 m apart: no point dipole where it is near."""
    place, half = _past(rng, t), 0.5 * rng.uniform(0.2, 0.8) * _unit(rng)
    return _pole(place - half) - _pole(place + half)


def bent(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """An object that comes along one line and leaves along another."""
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    speed, closest = rng.uniform(*SPEED_MPS), rng.uniform(*CLOSEST_M)
    leaving = frame[0] + rng.uniform(-0.9, 0.9) * frame[2]
    way = np.where(t[:, None] < 0.0, frame[0], leaving / np.linalg.norm(leaving)) * speed * t[:, None]
    return dipole_nt(rng.standard_normal(3), closest * frame[1] - way)


def settling(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """A step that overshoots and settles."""
    rate, damping = 10.0 ** rng.uniform(0.0, 1.5), rng.uniform(0.3, 1.0)
    late = np.maximum(t, 0.0)
    wave = np.sqrt(max(1.0 - damping**2, 1e-3)) * rate
    return np.asarray(((1.0 - np.exp(-damping * rate * late) * np.cos(wave * late)) * (t > 0.0))[:, None] * _unit(rng))


def gate(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """A sliding or swinging gate: poles that ease from one place to another, and sometimes back."""
    takes_s, stays_s = rng.uniform(1.0, 5.0), rng.uniform(2.0, 12.0)
    eased = 0.5 - 0.5 * np.cos(np.pi * np.clip(t / takes_s, 0.0, 1.0))
    if rng.random() < 0.4:
        eased -= 0.5 - 0.5 * np.cos(np.pi * np.clip((t - takes_s - stays_s) / takes_s, 0.0, 1.0))
    here, travel = rng.uniform(2.0, 5.0) * _unit(rng), rng.uniform(0.5, 1.8) * _unit(rng)
    place = here + eased[:, None] * travel
    return _pole(place) - _pole(place + rng.uniform(0.5, 1.5) * _unit(rng))


def spike(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spikes that fall off exponentially."""
    field = np.zeros((t.size, 3))
    for _ in range(int(rng.integers(1, 5))):
        start_s, fall_s = rng.uniform(-1.0, 1.0), 10.0 ** rng.uniform(-2.0, -0.5)
        field += ((t > start_s) * np.exp(-np.maximum(t - start_s, 0.0) / fall_s))[:, None] * rng.standard_normal(3)
    return field


def motor(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """A motor runs up, runs and stops, with a hum at its slip."""
    up_s, runs_s, down_s = rng.uniform(0.1, 2.0), rng.uniform(1.0, 8.0), rng.uniform(0.05, 1.0)
    level = np.clip(t / up_s, 0.0, 1.0) - np.clip((t - up_s - runs_s) / down_s, 0.0, 1.0)
    slip = 1.0 + rng.uniform(0.0, 0.5) * np.sin(2.0 * np.pi * rng.uniform(0.3, 2.0) * t)
    hum = 3.0 * rng.random() * np.sin(2.0 * np.pi * 49.6 * t)
    return np.asarray((level * (slip + hum))[:, None] * _unit(rng))


def struck(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mast swings in two planes with beats."""
    late = np.maximum(t, 0.0)
    waves = [np.exp(-late / rng.uniform(1.0, 6.0)) * np.sin(2.0 * np.pi * rng.uniform(0.3, 1.5) * late)[:]
             for _ in range(2)]
    return np.asarray(np.stack(waves, axis=1) @ rng.standard_normal((2, 3)))


def lorry(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """A lorry: axles and load as poles over its length, at a few metres."""
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    long_m, speed, off = rng.uniform(6.0, 12.0), rng.uniform(1.0, 3.0), rng.uniform(2.5, 5.0)
    field = np.zeros((t.size, 3))
    strengths, places_m = rng.standard_normal(8), np.sort(rng.uniform(-0.5, 0.5, 8)) * long_m
    for place_m, strength in zip(places_m, strengths - strengths.mean(), strict=True):
        field += strength * _pole(off * frame[1] - (speed * t + place_m)[:, None] * frame[0])
    return field


PASSES: Final[dict[str, Maker]] = {"trolley": trolley, "keys": keys, "bar": bar, "bent": bent}
DISTURBANCES: Final[dict[str, Maker]] = {
    "settling": settling, "gate": gate, "spike": spike, "motor": motor, "struck": struck, "lorry": lorry}


def draw_other_event(rng: np.random.Generator) -> Event:
    """Return a pass or, as often, a disturbance, of a kind that did not train."""
    t = time_s() - EVENT_S / 2.0 + rng.uniform(-3.0, 3.0)
    passed = bool(rng.random() < 0.5)
    kinds = PASSES if passed else DISTURBANCES
    kind = str(rng.choice(list(kinds)))
    return Event(kind, passed, kinds[kind](rng, t))


def _past(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    speed, closest = rng.uniform(*SPEED_MPS), rng.uniform(*CLOSEST_M)
    return np.asarray(closest * frame[1] - speed * t[:, None] * frame[0])


def _pole(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return r / r^3: the field of one pole, which never comes alone."""
    return np.asarray(place / np.linalg.norm(place, axis=1)[:, None] ** 3)


def _unit(rng: np.random.Generator) -> NDArray[np.float64]:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))
