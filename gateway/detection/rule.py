"""How likelihood ratio and network become one answer per substance. Its figures are in the model card, found on data.

The likelihood ratio's own false-alarm rate is stated; the network may add a measured little to it, and may veto.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from gateway.detection.model_card import SCENE_CLASSES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gateway.detection.model_card import Card, Thresholds

# Below this multiple of its share, a policy's rate leaves no room for the network to add to it.
ROOM: Final = 2.0


class Ruling(Enum):
    """What is decided on one substance."""

    SILENT = "silent"
    NAMED = "named"            # by the likelihood ratio alone
    ASSISTED = "assisted"      # weaker than that, but the network is sure
    VETOED = "vetoed"          # named, but the network sees interference or ringing and not the substance


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the network says: a probability per substance, and of what fills the scan instead."""

    substances: dict[str, float]
    interference: float
    ringing: float

    @property
    def disturbed(self) -> float:
        """Probability that what stands out is not of the load."""
        return self.interference + self.ringing


def opinion(card: Card, answer: NDArray[np.float32]) -> Opinion:
    """The network's outputs by name."""
    names = card.outputs[:-len(SCENE_CLASSES)]
    values = [float(v) for v in answer]
    return Opinion(dict(zip(names, values, strict=False)), values[-2], values[-1])


def likelihood_pfa(pfa_per_scan: float, thresholds: Thresholds | None) -> float:
    """The share of a policy's false-alarm rate that the likelihood ratio may use up."""
    if thresholds is None or pfa_per_scan < ROOM * thresholds.assist_pfa:
        return pfa_per_scan
    return pfa_per_scan - thresholds.assist_pfa


def rule(*, log_p: float, accepted: bool, consistent: bool, given: float, disturbed: float,
         thresholds: Thresholds, assists: bool) -> Ruling:
    """Decide on one substance. `given` is the network's probability of it, `log_p` the natural log of its p-value."""
    if accepted:
        doubted = given < thresholds.veto_network and disturbed >= thresholds.veto_scene
        return Ruling.VETOED if doubted else Ruling.NAMED
    near = consistent and log_p <= math.log(thresholds.assist_p) if thresholds.assist_p > 0.0 else False
    return Ruling.ASSISTED if assists and near and given >= thresholds.assist_network else Ruling.SILENT
