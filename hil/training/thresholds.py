"""Find the decision rule's figures on held-out scans, and measure the rule on others. Pure arithmetic.

Nothing here is set by hand but what may be spent: the false alarms added and the alarms lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.model_card import Thresholds
from gateway.detection.policy import Policy
from gateway.detection.rule import Ruling, Weighed, rule
from hil.training.examples import SUBSTANCES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hil.training.gather import Gathered

# What the network may add to the false alarms of one scan, and the true alarms it may take for interference.
ASSIST_PFA: Final = 0.002
VETO_LOSS: Final = 0.001
# How near to an alarm a likelihood ratio must be before the network is asked, by p-value.
ASSIST_P: Final = (0.03, 0.1, 0.3, 0.9)
VETO_SCENE: Final = (0.5, 0.8, 0.95)
# A foreign line on the single line of potassium chlorate is that substance to any physics: counted apart.
NO_NULL: Final = frozenset({"foreign line"})


# What a policy of the default rate leaves to the likelihood ratio beside the network.
LIKELIHOOD_PFA: Final = Policy().pfa_per_scan - ASSIST_PFA


@dataclass(frozen=True, slots=True)
class Judged:
    """The rule's rulings on a set, [scan][substance]."""

    rulings: tuple[tuple[Ruling, ...], ...]

    def alarmed(self, scan: int) -> bool:
        """True where any substance was named."""
        return any(r in {Ruling.NAMED, Ruling.ASSISTED} for r in self.rulings[scan])


def find_thresholds(calibration: Gathered, answers: NDArray[np.float32]) -> Thresholds:
    """The figures that gain most within what may be spent."""
    nulls = np.array([not t.substance and t.kind not in NO_NULL for t in calibration.truths])
    best = max(((_gain(calibration, answers, p, level), p, level)
                for p in ASSIST_P for level in [_assist_level(calibration, answers, nulls, p)]),
               key=lambda found: found[0])
    veto_scene, veto_network = max(((scene, _veto_level(calibration, answers, scene)) for scene in VETO_SCENE),
                                   key=lambda found: found[1])
    return Thresholds(assist_p=best[1], assist_network=best[2], assist_pfa=ASSIST_PFA,
                      veto_network=veto_network, veto_scene=veto_scene)


def judge(data: Gathered, answers: NDArray[np.float32], thresholds: Thresholds) -> Judged:
    """Apply the rule to a whole set."""
    scans = zip(data.likelihood, answers, strict=True)
    return Judged(tuple(tuple(
        rule(_weighed(substance, answer, s), thresholds, assists=True) for s, substance in enumerate(scan)
    ) for scan, answer in scans))


def _weighed(substance: NDArray[np.float32], answer: NDArray[np.float32], s: int) -> Weighed:
    """What likelihood ratio and network say of substance number `s`."""
    log_p, accepted, consistent = substance
    named = bool(accepted) and bool(log_p <= math.log(LIKELIHOOD_PFA))
    return Weighed(float(log_p), named, bool(consistent), float(answer[s]), float(answer[-2] + answer[-1]))


def _near(data: Gathered, assist_p: float) -> NDArray[np.bool_]:
    log_p, _, consistent = np.moveaxis(data.likelihood, -1, 0)
    return np.asarray((log_p <= math.log(assist_p)) & ~_accepted(data) & (consistent == 1))


def _accepted(data: Gathered) -> NDArray[np.bool_]:
    """Named by the likelihood ratio alone, at the share of the rate that is its own."""
    return np.asarray((data.likelihood[..., 1] == 1) & (data.likelihood[..., 0] <= math.log(LIKELIHOOD_PFA)))


def _assist_level(data: Gathered, answers: NDArray[np.float32], nulls: NDArray[np.bool_], assist_p: float) -> float:
    """The conformal quantile: a null's best assisted score exceeds it with probability ASSIST_PFA at most."""
    scores = np.where(_near(data, assist_p), answers[:, :len(SUBSTANCES)], 0.0)[nulls].max(axis=1)
    allowed = math.floor(ASSIST_PFA * (len(scores) + 1)) - 1
    if allowed < 0:
        return 1.0
    return min(1.0, float(np.nextafter(np.sort(scores)[::-1][allowed], np.float32(2.0), dtype=np.float32)))


def _gain(data: Gathered, answers: NDArray[np.float32], assist_p: float, level: float) -> int:
    """True targets named only thanks to the network."""
    at = np.array([SUBSTANCES.index(t.substance) if t.substance else -1 for t in data.truths])
    there = np.flatnonzero(at >= 0)
    return int(np.sum(_near(data, assist_p)[there, at[there]] & (answers[there, at[there]] >= level)))


def _veto_level(data: Gathered, answers: NDArray[np.float32], scene: float) -> float:
    """The largest network score below which VETO_LOSS of the true alarms would be lost."""
    at = np.array([SUBSTANCES.index(t.substance) if t.substance else -1 for t in data.truths])
    there = np.flatnonzero(at >= 0)
    there = there[_accepted(data)[there, at[there]]]
    disturbed = answers[there, -2] + answers[there, -1] >= scene
    scores = np.sort(answers[there, at[there]][disturbed])
    allowed = math.floor(VETO_LOSS * len(there))
    return float(scores[allowed]) if allowed < len(scores) else 0.0
