"""How many dB one score needs more than another for the same Pd at the same rate of false alarms. Pure arithmetic.

Both are taken on the same scans, so that the scans' own chance cancels; the error comes from drawing the scans again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.policy import Policy
from hil.training.examples import SUBSTANCES
from hil.training.thresholds import NO_NULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hil.training.gather import Gathered

DRAWS: Final = 200
STEPS: Final = 20
# A level that one of a hundred scans passes takes a hundred scans to find.
SCANS_MIN: Final = 100


@dataclass(frozen=True, slots=True)
class Gap:
    """dB at Pd 0.5 with the central 95 % of its bootstrap; positive: the first needs more."""

    db: float
    low: float
    high: float
    nulls: int
    targets: int


def enough(data: Gathered, stratum: str) -> bool:
    """Tell whether a stratum holds enough scans for a level at the policy's rate and for a curve."""
    targets = [bool(t.substance) for t in data.truths if t.stratum == stratum and t.kind not in NO_NULL]
    return min(sum(targets), len(targets) - sum(targets)) >= SCANS_MIN


def gap(data: Gathered, first: NDArray[np.floating], second: NDArray[np.floating], rng: np.random.Generator,
        stratum: str = "") -> Gap:
    """Compare two scores [scan, substance] at the policy's rate, in all scans or in one stratum."""
    kept = [n for n, t in enumerate(data.truths) if t.stratum == stratum or not stratum]
    nulls = np.array([n for n in kept if not data.truths[n].substance and data.truths[n].kind not in NO_NULL])
    targets = np.array([n for n in kept if data.truths[n].substance])
    at = np.array([SUBSTANCES.index(data.truths[n].substance) for n in targets])
    log_d = np.log([data.truths[n].deflection for n in targets])
    pairs = [(score[nulls].max(axis=1), score[targets, at]) for score in (first, second)]
    drawn = [_difference_db(pairs, log_d, rng.integers(0, len(nulls), len(nulls)),
                            rng.integers(0, len(targets), len(targets))) for _ in range(DRAWS)]
    found = _difference_db(pairs, log_d, np.arange(len(nulls)), np.arange(len(targets)))
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return Gap(found, float(low), float(high), len(nulls), len(targets))


def _difference_db(pairs: list[tuple[NDArray[np.floating], NDArray[np.floating]]], log_d: NDArray[np.float64],
                   nulls: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    half = []
    for null, target in pairs:
        top = np.sort(null[nulls])[::-1]
        level = top[max(0, int(Policy().pfa_per_scan * (len(top) + 1)) - 1)]
        half.append(_half_way(log_d[targets], target[targets] > level))
    return float(20.0 / np.log(10.0) * (half[0] - half[1]))


def _half_way(log_d: NDArray[np.float64], found: NDArray[np.bool_]) -> float:
    """Return ln d at which half are found, by logistic regression on ln d."""
    columns, fitted = np.stack([np.ones_like(log_d), log_d - 2.0], axis=1), np.array([0.0, 3.0])
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(columns @ fitted, -30.0, 30.0)))
        hessian = (columns * (p * (1.0 - p) + 1e-9)[:, None]).T @ columns
        fitted = fitted + np.clip(np.linalg.solve(hessian, columns.T @ (found - p)), -2.0, 2.0)
    return float(2.0 - fitted[0] / fitted[1])
