"""What lies in the bay in the bench's trials: white noise alone, or everything at once. Drawn, not emulated, here.

None of these ranges is that of the training scenes (hil/training/emulated.py): test and training share neither seed
nor distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.head_gain import NOMINAL_COUNTS_PER_FT, NOMINAL_GAIN, calibrated_band
from calibration.lines import covered
from calibration.schedule import BANDS
from drivers.sample import BandCapture
from gateway.detection.hypotheses import place
from hil.bench.detection.theory import DWELL_S, KELVIN, PLANS, STANDOFF_M
from hil.bench.second_scene import Broadcast, Parcel, Surroundings, observe
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, ForeignLine, Load
from hil.scene.scan import line_field, scan
from hil.scene.sources import sources
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from calibration.reading import CalibratedBand, CalibratedScan
    from hil.scene.sources import Source

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
# The marker that tells a head's gains: far above any noise, far below what single precision holds.
MARKER_FT: Final = 1e6


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


class Laid:
    """A bay of the emulated head with its noise drawn, into which substances can be laid one after another.

    The head is linear: its answer to a marker line in every band, noise and interference taken off, gives what it
    makes of any other line, exactly. Bands that a substance leaves alone stay the very same objects.
    """

    def __init__(self, draw: Draw, seed: int) -> None:
        self.draw, self._seed = draw, seed
        self.scan = self._felt(draw.load, draw.bay)
        self._gains: tuple[NDArray[np.complex128], ...] = ()

    def holding(self, substance: str, mass_kg: float) -> CalibratedScan:
        """The scan with a substance in the bay."""
        alone = replace(self.draw.load, contents=(Content(substance, mass_kg),))
        emitters = sources(alone, self.draw.bay.temperature_k)
        self._gains = self._gains or self._answers()
        return replace(self.scan, bands=tuple(self._with(band, emitters, gain) for band, gain in
                                              zip(self.scan.bands, self._gains, strict=True)))

    def _with(self, band: CalibratedBand, emitters: tuple[Source, ...], gain: NDArray[np.complex128]) -> CalibratedBand:
        line_ft = line_field(band.plan, emitters, DWELL_S)
        if not line_ft.any():
            return band
        field_ft = (band.field_ft + gain[:, None, None] * line_ft).astype(np.complex64)
        pilot = _capture(band, field_ft)
        return calibrated_band(pilot, NOMINAL_GAIN)

    def _answers(self) -> tuple[NDArray[np.complex128], ...]:
        """Gain and receiver phase of each channel [8], band by band."""
        marker = replace(self.draw.load, foreign=tuple(ForeignLine(khz, MARKER_FT, slope_hz_per_k=0.0)
                                                       for khz, _ in BANDS))
        emitters = sources(marker, self.draw.bay.temperature_k)[-len(BANDS):]
        answers = []
        endless = replace(self.draw.bay, full_scale_ft=math.inf)
        for band, marked in zip(self.scan.bands, self._felt(marker, endless).bands, strict=True):
            line_ft = line_field(band.plan, emitters, DWELL_S)
            added = marked.field_ft.astype(np.complex128) - band.field_ft
            answers.append(np.sum(added * line_ft.conj(), axis=(1, 2)) / np.sum(np.abs(line_ft) ** 2, axis=(1, 2)))
        return tuple(answers)

    def _felt(self, load: Load, bay: Bay) -> CalibratedScan:
        return calibrated(scan(PLANS, bay, load, np.random.default_rng(self._seed), DWELL_S))


class LaidAgain:
    """The same of the second generator, told what lies there in its own words; every scan is made from the start."""

    def __init__(self, draw: Draw, seed: int) -> None:
        self.draw, self._seed = draw, seed
        self.scan = self._observed(draw.load)

    def holding(self, substance: str, mass_kg: float) -> CalibratedScan:
        """The scan with a substance in the bay."""
        return self._observed(self.draw.holding(substance, mass_kg).load)

    def _observed(self, load: Load) -> CalibratedScan:
        bay = self.draw.bay
        heard = tuple(Broadcast(s.frequency_khz, s.carrier_ft, s.depth, s.audio_hz) for s in bay.stations)
        around = Surroundings(bay.tier.value, bay.edge_hz, bay.city, bay.coupling_spread, bay.gain_error,
                              bay.phase_error_rad, heard, bay.ringdown_ft, bay.ringdown_s)
        parcel = Parcel({one.substance: one.mass_kg for one in load.contents}, (*load.lateral_m, load.standoff_m),
                        load.temperature_k, load.slope_deviation, load.ringing_ft, load.ringing_decay_s,
                        load.ringing_alternates, load.temperature_spread_k, load.width_factor)
        return observe(PLANS, around, parcel, np.random.default_rng(self._seed), DWELL_S)


def _capture(band: CalibratedBand, field_ft: NDArray[np.complex64]) -> BandCapture:
    """The band as the head would deliver it: its pilot is measured anew with the line beside it."""
    counts = field_ft * np.float32(NOMINAL_COUNTS_PER_FT)
    return BandCapture(band.plan, counts, band.pilot_offset_hz, Bay().pilot_ft, 1.0, band.reflected)


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
