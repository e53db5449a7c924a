"""What the emulated NQR head is shown, scan after scan. The scan's number alone decides which load lies there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from calibration.schedule import dwell_of
from calibration.thermometer import DWELL_S, holds_thermometer
from hil.instruments.felt import FeltBand, FeltScan
from hil.scene.scan import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.sample import BandPlan
    from hil.scene.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Belt:
    """A conveyor: scan 1 sees the first scenario, scan 2 the second, and so on, over and over.

    Called with the head's plans and scan number it returns the field, and the same again when asked again.
    `seed` varies noise and interference of all scans, and the head's own phase; the loads stay what they are.
    """

    scenarios: tuple[Scenario, ...]
    seed: int = 0

    def scenario(self, scan_id: int) -> Scenario:
        """Return what lies in the bay during that scan: the truth a verdict can be held against."""
        return self.scenarios[(scan_id - 1) % len(self.scenarios)]

    def __call__(self, plans: Sequence[BandPlan], scan_id: int) -> FeltScan:
        """Return what the sensors feel. The dwell is the time of all trains, as the head runs them.

        A calibrant scan pauses between its trains, or its spins would never recover.
        """
        shown = self.scenario(scan_id)
        rng = np.random.default_rng((shown.seed, self.seed, scan_id))
        dwell_s = DWELL_S if any(holds_thermometer(plan) for plan in plans) else dwell_of(tuple(plans))
        felt = scan(tuple(plans), replace(shown.bay, head=self.seed), shown.load, rng, dwell_s)
        return FeltScan(
            bands=tuple(FeltBand(band.field_ft, band.pilot_offset_hz, band.pilot_ft, band.forward_w,
                                  band.reflected_w, band.clipped) for band in felt.bands),
            bay_temperature_c=felt.bay_temperature_c,
            standoff_m=felt.standoff_m,
        )
