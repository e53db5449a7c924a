"""The probability that a covered substance lies in the bay, from likelihood ratio and network together. Pure.

Its figures stand in the model card: a logistic regression on held-out scans, whose composition the card states. It
decides nothing. In a place where targets are rarer, or weaker, than there, so is what a probability stands for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.detection.model_card import Stack

# Evidence is -ln of the false-alarm probability per scan. Below the knee it tells noise from noise; above it, each unit
# is worth about the same; and nothing is surer than the cap.
KNEE: Final = 3.0
CAP: Final = 25.0
# The network's answers end here, in log odds: float32 and int8 have no finer ones.
LOG_ODDS_MAX: Final = 8.0


def features(log_p: float, given: float, *, consistent: bool) -> tuple[float, float, float]:
    """What the regression weighs: evidence below and above the knee, and the network's log odds.

    Lines that do not fit together are no evidence of this substance.
    """
    evidence = min(-log_p, CAP) if consistent else 0.0
    held = min(max(log_odds(given), -LOG_ODDS_MAX), LOG_ODDS_MAX)
    return min(evidence, KNEE), max(evidence - KNEE, 0.0), held


def probability(stack: Stack, place: int, seen: tuple[float, float, float]) -> float:
    """The probability of the substance at this place among the card's outputs."""
    weighed = zip(stack.weights, seen, strict=True)
    return _logistic(stack.offsets[place] + sum(weight * value for weight, value in weighed))


def any_of(stack: Stack, probabilities: Iterable[float]) -> float:
    """The probability that any of the substances is there.

    They exclude one another where the figures were found, and are not independent: that is what the last figures mend.
    """
    some = 1.0 - math.prod(1.0 - p for p in probabilities)
    return _logistic(stack.any_offset + stack.any_weight * log_odds(some))


def log_odds(p: float) -> float:
    """Log odds of a probability, as far as figures go."""
    low = 1.0 / (1.0 + math.exp(CAP))
    held = min(max(p, low), 1.0 - low)
    return math.log(held / (1.0 - held))


def _logistic(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z > 0.0 else math.exp(z) / (1.0 + math.exp(z))
