"""From the lane network's output to a probability: a straight line on the logit, found on events of its own. Pure.

Two parameters on a thousand events: more would fit the events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.lane.pass_card import Calibration
from gateway.lane.pass_model import probability_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEWTON_STEPS: Final = 30
RIDGE: Final = 1e-3
EDGE: Final = 1e-6


def calibrate(outputs: NDArray[np.float64], passed: NDArray[np.bool_]) -> Calibration:
    """Return the slope and offset of least log loss, by Newton's method (Platt, 1999)."""
    logit = np.log(np.clip(outputs, EDGE, 1.0 - EDGE) / (1.0 - np.clip(outputs, EDGE, 1.0 - EDGE)))
    known = np.stack([logit, np.ones_like(logit)], axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(NEWTON_STEPS):
        p = 1.0 / (1.0 + np.exp(-known @ found))
        gradient = known.T @ (p - passed)
        curvature = (known * (p * (1.0 - p))[:, None]).T @ known + RIDGE * np.eye(2)
        found -= np.linalg.solve(curvature, gradient)
    return Calibration(round(float(found[0]), 4), round(float(found[1]), 4))


def calibrated(outputs: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """Return the probabilities."""
    return np.array([probability_of(float(one), calibration) for one in outputs])


def log_loss(p: NDArray[np.float64], passed: NDArray[np.bool_]) -> float:
    """Return the mean of minus the logarithm of what was said of the truth."""
    kept = np.clip(p, EDGE, 1.0 - EDGE)
    return float(-np.mean(np.where(passed, np.log(kept), np.log(1.0 - kept))))
