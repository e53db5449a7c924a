"""From scores to detection curves: a threshold from nulls, the deflection needed for a Pd, and its error. Pure.

The error of a gap comes from drawing trials and threshold again, so the threshold's own error is in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES: Final = 100
# So many of the highest nulls tell how fast their tail falls: for the threshold's own error, never for the threshold.
TAIL: Final = 30
# Newton steps and halvings of the fit together: it has converged after fifteen.
NEWTON_STEPS: Final = 30
RIDGE: Final = 1e-3
STILL: Final = 1e-9         # a step so small changes no figure that is shown
# A fitted deflection this far beyond the tried ones is a guess, not a measurement.
REACH: Final = 1.15


@dataclass(frozen=True, slots=True)
class Trials:
    """Trials along the mass axis: deflection of each, and the score of the substance that was there."""

    deflection: Floats
    score: Floats


@dataclass(frozen=True, slots=True)
class Needed:
    """The deflection that reaches a Pd at the bench's Pfa, with its standard error; NaN where not reached.

    `u_shared` is the part of the error that the threshold alone makes: all cases with the same nulls share it.
    """

    deflection: float
    u: float
    u_shared: float


def threshold(nulls: Floats, pfa: float) -> float:
    """The score that a new null exceeds with probability `pfa` at most (conformal). Infinite with too few nulls.

    1e-3 needs 999 nulls; a score equal to the threshold is no detection.
    """
    allowed = math.floor(pfa * (len(nulls) + 1) + 1e-9)
    return float(np.sort(nulls)[::-1][allowed - 1]) if allowed else math.inf


def needed(trials: Trials, nulls: Floats, pds: tuple[float, ...], pfa: float, rng: Generator) -> list[Needed]:
    """The deflections at which this detector reaches each Pd."""
    values = _needed_at(trials, threshold(nulls, pfa), pds)
    again, shared = [], []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(trials.score), size=len(trials.score))
        some = Trials(trials.deflection[rows], trials.score[rows])
        level = threshold_again(nulls, pfa, rng)
        again.append(_needed_at(some, level, pds))
        shared.append(_needed_at(trials, level, pds))
    reach = REACH * float(trials.deflection.max())
    return [Needed(float(value) if value < reach else math.nan, _spread(whole), _spread(part))
            for value, whole, part in zip(values, np.array(again).T, np.array(shared).T, strict=True)]


def threshold_again(nulls: Floats, pfa: float, rng: Generator) -> float:
    """The threshold that another set of as many nulls might have given; infinite with too few.

    Drawing the nulls again with replacement would repeat their highest in two of three sets, and so understate the
    error of an extreme threshold. Its true false-alarm rate is Beta(k, n + 1 - k) whatever the scores' distribution;
    between the nulls the score is interpolated, above them their tail is continued as an exponential.
    """
    n, allowed = len(nulls), math.floor(pfa * (len(nulls) + 1) + 1e-9)
    if not allowed:
        return math.inf
    log_rate = math.log(float(rng.beta(allowed, n + 1 - allowed)))
    ordered = np.sort(nulls)[::-1]
    log_rates = np.log(np.arange(1, n + 1) / (n + 1))
    if log_rate >= log_rates[0]:
        return float(np.interp(log_rate, log_rates, ordered))
    tail = ordered[:min(TAIL, n)]
    return float(tail[0] + (tail[:-1].mean() - tail[-1] if len(tail) > 1 else 0.0) * (log_rates[0] - log_rate))


def _needed_at(trials: Trials, level_score: float, pds: tuple[float, ...]) -> Floats:
    hit = trials.score > level_score
    level, slope = _logistic(trials.deflection, hit.astype(np.float64))
    wanted = np.array([math.log(pd / (1.0 - pd)) for pd in pds])
    return np.asarray((wanted - level) / slope) if slope > 0.0 and hit.any() else np.full(len(pds), math.nan)


def _spread(again: Floats) -> float:
    """Half the central 68 % of what drawing again gives: a standard error that a few wild fits do not move."""
    found = again[np.isfinite(again)]
    return float(np.subtract(*np.quantile(found, (0.84, 0.16)))) / 2.0 if len(found) > RESAMPLES // 2 else math.nan


def _logistic(x: Floats, y: Floats) -> tuple[float, float]:
    """Level and slope of ln(p / (1 - p)) by damped Newton; a slight ridge holds both finite where data separate."""
    centre, scale = float(x.mean()), float(x.std()) or 1.0
    design = np.stack([np.ones_like(x), (x - centre) / scale], axis=1)
    at: Floats = np.zeros(2)
    best = -math.inf
    step: Floats = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        tried = np.asarray(at + step, np.float64)
        value = _log_likelihood(design, y, tried)
        if value <= best:
            step = np.asarray(step / 2.0, np.float64)
            continue
        at, best = tried, value
        p = 1.0 / (1.0 + np.exp(-design @ at))
        hessian = design.T @ (design * (p * (1.0 - p))[:, None]) + RIDGE * np.eye(2)
        step = np.asarray(np.linalg.solve(hessian, design.T @ (y - p) - RIDGE * at), np.float64)
        if np.abs(step).max() < STILL:
            break
    return float(at[0] - at[1] * centre / scale), float(at[1] / scale)


def _log_likelihood(design: Floats, y: Floats, at: Floats) -> float:
    linear = design @ at
    return float(np.sum(y * linear - np.logaddexp(0.0, linear)) - RIDGE / 2.0 * at @ at)
