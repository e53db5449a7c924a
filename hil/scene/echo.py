"""The echo train of one line as the head delivers it: mean over the echoes of a group. Pure arithmetic.

Model (Somasundaram et al., IEEE TGRS 45 (2007) 925): after pulse m at t = 0, with tsp = spacing / 2,
    y_m(t) = rho exp(-(t + m mu) / Te) exp(-|t - tsp| / T2*) exp(i w (t - tsp)),   m = 0 .. M-1, mu = spacing
The window of 256 points is centred on tsp, and the carrier is the zero of w.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan

POINTS: Final = 256
GROUPS: Final = 8
PULSE_S: Final = 40e-6           # length of a refocusing pulse, a prior: how far off resonance it reaches


def window_s(plan: BandPlan) -> NDArray[np.float64]:
    """Return the 256 times of a window since its pulse, seconds; shape [256]."""
    late = (np.arange(POINTS, dtype=np.float64) - (POINTS - 1) / 2) / plan.rate_hz
    return np.asarray(plan.echo_spacing_s / 2 + late, np.float64)


def group_means(plan: BandPlan, step: complex) -> NDArray[np.complex128]:
    """Return, per group, the mean of `step`**m over its echoes m; shape [8].

    `step` is what one echo spacing does: exp(-mu / Te) for a decay, exp(2 pi i f mu) for a steady tone.
    """
    echoes = np.arange(GROUPS * plan.echoes_per_group).reshape(GROUPS, plan.echoes_per_group)
    return np.asarray(np.power(complex(step), echoes).mean(axis=1))


def echo_train(plan: BandPlan, offset_hz: float, t2e_s: float, t2star_s: float) -> NDArray[np.complex128]:
    """Return the train of a line with unit amplitude at t = 0, `offset_hz` from the carrier; shape [8, 256].

    Zero where the line lies outside the band: the anti-alias filter is taken as ideal.
    """
    if abs(offset_hz) >= plan.rate_hz / 2:
        return np.zeros((GROUPS, POINTS), np.complex128)
    t = window_s(plan)
    late = t - plan.echo_spacing_s / 2
    echo = np.exp(-t / t2e_s - np.abs(late) / t2star_s + 2j * np.pi * offset_hz * late)
    groups = group_means(plan, np.exp(-plan.echo_spacing_s / t2e_s))
    return groups[:, None] * (excited(offset_hz) * echo)


def excited(offset_hz: float) -> float:
    """Return the share of the signal that a pulse of `PULSE_S` excites so far off resonance: |sinc|."""
    return float(abs(np.sinc(offset_hz * PULSE_S)))


def recovered(repetition_s: float, train_s: float, t1_s: float) -> float:
    """Return the magnetisation regained between the end of a train and the next one's start, 0 to 1."""
    return float(-np.expm1(-max(repetition_s - train_s, 0.0) / t1_s))


def axis_coupling(source_m: NDArray[np.float64], sensors_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each sensor's z field of a z dipole at `source_m`, relative to one on axis at 1 m; shape [n].

    Point dipole: (3 cos^2 - 1) / (2 r^3), with r in metres.
    """
    path = sensors_m - source_m
    r = np.linalg.norm(path, axis=1)
    return np.asarray((3.0 * (path[:, 2] / r) ** 2 - 1.0) / (2.0 * r**3))
