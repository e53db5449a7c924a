"""Find the veto's figures on held-out scans, and apply the rule to a set. Pure arithmetic.

Nothing here is set by hand but what may be spent. A veto must earn its place, or the calibration switches it off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.model_card import Thresholds
from gateway.detection.policy import Policy
from gateway.detection.rule import Ruling, Weighed, rule
from hil.training.bounds import lower_bound, upper_bound
from hil.training.examples import SUBSTANCES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hil.training.gather import Gathered

# True alarms that the network may take for interference.
VETO_LOSS: Final = 0.001
VETO_SCENE: Final = (0.5, 0.8, 0.95)
# A network that holds a substance more likely than not does not veto it, whatever hazard it sees.
VETO_NETWORK_MAX: Final = 0.5
# A scan without a target counts as a false alarm in the making from this p-value on: those at the policy's rate are too
# few to tell what a veto takes away.
NEAR_P: Final = 0.1
# A foreign line on the single line of potassium chlorate is that substance to any physics: counted apart.
NO_NULL: Final = frozenset({"foreign line"})
NO_VETO: Final = Thresholds(veto_network=0.0, veto_scene=1.0)


@dataclass(frozen=True, slots=True)
class Judged:
    """The rule's rulings on a set, [scan][substance]."""

    rulings: tuple[tuple[Ruling, ...], ...]

    def alarmed(self, scan: int) -> bool:
        """True where any substance was named."""
        return Ruling.NAMED in self.rulings[scan]


def find_thresholds(calibration: Gathered, answers: NDArray[np.float32]) -> Thresholds:
    """The veto that takes most false alarms in the making and no more than its share of true ones; or none.

    It is used only where it takes more false alarms from a hundred empty scans than true ones from a hundred scans with
    a target, beyond both errors. Empty scans alarm at the policy's rate, so it must be a hundred times better at these.
    """
    found = [Thresholds(veto_network=_veto_level(calibration, answers, scene), veto_scene=scene)
             for scene in VETO_SCENE]
    best = max(found, key=lambda thresholds: _taken(calibration, answers, thresholds)[0])
    taken, near, lost, true = _taken(calibration, answers, best)
    saved = lower_bound(taken, near) * Policy().pfa_per_scan
    return best if saved > upper_bound(lost, true) else NO_VETO


def judge(data: Gathered, answers: NDArray[np.float32], thresholds: Thresholds) -> Judged:
    """Apply the rule to a whole set."""
    accepted, disturbed = data.likelihood[..., 1] == 1, _disturbed(answers)
    return Judged(tuple(tuple(
        rule(Weighed(bool(accepted[n, s]), float(answers[n, s]), float(disturbed[n])), thresholds)
        for s in range(len(SUBSTANCES))) for n in range(len(answers))))


def evidence_of(data: Gathered) -> NDArray[np.float64]:
    """-ln of the false-alarm probability, [scan, substance]; 0 where the lines do not fit together."""
    return np.where(data.likelihood[..., 2] == 1, -data.likelihood[..., 0], 0.0)


def _taken(data: Gathered, answers: NDArray[np.float32], thresholds: Thresholds) -> tuple[int, int, int, int]:
    """False alarms in the making that a veto takes, of how many; true alarms that it takes, of how many."""
    doubted = ((answers[:, :len(SUBSTANCES)] < thresholds.veto_network)
               & (_disturbed(answers) >= thresholds.veto_scene)[:, None])
    at = _places(data)
    near = (data.likelihood[..., 0] <= math.log(NEAR_P)) & (data.likelihood[..., 2] == 1) & (at < 0)[:, None]
    there = np.flatnonzero(at >= 0)
    true = data.likelihood[there, at[there], 1] == 1
    return int(np.sum(near & doubted)), int(near.sum()), int(np.sum(true & doubted[there, at[there]])), int(true.sum())


def _places(data: Gathered) -> NDArray[np.int64]:
    """Index of the substance that lies there, -1 for none."""
    return np.array([SUBSTANCES.index(t.substance) if t.substance else -1 for t in data.truths])


def _disturbed(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(answers[:, -2] + answers[:, -1])


def _veto_level(data: Gathered, answers: NDArray[np.float32], scene: float) -> float:
    """The largest network score below which VETO_LOSS of the true alarms would be lost."""
    at = _places(data)
    there = np.flatnonzero(at >= 0)
    there = there[data.likelihood[there, at[there], 1] == 1]
    disturbed = _disturbed(answers)[there] >= scene
    scores = np.sort(answers[there, at[there]][disturbed])
    allowed = math.floor(VETO_LOSS * len(there))
    return min(float(scores[allowed]), VETO_NETWORK_MAX) if allowed < len(scores) else VETO_NETWORK_MAX
