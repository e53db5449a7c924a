"""How likelihood ratio and network become one answer per substance. Its figures are in the model card, found on data.

The likelihood ratio alone names, at the policy's own rate; the network names nothing, and may veto. So nothing that the
network says can add a false alarm, in whatever noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from gateway.detection.model_card import SCENE_CLASSES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gateway.detection.model_card import Card, Thresholds


class Ruling(Enum):
    """What is decided on one substance."""

    SILENT = "silent"
    NAMED = "named"
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


@dataclass(frozen=True, slots=True)
class Weighed:
    """All that is known of one substance.

    `accepted` says whether the likelihood ratio named it; `given` and `disturbed` are the network's probabilities of
    it and of a hazard.
    """

    accepted: bool
    given: float
    disturbed: float


def rule(weighed: Weighed, thresholds: Thresholds) -> Ruling:
    """Decide on one substance."""
    if not weighed.accepted:
        return Ruling.SILENT
    doubted = weighed.given < thresholds.veto_network and weighed.disturbed >= thresholds.veto_scene
    return Ruling.VETOED if doubted else Ruling.NAMED
