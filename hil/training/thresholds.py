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
    veto_scene, veto_network = max(((scene, _veto_level(calibration, answers, scene)) for scene in VETO_SCENE),
                                   key=lambda found: found[1])
    scores = np.where(_disturbed(answers)[:, None] < veto_scene, answers[:, :len(SUBSTANCES)], 0.0)
    levels = {p: _assist_level(np.where(_near(calibration, p), scores, 0.0)[nulls]) for p in ASSIST_P}
    assist_p = max(ASSIST_P, key=lambda p: _gain(calibration, np.where(_near(calibration, p), scores, 0.0), levels[p]))
    return Thresholds(assist_p=assist_p, assist_network=levels[assist_p], assist_pfa=ASSIST_PFA,
                      veto_network=veto_network, veto_scene=veto_scene)


def judge(data: Gathered, answers: NDArray[np.float32], thresholds: Thresholds) -> Judged:
    """Apply the rule to a whole set."""
    accepted, disturbed = _accepted(data), _disturbed(answers)
    return Judged(tuple(tuple(
        rule(Weighed(float(data.likelihood[n, s, 0]), bool(accepted[n, s]), bool(data.likelihood[n, s, 2]),
                     float(answers[n, s]), float(disturbed[n])), thresholds, assists=True)
        for s in range(len(SUBSTANCES))) for n in range(len(answers))))


def _disturbed(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(answers[:, -2] + answers[:, -1])


def _near(data: Gathered, assist_p: float) -> NDArray[np.bool_]:
    log_p, _, consistent = np.moveaxis(data.likelihood, -1, 0)
    return np.asarray((log_p <= math.log(assist_p)) & ~_accepted(data) & (consistent == 1))


def _accepted(data: Gathered) -> NDArray[np.bool_]:
    """Named by the likelihood ratio alone, at the share of the rate that is its own."""
    return np.asarray((data.likelihood[..., 1] == 1) & (data.likelihood[..., 0] <= math.log(LIKELIHOOD_PFA)))


def _assist_level(scores: NDArray[np.float32]) -> float:
    """The conformal quantile: a null's best assisted score exceeds it with probability ASSIST_PFA at most."""
    best = np.sort(scores.max(axis=1))[::-1]
    allowed = math.floor(ASSIST_PFA * (len(best) + 1)) - 1
    if allowed < 0:
        return 1.0
    return min(1.0, float(np.nextafter(best[allowed], np.float32(2.0), dtype=np.float32)))


def _gain(data: Gathered, scores: NDArray[np.float32], level: float) -> int:
    """True targets named only thanks to the network."""
    at = np.array([SUBSTANCES.index(t.substance) if t.substance else -1 for t in data.truths])
    there = np.flatnonzero(at >= 0)
    return int(np.sum(scores[there, at[there]] >= level))


def _veto_level(data: Gathered, answers: NDArray[np.float32], scene: float) -> float:
    """The largest network score below which VETO_LOSS of the true alarms would be lost."""
    at = np.array([SUBSTANCES.index(t.substance) if t.substance else -1 for t in data.truths])
    there = np.flatnonzero(at >= 0)
    there = there[_accepted(data)[there, at[there]]]
    disturbed = _disturbed(answers)[there] >= scene
    scores = np.sort(answers[there, at[there]][disturbed])
    allowed = math.floor(VETO_LOSS * len(there))
    return float(scores[allowed]) if allowed < len(scores) else 0.0
