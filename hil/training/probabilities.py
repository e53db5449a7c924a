"""Fit the probabilities that a card tells, and measure how true they are. Pure arithmetic.

Fitted on the calibration set with the answers of the very bytes that ship, so that quantisation is calibrated too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from gateway.detection.model_card import Stack
from gateway.detection.probability import any_of, features, log_odds, probability
from hil.training.examples import SUBSTANCES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hil.training.gather import Gathered

# Newton's steps from zero; ten are enough where classes overlap.
STEPS: Final = 25
# Pull of the offsets towards zero, in scans: only where a substance is never missed and never seen it matters.
RIDGE: Final = 1e-3
# Bins hold equally many scans each, so that none is judged by a handful.
BINS: Final = 10
DRAWS: Final = 1000
WEIGHTS: Final = 3


@dataclass(frozen=True, slots=True)
class Reliability:
    """Expected calibration error with the central 95 % of its bootstrap, over so many scans.

    Drawing scans again adds an error of its own to each bin, so the interval lies higher than the truth does.
    """

    ece: float
    low: float
    high: float
    scans: int


def stack_of(data: Gathered, answers: NDArray[np.float32]) -> Stack:
    """The regression's figures. Weights are never negative: more evidence never makes a substance less likely."""
    seen, there = features_of(data, answers), truth_of(data)
    used = np.ones(WEIGHTS, bool)
    while True:
        columns = np.concatenate([np.tile(np.eye(len(SUBSTANCES)), (len(seen), 1)),
                                  seen.reshape(-1, WEIGHTS)[:, used]], axis=1)
        found = _logistic(columns, there.reshape(-1))
        weights = np.zeros(WEIGHTS)
        weights[used] = found[len(SUBSTANCES):]
        if (weights >= 0.0).all():
            offsets = tuple(round(float(v), 5) for v in found[:len(SUBSTANCES)])
            low, high, network = (round(float(v), 5) for v in weights)
            return _with_any(Stack(offsets=offsets, weights=(low, high, network)), data, answers)
        used &= weights >= 0.0


def _with_any(stack: Stack, data: Gathered, answers: NDArray[np.float32]) -> Stack:
    """The same with the figures for any substance."""
    p, there = of_any(stack, told(stack, data, answers), truth_of(data))
    offset, weight = _logistic(np.array([[1.0, log_odds(float(one))] for one in p]), there)
    return msgspec.structs.replace(stack, any_offset=round(float(offset), 5), any_weight=round(float(weight), 5))


def told(stack: Stack, data: Gathered, answers: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probability of each substance, [scan, substance]."""
    return np.array([[probability(stack, s, tuple(row[s])) for s in range(len(SUBSTANCES))]
                     for row in features_of(data, answers)])


def crossed(data: Gathered, answers: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probability of each substance by figures that were fitted without its scan: on the other half of the set."""
    p = np.zeros((len(answers), len(SUBSTANCES)))
    for half in (0, 1):
        fitted, asked = (np.arange(len(answers)) % 2 == side for side in (half, 1 - half))
        p[asked] = told(stack_of(_part(data, fitted), answers[fitted]), _part(data, asked), answers[asked])
    return p


def _part(data: Gathered, chosen: NDArray[np.bool_]) -> Gathered:
    return replace(data, likelihood=data.likelihood[chosen],
                   truths=tuple(truth for truth, kept in zip(data.truths, chosen, strict=True) if kept))


def features_of(data: Gathered, answers: NDArray[np.float32]) -> NDArray[np.float64]:
    """[scan, substance, feature]."""
    return np.array([[features(float(log_p), float(given), consistent=bool(fits))
                      for (log_p, _, fits), given in zip(rows, answer, strict=False)]
                     for rows, answer in zip(data.likelihood, answers[:, :len(SUBSTANCES)], strict=True)])


def truth_of(data: Gathered) -> NDArray[np.bool_]:
    """What lay there, [scan, substance], however weak."""
    return np.array([[truth.substance == name for name in SUBSTANCES] for truth in data.truths])


def of_the_likeliest(p: NDArray[np.float64], there: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of each scan: the probability of its most probable substance, and whether that one was there."""
    at = p.argmax(axis=1)
    rows = np.arange(len(p))
    return p[rows, at], there[rows, at]


def of_any(stack: Stack, p: NDArray[np.float64],
           there: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of each scan: the probability of any covered substance, and whether one was there."""
    return np.array([any_of(stack, row) for row in p]), np.asarray(there.any(axis=1))


def reliability(p: NDArray[np.float64], true: NDArray[np.bool_], rng: np.random.Generator) -> Reliability:
    """How far told probabilities are from what came true: mean over equal-mass bins of |mean told - share true|."""
    drawn = [_ece(p[chosen], true[chosen]) for chosen in rng.integers(0, len(p), (DRAWS, len(p)))]
    return Reliability(_ece(p, true), float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975)), len(p))


def _ece(p: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    order = np.argsort(p, kind="stable")
    gaps = [len(part) * abs(float(p[part].mean() - true[part].mean())) for part in np.array_split(order, BINS)]
    return sum(gaps) / len(p)


def _logistic(columns: NDArray[np.float64], wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Maximum likelihood by Newton's method."""
    found = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-columns @ found))
        hessian = (columns * (p * (1.0 - p))[:, None]).T @ columns + RIDGE * np.eye(len(found))
        found = found + np.linalg.solve(hessian, columns.T @ (wanted - p) - RIDGE * found)
    return found
