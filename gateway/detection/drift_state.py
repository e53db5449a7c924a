"""How the head was when a verdict was made, against what it used to be. Plain values for the record, no rule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DriftLevel(StrEnum):
    """How far the head has gone from its reference; `INHIBITED`: nothing it does not see may be called clear."""

    LEARNING = "learning"
    OK = "ok"
    DEGRADED = "degraded"
    INHIBITED = "inhibited"


@dataclass(frozen=True, slots=True)
class DriftState:
    """State of the drift watch: `what` has drifted and by how much, in words.

    `widened` is the largest factor by which a detection limit was widened for a loss of gain; 1: none was.
    """

    level: DriftLevel
    what: tuple[str, ...]
    widened: float
