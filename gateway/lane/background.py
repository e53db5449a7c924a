"""What a magnetometer reads when nothing passes: autoregression per channel, correlation between channels. Pure.

Data and signal shapes go through the same filter, or the detector would look for a shape that is no longer there
(Sheinker et al., Sens. Actuators A 138 (2007) 105).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# 2.4 s of past at five steps a second: enough for 1/f noise over white, which a test measures.
ORDER_MAX = 12
# Steps of background for each coefficient that is learnt from them.
STEPS_PER_COEFFICIENT = 8
# The fitted constant is a drift per step in this unit: near the noise of the sensors, for a well-conditioned fit.
DRIFT_STEP_T = 1e-11
# A variance below this share of the mean square is rounding, not noise: the channel is stuck.
STUCK = 1e-24
# Correlation of channels beyond 1 - SAME counts as that; no sensor has less noise in a step than 1 fT.
SAME = 1e-6
NOISE_FLOOR_T = 1e-15
# Added to the correlations of the past steps: far above rounding, far below the whitest noise of a real device.
RIDGE = 1e-10
# Steps whose past is spread out at a time: 0.2 MB for three channels, whatever the length of the background.
PIECE_STEPS = 600


@dataclass(frozen=True, slots=True)
class Background:
    """The filter that makes quiet readings white, of unit variance and uncorrelated between channels.

    `live` [channels] tells which take part; `centre` [live] is taken off first: 50 uT of Earth's field would cost
    seven digits of a picotesla. `prediction` [live][order] are the weights of past steps, `drift` [live] tesla per
    step, `root` [live][live] the inverse root of the innovations' covariance, estimated with `dof` degrees of freedom.
    `white` [steps, live] is what it makes of the steps it was learnt from.
    """

    live: NDArray[np.bool_]
    centre: NDArray[np.float64]
    prediction: NDArray[np.float64]
    drift: NDArray[np.float64]
    root: NDArray[np.float64]
    dof: int
    white: NDArray[np.float64]

    @property
    def order(self) -> int:
        """How many past steps a step is predicted from."""
        return int(self.prediction.shape[1])

    @property
    def channels(self) -> int:
        """How many channels take part."""
        return int(self.prediction.shape[0])

    def whiten(self, field: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the white steps of consecutive steps of field in tesla: [rows - order, live]."""
        used = field[:, self.live] - self.centre
        past = _past(used, self.order)
        predicted = np.einsum("tkc,ck->tc", past, self.prediction) + self.drift
        return np.asarray((used[self.order:] - predicted) @ self.root)

    def shapes(self, lagged: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return white shapes [rows, live, live * functions] from those at each lag [rows, order + 1, functions].

        The third index runs over the channel that sees the signal, then over the functions.
        """
        weights = np.concatenate([np.ones((self.channels, 1)), -self.prediction], axis=1)
        seen = np.einsum("tkn,ck->tcn", lagged, weights)
        return np.asarray(np.einsum("tcn,cd->tdcn", seen, self.root).reshape(len(lagged), self.channels, -1))


def learn(field: NDArray[np.float64], numbers: NDArray[np.int64]) -> Background | None:
    """Fit the background to steps in tesla [rows, channels] with their running numbers; None where none is alive.

    Where the numbers jump, something was left out: nothing is predicted across the seam.
    """
    spread, level = field.var(axis=0), np.mean(field**2, axis=0)
    live = np.isfinite(spread) & (spread > STUCK * level)
    order = min(ORDER_MAX, len(field) // STEPS_PER_COEFFICIENT - 1)
    whole = numbers[order:] - numbers[:-order] == order if order > 0 else np.zeros(0, np.bool_)
    n, fitted = int(whole.sum()), order + 1
    if not live.any() or n < STEPS_PER_COEFFICIENT * fitted // 2:
        return None
    centre = field[:, live].mean(axis=0)
    used = field[:, live] - centre
    weights = _weights(used, whole, order)
    innovation = _innovations(used, weights, order)[whole]
    # `fitted` parameters per channel: residuals are that much too small, predictions that much off.
    covariance = innovation.T @ innovation / (n - fitted) * (1.0 + fitted / n)
    # Two columns of the same values, or a ramp that is predicted exactly, would leave it without an inverse.
    covariance += np.diag(SAME * covariance.diagonal() + NOISE_FLOOR_T**2)
    root = np.linalg.inv(np.linalg.cholesky(covariance)).T
    drift_t = weights[:, order] * DRIFT_STEP_T
    return Background(live, centre, weights[:, :order], drift_t, root, n - fitted, innovation @ root)


def _weights(used: NDArray[np.float64], whole: NDArray[np.bool_], order: int) -> NDArray[np.float64]:
    """Return the weights of past steps and drift that predict best: [channels, order + 1].

    The sums are gathered piece by piece: the past of the whole background would be thirteen times its size.
    """
    channels = used.shape[1]
    gram, wanted = np.zeros((channels, order + 1, order + 1)), np.zeros((channels, order + 1))
    for start in range(0, len(whole), PIECE_STEPS):
        piece = used[start: start + PIECE_STEPS + order]
        counts = whole[start: start + PIECE_STEPS]
        past, now = _past(piece, order)[counts], piece[order:][counts]
        drift = np.full((len(now), 1), DRIFT_STEP_T)
        for c in range(channels):
            known = np.concatenate([past[:, :, c], drift], axis=1)
            gram[c] += known.T @ known
            wanted[c] += known.T @ now[:, c]
    return np.stack([_solved(*sums) for sums in zip(gram, wanted, strict=True)])


def _innovations(used: NDArray[np.float64], weights: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Return what the weights do not predict, also across a seam: [rows - order, channels]."""
    left = used[order:] - weights[:, order] * DRIFT_STEP_T
    for k in range(order):
        left -= used[order - k - 1: len(used) - k - 1] * weights[:, k]
    return left


def _solved(gram: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least-squares weights by the normal equations: ten times as fast as by singular values.

    Their condition is the dynamic range of the noise spectrum, a million at most; an exact ramp gets a ridge.
    """
    scale = 1.0 / np.sqrt(np.maximum(gram.diagonal(), np.finfo(float).tiny))
    scaled = gram * scale[:, None] * scale + RIDGE * np.eye(len(gram))
    return np.asarray(np.linalg.solve(scaled, wanted * scale) * scale)


def _past(field: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Return the `order` values before each value, the last first: [rows - order, order, channels]."""
    rows = len(field) - order
    return np.stack([field[order - k - 1: order - k - 1 + rows] for k in range(order)], axis=1)
