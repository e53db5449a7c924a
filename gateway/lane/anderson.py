"""The shape of a dipole that passes a magnetometer in a straight line: three Anderson functions. Pure.

u^n / (1 + u^2)^(5/2), n = 0, 1, 2, with u = (t - t0) / tau and tau = closest approach / speed (Anderson, Naval Air
Development Center report, 1949). Every component of the field, and its magnitude in the Earth's, is a sum of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FUNCTIONS = 3
# Beyond |u| = 3 the third function keeps 1.4 % of its energy (0.06 dB), the others less.
REACH_U = 3.0
# 0.5 m at 2 m/s to 2.4 m at 0.3 m/s, or 8 m at 1 m/s. Halfway between two scales the three functions of one still
# hold more than 98 % of the energy of a pass (0.1 dB), which a test checks.
TAU_S = tuple(0.25 * 2.0 ** (k / 2) for k in range(11))
# Closest approaches are tried this often: the energy lost between two is below 1 %.
HOPS_PER_TAU = 4.0
# A reading is an average over its step; the functions are averaged alike, at so many points.
POINTS_PER_STEP = 6


@dataclass(frozen=True, slots=True)
class Scale:
    """One time scale of the bank: a window of `rows` steps, tried every `hop` steps."""

    tau_s: float
    rows: int
    hop: int


@lru_cache(maxsize=64)
def scale_of(tau_s: float, step_s: float) -> Scale:
    """Return the window of a time scale at this length of step; its middle is the closest approach."""
    half = max(3, round(REACH_U * tau_s / step_s))
    return Scale(tau_s, 2 * half + 1, max(1, round(tau_s / HOPS_PER_TAU / step_s)))


def functions(tau_s: float, step_s: float, first: int, last: int, late_s: float = 0.0) -> NDArray[np.float64]:
    """Return the functions averaged over steps `first` to `last`, counted from the middle: [steps, FUNCTIONS].

    `late_s` is how much after the middle of step 0 the closest approach is.
    """
    inside = (np.arange(POINTS_PER_STEP) + 0.5) / POINTS_PER_STEP - 0.5
    u = ((np.arange(first, last + 1)[:, None] + inside) * step_s - late_s) / tau_s
    fall = (1.0 + u * u) ** -2.5
    return np.stack([(u**n * fall).mean(axis=1) for n in range(FUNCTIONS)], axis=1)


# The eleven scales at the full order, and at one that is still being learnt: half a megabyte at most.
@lru_cache(maxsize=22)
def lagged(tau_s: float, step_s: float, order: int) -> NDArray[np.float64]:
    """Return the functions of a scale's window at each lag: [rows, order + 1, FUNCTIONS], read-only."""
    half = scale_of(tau_s, step_s).rows // 2
    return lags_of(functions(tau_s, step_s, -half - order, half), order)


def lags_of(shape: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Return `shape` [order + rows, FUNCTIONS] with its past beside it: [rows, order + 1, FUNCTIONS]."""
    rows = len(shape) - order
    past = np.stack([shape[order - k: order - k + rows] for k in range(order + 1)], axis=1)
    past.flags.writeable = False
    return past
