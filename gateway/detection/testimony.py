"""The signed account of one alarmed substance: what is read years later, when the raw data are gone. Plain values.

Rule: every figure stands beside what it should be, and nothing of it decides. No numpy: the publisher reads it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.detection.verdict import LineEvidence, SubstanceScore


@dataclass(frozen=True, slots=True)
class EchoDecay:
    """`t2e_s` with its 68 % interval `low_s` to `high_s`; infinite where a steady tone fits as well.

    `expected_s` is the table's T2e, a prior for most lines. `groups_ft` are the amplitudes of the eight groups in phase
    with the line, in fT, `u_group_ft` the standard uncertainty of each, `fit_ft` what the decay makes of them.
    """

    t2e_s: float
    low_s: float
    high_s: float
    expected_s: float
    groups_ft: tuple[float, ...]
    u_group_ft: float
    fit_ft: tuple[float, ...]

    @property
    def as_expected(self) -> bool:
        """Tell whether the expected decay lies within three times the interval's half widths.

        Compared as rates, 1 / T2e: that of a line whose decay was not seen is 0, with a width; its T2e has none.
        """
        found, slowest, fastest = (rate_hz(one) for one in (self.t2e_s, self.high_s, self.low_s))
        expected = rate_hz(self.expected_s)
        return found - 3.0 * (found - slowest) <= expected <= found + 3.0 * (fastest - found)


def rate_hz(decay_s: float) -> float:
    """Return how fast a decay is, 1 / T2e; infinite for one of no length, which only a foreign record can state."""
    return 1.0 / decay_s if decay_s > 0.0 else math.inf


@dataclass(frozen=True, slots=True)
class LineAccount:
    """What one line shows beyond the verdict's evidence of it, which has the same `transition`.

    `residual_chi2` is the reduced chi-square of what is left around the line once it is taken out, `before_chi2` the
    same with it; noise alone gives 1 with a standard deviation of `u_chi2`.
    """

    transition: str
    decay: EchoDecay
    residual_chi2: float
    before_chi2: float
    u_chi2: float


@dataclass(frozen=True, slots=True)
class LineStory:
    """One line of an explained substance: the verdict's own evidence, and the account of it."""

    line: LineEvidence
    told: LineAccount


@dataclass(frozen=True, slots=True)
class Occlusion:
    """The network's probability of the substance: on the whole picture, without its lines, without windows elsewhere.

    `random_lowest` and `random_mean` are over the controls. `faithful` is True where blanking the lines took more away
    than any control, False where a control did, None where the network gave nothing to take away. `favourite` is what
    the network holds most likely, with `favourite_score`.
    """

    score: float
    without_lines: float
    random_mean: float
    random_lowest: float
    faithful: bool | None
    favourite: str
    favourite_score: float

    def agrees(self, substance: str, *, alarmed: bool) -> bool:
        """Tell whether the network, asked alone, would say of the substance what the verdict says."""
        return (self.favourite == substance) == alarmed


@dataclass(frozen=True, slots=True)
class RivalAccount:
    """Another substance with a line near one that was found, and why it is not the explanation, or that it may be.

    `own_khz` is its line, `found_khz` the one it might have been, `distance_khz` between them at the fitted
    temperature; `at_k` the temperature that would bring it there, None where none does. `missing_khz` is a line of it
    that should then have shown with the statistic `predicted_z` and showed `seen_z`; None where the bands hold none.
    """

    substance: str
    role: str
    own_khz: float
    found_khz: float
    distance_khz: float
    at_k: float | None
    missing_khz: float | None
    predicted_z: float
    seen_z: float
    excluded: bool
    because: str


@dataclass(frozen=True, slots=True)
class SubstanceAccount:
    """All that is signed of one alarm beside its score.

    `occlusion` and `agrees` are None where the network was not asked, as of a scan without some band. The mass in the
    score would lie anywhere from `prior_low_kg` to `prior_high_kg` if the assumed T1 and T2e were a third or three
    times the table's; None where no mass is stated.
    """

    substance: str
    lines: tuple[LineAccount, ...]
    occlusion: Occlusion | None
    agrees: bool | None
    rivals: tuple[RivalAccount, ...]
    prior_low_kg: float | None = None
    prior_high_kg: float | None = None


def stories_in(testimony: SubstanceAccount, score: SubstanceScore) -> tuple[LineStory, ...]:
    """Return each line of a score with its account; a line without one is left out."""
    told = {line.transition: line for line in testimony.lines}
    return tuple(LineStory(line, told[line.transition]) for line in score.lines if line.transition in told)
