"""A head that is not what it was: what ageing does to the field that it feels, scan after scan. Pure.

Rule: it wraps any scene and knows nothing of it; the scan's number alone decides how far the drift has gone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from hil.instruments.felt import FeltBand, FeltScan, ScanSource

ARRAY: Final = slice(0, 6)
# Noise of the healthy head, fT/sqrt(Hz): what a rise in dB refers to.
DENSITY_FT: Final = 1.0
# An echo of an unmodelled source: its length in s, and the share of noise at which it is weak enough not to alarm.
ECHO_S: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Ageing:
    """What changes by how much with each scan from `from_scan` on; `steps_max` scans later it stops.

    `noise_db` of all channels, `gain` (share) and `phase_deg` of channel `channel`, or of all where it is None;
    `sensor_k` of the bay's sensor at once; `echoes` is the field of foreign echoes in each band of the array, in
    standard deviations of a point's noise.
    """

    noise_db: float = 0.0
    gain: float = 0.0
    phase_deg: float = 0.0
    channel: int | None = None
    sensor_k: float = 0.0
    echoes: float = 0.0
    from_scan: int = 21
    steps_max: int = 12

    def steps(self, scan_id: int) -> int:
        """Return how often it has gone a step further."""
        return min(max(scan_id - self.from_scan + 1, 0), self.steps_max)


@dataclass(frozen=True, slots=True)
class Aged:
    """A scene as an ageing head feels it; `seed` draws what ageing adds."""

    source: ScanSource
    ageing: Ageing
    seed: int = 0

    def __call__(self, plans: Sequence[BandPlan], scan_id: int) -> FeltScan:
        """Return what the sensors feel in that scan."""
        felt, steps = self.source(plans, scan_id), self.ageing.steps(scan_id)
        if not steps:
            return felt
        chance = np.random.default_rng((self.seed, 0xA6ED, scan_id))
        bands = tuple(self._band(band, plan, steps, chance) for band, plan in zip(felt.bands, plans, strict=True))
        return replace(felt, bands=bands, bay_temperature_c=felt.bay_temperature_c + self.ageing.sensor_k)

    def _band(self, band: FeltBand, plan: BandPlan, steps: int, chance: np.random.Generator) -> FeltBand:
        field = band.field_ft.astype(np.complex128)
        point_ft = DENSITY_FT * math.sqrt(plan.rate_hz / (plan.trains * plan.echoes_per_group))  # rms of I and of Q
        more = math.sqrt(10.0 ** (self.ageing.noise_db * steps / 10.0) - 1.0)
        field += more * point_ft * (chance.standard_normal(field.shape) + 1j * chance.standard_normal(field.shape))
        if self.ageing.echoes:
            field[ARRAY] += self.ageing.echoes * point_ft * _echo(plan, field.shape[-1], chance)
        gain = np.ones((len(field), 1, 1), np.complex128)
        turned = slice(None) if self.ageing.channel is None else self.ageing.channel
        gain[turned] = (1.0 - self.ageing.gain) ** steps * np.exp(1j * math.radians(self.ageing.phase_deg * steps))
        return replace(band, field_ft=(gain * field).astype(np.complex64))


def _echo(plan: BandPlan, points: int, chance: np.random.Generator) -> NDArray[np.complex128]:
    """Return an echo of no known substance, at a frequency of its own in each scan."""
    time_s = (np.arange(points) - (points - 1) / 2.0) / plan.rate_hz
    offset_hz = float(chance.uniform(-0.4, 0.4)) * plan.rate_hz
    phase = float(chance.uniform(0.0, 2.0 * math.pi))
    return np.asarray(np.exp(-np.abs(time_s) / ECHO_S + 1j * (2.0 * math.pi * offset_hz * time_s + phase)))


# Named, to show and to test with: each begins after the twenty scans that the watch learns from.
AGEINGS: Final = {
    "drift-noise": Ageing(noise_db=1.0),
    "drift-gain": Ageing(gain=0.03, channel=2),
    "drift-gain-all": Ageing(gain=0.03),
    "drift-phase": Ageing(phase_deg=3.0, channel=4),
    "drift-sensor": Ageing(sensor_k=5.0, from_scan=4),
    "drift-echoes": Ageing(echoes=0.5),
}
