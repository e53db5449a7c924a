"""Do scans without a substance give the false-alarm probabilities that are stated? Kolmogorov-Smirnov and counts. Pure.

A conformal p-value compares a scan with other nulls; it must be uniform. The likelihood ratio's own p-value is a union
bound and may only be too large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.null_set import conformal_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STATED: Final = (0.1, 0.01, 0.001)
# Terms of Kolmogorov's series: the hundredth is far below any p-value of interest.
TERMS: Final = 100


@dataclass(frozen=True, slots=True)
class Uniformity:
    """`ks_p`: chance of so uneven conformal p-values by chance, `scans` nulls judged by `judges` others.

    `found` is how many of `scans` nulls had a conformal p-value of `STATED` or less: stated times scans is expected.
    """

    ks: float
    ks_p: float
    scans: int
    judges: int
    found: tuple[int, ...]


def uniformity(score: Floats, judges: Floats) -> Uniformity:
    """From the likelihood ratio's scores of nulls, and of an independent set of nulls that judges them."""
    ranks = conformal(score, judges)
    ks, p = kolmogorov(ranks, len(judges))
    whole = product_p(score, judges)
    return Uniformity(ks, p, len(score), len(judges), tuple(int(np.sum(whole <= level + 1e-12)) for level in STATED))


def product_p(scores: Floats, judges: Floats) -> Floats:
    """The conformal p-values that the product states of such scans against such a null set: ties count against."""
    ascending = sorted(judges.tolist())
    return np.array([conformal_p(float(score), ascending) for score in scores])


def conformal(scores: Floats, nulls: Floats) -> Floats:
    """Rank among nulls, (1 + those at or above) / (n + 1); equal scores, as a union bound's cap makes, share theirs.

    A tie is broken by the order of the scans, which is independent of their scores.
    """
    place = (np.arange(len(scores)) + 0.5) / len(scores)
    above = np.array([np.sum(nulls > s) for s in scores])
    equal = np.array([np.sum(nulls == s) for s in scores])
    return np.asarray((above + place * (equal + 1.0)) / (len(nulls) + 1.0))


def kolmogorov(values: Floats, judges: int) -> tuple[float, float]:
    """Largest distance of the values' distribution from the uniform one, and the asymptotic p-value.

    The judged and the judging both scatter: the effective number is n m / (n + m), as of two samples.
    """
    ordered, n = np.sort(values), len(values)
    steps = np.arange(n + 1) / n
    distance = float(max(np.max(steps[1:] - ordered), np.max(ordered - steps[:-1])))
    at = math.sqrt(n * judges / (n + judges)) * distance
    terms = [(-1) ** (k - 1) * math.exp(-2.0 * k * k * at * at) for k in range(1, TERMS + 1)]
    return distance, min(1.0, max(0.0, 2.0 * sum(terms))) if at > 0.3 else 1.0
