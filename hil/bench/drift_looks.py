"""What scans tell of a head, drawn directly: in control, and with one thing changed. No scene is computed.

Scatter as measured on 40 emulated scans of 60 s with gain errors of 2 % and phase errors of 0.04 rad (docs/drift.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import BANDS
from gateway.drift.bounds import P_MIN
from gateway.drift.look import LineKelvin, Look

if TYPE_CHECKING:
    from numpy.random import Generator

HEAD: Final = "open profile NQR-8 emulated NQR8-0001"
CERTIFICATE: Final = bytes(32)
CARRIERS_HZ: Final = tuple(khz * 1e3 for khz, _ in BANDS)
CELLS: Final = (len(CARRIERS_HZ), 8)
GAIN_ERROR: Final = 0.02
PHASE_ERROR_RAD: Final = 0.04
NOISE_DB: Final = 0.13        # of the median itself; the gain error comes on top, as it does in a scan
CITY_DB: Final = 0.08         # common to all channels of a band: man-made noise comes and goes
REFLECTED: Final = 0.004
METAL_SHARE: Final = 0.2      # of loads hold metal and detune the coil while they lie there
SENSOR_K: Final = 0.1
LINE_K: Final = 0.05


@dataclass(frozen=True, slots=True)
class Shift:
    """A lasting change of the head. `channel` None: of all channels; `p_times` makes every p-value smaller."""

    name: str
    noise_db: float = 0.0
    gain: float = 1.0
    phase_deg: float = 0.0
    channel: int | None = None
    sensor_k: float = 0.0
    p_times: float = 1.0
    energy: float = 0.0

    @property
    def of_thermometer(self) -> bool:
        """Tell whether only calibrant scans show it."""
        return self.sensor_k != 0.0


IN_CONTROL: Final = Shift("in control")


def drawn(number: int, shift: Shift, chance: Generator) -> Look:
    """Return a scan of an empty bay; the p-value is uniform, which is the worst that a right theory may give."""
    gain = (1.0 + GAIN_ERROR * chance.standard_normal(CELLS)).astype(np.complex128)
    gain *= np.exp(1j * PHASE_ERROR_RAD * chance.standard_normal(CELLS))
    turned = slice(None) if shift.channel is None else shift.channel
    gain[:, turned] *= shift.gain * np.exp(1j * math.radians(shift.phase_deg))
    noise = NOISE_DB * chance.standard_normal(CELLS) + CITY_DB * chance.standard_normal((CELLS[0], 1))
    noise += 20.0 * np.log10(np.abs(gain)) + shift.noise_db
    metal = chance.uniform(0.0, 0.33) if chance.random() < METAL_SHARE else 0.0
    reflected = np.maximum(0.02 + metal + REFLECTED * chance.standard_normal(CELLS[0]), 0.0)
    p = float(chance.random()) / shift.p_times
    energy = math.exp(chance.standard_normal() * 1.2 - 3.7 + shift.energy)
    return Look(number, HEAD, CERTIFICATE, CARRIERS_HZ, noise, gain, reflected, p if p > P_MIN else math.nan, energy,
                None, calibrant=False, replayed=False)


def drawn_calibrant(number: int, shift: Shift, chance: Generator) -> Look:
    """Return a calibrant scan; the bay is anywhere from 283 to 308 K."""
    kelvin = float(chance.uniform(283.0, 308.0))
    read = LineKelvin(kelvin + LINE_K * chance.standard_normal(), LINE_K,
                      kelvin + SENSOR_K * chance.standard_normal() + shift.sensor_k)
    none = np.full((1, CELLS[1]), np.nan)
    return Look(number, HEAD, CERTIFICATE, (3_307_000.0,), none, none.astype(np.complex128), np.full(1, 0.02),
                math.nan, math.nan, read, calibrant=True, replayed=False)
