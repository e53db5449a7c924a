"""What lies in the bay in the bench's trials: white noise alone, or everything at once. Drawn, not emulated, here.

None of these ranges is that of the training scenes (hil/training/emulated.py): test and training share neither seed
nor distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from calibration.lines import covered
from calibration.schedule import BANDS
from gateway.detection.hypotheses import place
from hil.bench.detection.theory import DWELL_S, KELVIN, PLANS, STANDOFF_M
from hil.bench.second_scene import Broadcast, Parcel, Surroundings, observe
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, Load
from hil.scene.scan import scan
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from numpy.random import Generator

    from calibration.reading import CalibratedScan

# In white noise the temperature moves by this much, so that lines fall anywhere between two cells of the search.
WHITE_SPREAD_K: Final = 1.0
# Mixed scenes: temperature unknown within 10 K, slopes anywhere in their ranges, the load somewhat off the axis.
MIXED_SPREAD_K: Final = 10.0
LATERAL_M: Final = 0.02
GAIN_ERROR: Final = 0.02
PHASE_ERROR_RAD: Final = 0.04
CITY: Final = (0.3, 0.7)
# Broadcasting: 9 kHz raster from 531 to 1602 kHz, 5 kHz raster in the shortwave bands that ours touch.
RASTERS: Final = ((531.0, 1602.0, 9.0), (3900.0, 4000.0, 5.0), (4750.0, 5060.0, 5.0))
STATION_SHARE: Final = 0.06          # of the raster's places in our bands: about one station in a scan
STATION_FT: Final = (50.0, 20_000.0)
ON_LINE_SHARE: Final = 0.10          # and one that was put beside a line of some covered substance
ON_LINE_HZ: Final = 200.0
RINGING_SHARE: Final = 0.20
RINGING_FT: Final = (5.0, 500.0)
RINGING_S: Final = (0.8e-3, 3e-3)
CONFUSER_SHARE: Final = 0.20
CONFUSERS: Final = ("carbamazepine form III", "glycine (alpha)", "urea", "paracetamol form I", "potassium nitrate")
CONFUSER_KG: Final = (0.5, 3.0)


@dataclass(frozen=True, slots=True)
class Draw:
    """One trial's bay and load."""

    bay: Bay
    load: Load

    def holding(self, substance: str, mass_kg: float) -> Draw:
        """The same with a substance in it."""
        return replace(self, load=replace(self.load, contents=(*self.load.contents, Content(substance, mass_kg))))


def white(tier: Tier, rng: Generator) -> Draw:
    """The sensors' white noise and nothing else; gains are perfect."""
    bay = Bay(tier=tier, edge_hz=math.inf, city=0.0, coupling_spread=0.0, gain_error=0.0, phase_error_rad=0.0)
    return Draw(bay, Load(standoff_m=STANDOFF_M, temperature_k=KELVIN + float(rng.uniform(-1, 1)) * WHITE_SPREAD_K))


def mixed(tier: Tier, rng: Generator) -> Draw:
    """Interference, ringing, confusers, an unknown temperature, gain and phase errors, coloured noise."""
    bay = Bay(tier=tier, city=float(rng.uniform(*CITY)), stations=_stations(rng), gain_error=GAIN_ERROR,
              phase_error_rad=PHASE_ERROR_RAD)
    load = Load(standoff_m=STANDOFF_M, temperature_k=KELVIN + float(rng.uniform(-1, 1)) * MIXED_SPREAD_K,
                slope_deviation=float(rng.uniform(-1, 1)),
                lateral_m=(float(rng.uniform(-1, 1)) * LATERAL_M, float(rng.uniform(-1, 1)) * LATERAL_M))
    if rng.random() < RINGING_SHARE:
        decay_s = float(rng.uniform(*RINGING_S))
        load = replace(load, ringing_ft=_log_uniform(rng, *RINGING_FT), ringing_decay_s=decay_s)
    if rng.random() < CONFUSER_SHARE:
        name = CONFUSERS[int(rng.integers(len(CONFUSERS)))]
        load = replace(load, contents=(Content(name, _log_uniform(rng, *CONFUSER_KG)),))
    return Draw(bay, load)


def felt(draw: Draw, rng: Generator) -> CalibratedScan:
    """The scan of the emulated head, calibrated."""
    return calibrated(scan(PLANS, draw.bay, draw.load, rng, DWELL_S))


def felt_again(draw: Draw, rng: Generator) -> CalibratedScan:
    """The scan of the second generator, told the same in its own words."""
    bay, load = draw.bay, draw.load
    heard = tuple(Broadcast(s.frequency_khz, s.carrier_ft, s.depth, s.audio_hz) for s in bay.stations)
    around = Surroundings(bay.tier.value, bay.edge_hz, bay.city, bay.coupling_spread, bay.gain_error,
                          bay.phase_error_rad, heard)
    parcel = Parcel({one.substance: one.mass_kg for one in load.contents}, (*load.lateral_m, load.standoff_m),
                    load.temperature_k, load.slope_deviation, load.ringing_ft, load.ringing_decay_s)
    return observe(PLANS, around, parcel, rng, DWELL_S)


def _stations(rng: Generator) -> tuple[Station, ...]:
    heard = [khz for khz in _places() if rng.random() < STATION_SHARE]
    if rng.random() < ON_LINE_SHARE:
        lines = [line for substance in covered() for line in substance.lines]
        placed = place(lines[int(rng.integers(len(lines)))])
        khz = placed.frequency_hz(KELVIN + float(rng.uniform(-1, 1)) * MIXED_SPREAD_K, 0.0) / 1e3
        heard.append(khz + float(rng.uniform(-1, 1)) * ON_LINE_HZ / 1e3)
    return tuple(Station(khz, _log_uniform(rng, *STATION_FT), float(rng.uniform(0.2, 0.9)),
                         float(rng.uniform(400.0, 4000.0))) for khz in heard)


def _places() -> list[float]:
    """The raster's frequencies inside our bands, kHz."""
    raster = [low + n * step for low, high, step in RASTERS for n in range(int((high - low) / step) + 1)]
    return [khz for khz in raster if any(abs(khz - carrier) < rate / 2e3 for carrier, rate in BANDS)]


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return math.exp(float(rng.uniform(math.log(low), math.log(high))))
