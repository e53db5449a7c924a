"""What the sensors of an NQR head feel during one scan: the border between the scene and the emulated head.

The scene fills it in, the head replays it; neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from drivers.sample import BandPlan


@dataclass(frozen=True, slots=True)
class FeltBand:
    """What the sensors of the head feel in one band, averaged as the head averages.

    `field_ft` is complex64 [channel 8][echo group 8][point 256], fT peak, the pilot tone included:
    a tone of `pilot_ft` at `pilot_offset_hz` from the carrier. `clipped` names channels whose converter clipped.
    """

    field_ft: NDArray[np.complex64]
    pilot_offset_hz: float
    pilot_ft: float
    forward_w: float
    reflected_w: float
    clipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FeltScan:
    """A whole scan as the scene computes it: one `FeltBand` for each plan, in order."""

    bands: tuple[FeltBand, ...]
    bay_temperature_c: float
    standoff_m: float


# (plans, scan id) -> what the sensors feel. Called once for each scan, off the event loop.
ScanSource: TypeAlias = "Callable[[Sequence[BandPlan], int], FeltScan]"
