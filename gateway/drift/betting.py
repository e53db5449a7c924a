"""Bet against p-values being as large as they should be, at any time and for ever. Pure.

Each bet multiplies its stake by f(p) = e p^(e-1), whose mean is at most 1 where p is uniform or larger (Vovk, Gammerman
and Shafer, Algorithmic Learning in a Random World, 8). A stake of 1 is added before each scan: the sum less the number
of scans is a supermartingale, so it takes EVIDENCE scans on average, or more, to reach EVIDENCE by chance (Shin, Ramdas
and Rinaldo, E-detectors, 2023). No window, no repeated test: looking after every scan costs nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

from gateway.drift.bounds import BETS, CHANCE_CALM, CHANCE_SCANS, ENERGIES, EVIDENCE, EVIDENCE_MAX, P_MIN


@dataclass(slots=True)
class Bets:
    """The stakes, and how surprising the last p-values were."""

    stakes: list[float] = field(default_factory=lambda: [0.0] * len(BETS))
    surprise: list[float] = field(default_factory=list)   # -ln p of the last CHANCE_SCANS
    drifted: bool = False
    since: int = 0                                        # scans since it drifted, at most CHANCE_SCANS

    @property
    def evidence(self) -> float:
        """The mean of the stakes: in how many scans this much comes about by chance, on average."""
        return math.fsum(self.stakes) / len(self.stakes)

    @property
    def mean_surprise(self) -> float:
        """Mean of -ln p: 1 or less where all is well."""
        return math.fsum(self.surprise) / len(self.surprise) if self.surprise else 0.0

    def take(self, p: float) -> None:
        """Take one scan's p-value; one that is none changes nothing."""
        if not 0.0 <= p <= 1.0:
            return
        p = max(p, P_MIN)
        self.stakes = [min((stake + 1.0) * e * p ** (e - 1.0), EVIDENCE_MAX)
                       for stake, e in zip(self.stakes, BETS, strict=True)]
        self.surprise = [*self.surprise, -math.log(p)][-CHANCE_SCANS:]
        self.since = min(self.since + 1, CHANCE_SCANS)
        if not self.drifted and self.evidence >= EVIDENCE:
            self.drifted, self.since = True, 0
        elif self.drifted and self.since == CHANCE_SCANS and self.mean_surprise <= CHANCE_CALM:
            self.drifted, self.stakes = False, [0.0] * len(BETS)


@dataclass(slots=True)
class Ranks:
    """Scores of the scans that were accepted, in order; a new one is ranked among them, from both ends."""

    known: list[float] = field(default_factory=list)

    def p_value(self, score: float) -> float:
        """The chance that one of them and a new one of their kind is as far out: conformal, so exact for any law.

        (1 + those at least as far out) / (n + 1), doubled because there are two ends.
        """
        above = len(self.known) - bisect_left(self.known, score)
        below = bisect_right(self.known, score)
        return min(1.0, 2.0 * (1 + min(above, below)) / (len(self.known) + 1))

    def learn(self, score: float) -> None:
        """Keep a score while there is room."""
        if len(self.known) < ENERGIES and math.isfinite(score):
            insort(self.known, score)
