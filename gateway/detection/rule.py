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


@dataclass(frozen=True, slots=True)
class Weighed:
    """All that is known of one substance.

    `log_p` is the natural log of its p-value; `accepted` says whether the likelihood ratio named it, `consistent`
    whether its lines fit together; `given` and `disturbed` are the network's probabilities of it and of a hazard.
    """

    log_p: float
    accepted: bool
    consistent: bool
    given: float
    disturbed: float


def rule(weighed: Weighed, thresholds: Thresholds, *, assists: bool) -> Ruling:
    """Decide on one substance; `assists` is false where the policy leaves the network no false alarms to add."""
    if weighed.accepted:
        doubted = weighed.given < thresholds.veto_network and weighed.disturbed >= thresholds.veto_scene
        return Ruling.VETOED if doubted else Ruling.NAMED
    # Ringing sits where several lines lie at room temperature: a network that sees a hazard adds no alarm to it.
    near = weighed.consistent and math.exp(weighed.log_p) <= thresholds.assist_p
    sure = weighed.given >= thresholds.assist_network and weighed.disturbed < thresholds.veto_scene
    return Ruling.ASSISTED if assists and near and sure else Ruling.SILENT
