"""What a null set's own scores tell of it: too many small p-values, a bay that changed, single scans that stand out.

Rule: these are warnings for a person. No scan is dropped for its score, because that would break what the set promises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.detection.null_set import NullScan

# Below this chance a person is told; with three tests a good set is remarked upon about once in thirty.
WARN_P: Final = 0.01
# Terms of Kolmogorov's series: the hundredth is far below any p-value of interest.
TERMS: Final = 100
# The fewest scans in each half that say anything about a change.
HALF_MIN: Final = 10
# Histogram: half decades of the theoretical p-value, the last bin takes the rest.
BIN_DECADES: Final = 0.5
BINS: Final = 13
BAR: Final = 48


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a set's scans by their theoretical p-values, exp(-score).

    `ks` is how far their distribution lies above the uniform one at most, `ks_p` a bound of the chance of that: theory
    is a union bound, so too few small p-values are in order and too many are not. `halves_p` is the chance of so
    different first and second halves (two-sample Kolmogorov-Smirnov); 1 where there are too few scans to tell.
    `alone` are the scans that chance alone would not put into a set of this size.
    """

    ks: float
    ks_p: float
    halves_p: float
    alone: tuple[NullScan, ...]


def figures_of(scans: Sequence[NullScan]) -> Figures:
    """Return the figures of scans in the order they were made."""
    ks, ks_p = excess([math.exp(-scan.score) for scan in scans])
    scores = [scan.score for scan in scans]
    half = len(scores) // 2
    halves_p = two_samples(scores[:half], scores[half:]) if half >= HALF_MIN else 1.0
    alone = tuple(scan for scan in scans if math.exp(-scan.score) * len(scans) < WARN_P)
    return Figures(ks, ks_p, halves_p, alone)


def excess(p_values: Sequence[float]) -> tuple[float, float]:
    """Return by how much small p-values are too many, and a bound of the chance of that in uniform ones.

    One-sided Kolmogorov-Smirnov with the bound exp(-2 n D^2) (Massart, Ann. Probab. 18 (1990) 1269).
    """
    n = len(p_values)
    if not n:
        return 0.0, 1.0
    above = max((at + 1) / n - p for at, p in enumerate(sorted(p_values)))
    distance = max(0.0, above)
    return distance, min(1.0, math.exp(-2.0 * n * distance * distance))


def two_samples(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the chance of so different samples of one distribution, by Kolmogorov and Smirnov, asymptotically.

    With Stephens' correction for small samples (J. R. Stat. Soc. B 32 (1970) 115); ties make it larger, never smaller.
    """
    values = sorted({*first, *second})
    ones, others = sorted(first), sorted(second)
    distance, i, j = 0.0, 0, 0
    for value in values:
        while i < len(ones) and ones[i] <= value:
            i += 1
        while j < len(others) and others[j] <= value:
            j += 1
        distance = max(distance, abs(i / len(ones) - j / len(others)))
    root = math.sqrt(len(ones) * len(others) / (len(ones) + len(others)))
    at = (root + 0.12 + 0.11 / root) * distance
    series = 2.0 * sum((-1) ** (k - 1) * math.exp(-2.0 * k * k * at * at) for k in range(1, TERMS + 1))
    return min(1.0, max(0.0, series)) if at > 0.3 else 1.0


def histogram(scans: Sequence[NullScan]) -> tuple[str, ...]:
    """Return a line for each half decade of the theoretical p-value, with a bar; nothing where there is no scan."""
    counts = [0] * BINS
    for scan in scans:
        counts[min(BINS - 1, int(scan.score / math.log(10.0) / BIN_DECADES))] += 1
    if not scans:
        return ()
    last = max(at for at, count in enumerate(counts) if count)
    return tuple(f"p from {10 ** (-BIN_DECADES * at):<8.2g} {count:>5} {'#' * math.ceil(BAR * count / max(counts))}"
                 for at, count in enumerate(counts[:last + 1]))
