"""Exact one-sided 95 % bounds of a proportion (Clopper and Pearson 1934), without SciPy.

A claim rests on the bound, never on the proportion found. Pure arithmetic.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIDENCE: Final = 0.95
BISECTIONS: Final = 60


def lower_bound(hits: int, trials: int) -> float:
    """The smallest probability that still gives this many hits or more in one of twenty repetitions."""
    return _solve(lambda p: _at_least(hits, trials, p)) if hits else 0.0


def upper_bound(hits: int, trials: int) -> float:
    """The largest probability that still gives this few hits in one of twenty repetitions."""
    return 1.0 - lower_bound(trials - hits, trials)


def _at_least(hits: int, trials: int, p: float) -> float:
    """P(X >= hits) for a binomial X, summed from the largest term's side in logarithms."""
    logs = [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * math.log(p)
            + (trials - k) * math.log1p(-p) for k in range(hits, trials + 1)]
    top = max(logs)
    return math.exp(top) * sum(math.exp(value - top) for value in logs)


def _solve(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if rising(middle) < 1.0 - CONFIDENCE else (low, middle)
    return low
