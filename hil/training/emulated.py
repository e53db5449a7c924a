"""Random emulated scans with the truth beside them: targets, and the hard negatives that look like targets.

A scan is fixed by (seed, number) and the world it is drawn from (hil/training/worlds.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.head_gain import NOMINAL_COUNTS_PER_FT, NOMINAL_GAIN, calibrated_band
from calibration.lines import Substance, covered
from calibration.reading import CalibratedScan, Trust
from calibration.schedule import BANDS, schedule
from drivers.sample import BandCapture, Identity
from gateway.detection.hypotheses import grids, place
from gateway.detection.sensitivity import Condition, View, deflection_per_kg
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, ForeignLine, Load
from hil.scene.scan import scan
from hil.training.worlds import (
    DEFLECTION,
    FLAT_SHARE,
    KINDS,
    RINGING_SHARE,
    SHARES,
    STATION_ON_CARRIER,
    STATION_SHARE,
    TARGET_SHARE,
    TRAINING,
    World,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from hil.scene.scan import BandField, SceneScan

TIERS: Final = (Tier.A, Tier.B, Tier.C)
# Temperatures that the search covers (the policy's), whatever a world draws.
KELVIN: Final = (253.0, 323.0)
RASTERS: Final = ((531.0, 1602.0, 9.0), (3900.0, 4000.0, 5.0), (4750.0, 5060.0, 5.0))
STATIONS_MAX: Final = 3
FOREIGN_FT: Final = (1.0, 40.0)
FOREIGN_US: Final = (400.0, 900.0)
CALIBRANT_KG: Final = (0.01, 0.2)
CALIBRANTS: Final = ("sodium nitrite", "hexamethylenetetramine")
HEAD: Final = Identity("Spingate", "emulated NQR-8", "0", "hil.scene")


@dataclass(frozen=True, slots=True)
class Truth:
    """What really lay in the bay. `deflection` is the target's at 1 x T2*, 0 where there is none.

    `flat` is True for the sensors' flat noise with perfect gains and no hazard.
    """

    substance: str
    deflection: float
    kind: str
    flat: bool
    interference: bool
    ringing: bool

    @property
    def stratum(self) -> str:
        """What makes the scan hard, the hardest first."""
        if self.flat:
            return "flat noise"
        if self.ringing:
            return "ringing and stations" if self.interference else "ringing"
        if self.interference:
            return "stations"
        return self.kind if self.kind in KINDS[1:] else "coloured noise"


def emulate(seed: int, number: int, world: World = TRAINING) -> tuple[CalibratedScan, Truth]:
    """One scan of a random load in a random bay."""
    rng = np.random.default_rng((seed, number))
    dwell_s = float(rng.choice(world.dwells_s))
    plans = schedule(dwell_s)
    flat = bool(rng.random() < FLAT_SHARE)
    kind = "target" if rng.random() < TARGET_SHARE else "benign" if flat else str(rng.choice(KINDS, p=SHARES))
    bay, load = _surroundings(world, rng, flat=flat)
    load, substance, deflection = _filled(kind, (load, bay, View(plans, dwell_s, load.standoff_m)), world, rng)
    truth = Truth(substance, deflection, kind, flat, bool(bay.stations), load.ringing_ft > 0.0)
    dead = (int(rng.integers(8)),) if not flat and rng.random() < world.dead_share else ()
    return calibrated(scan(plans, bay, load, rng, dwell_s), number, dead), truth


def calibrated(felt: SceneScan, number: int = 0, dead: tuple[int, ...] = (), *, trusted: bool = True) -> CalibratedScan:
    """The scan as the gateway gets it after calibration with the nominal gain; `dead` channels deliver nothing."""
    bands = tuple(calibrated_band(_capture(band, dead), NOMINAL_GAIN) for band in felt.bands)
    trust = Trust(trusted, bytes(32) if trusted else None, "" if trusted else "no certificate")
    flags = tuple(f"band {n}: channel {c} clipped" for n, band in enumerate(felt.bands) for c in band.clipped)
    return CalibratedScan(HEAD, number, bands, felt.dwell_s, felt.bay_temperature_c + 273.15, felt.standoff_m, 0,
                          bytes(32), trust, flags)


def _capture(band: BandField, dead: tuple[int, ...]) -> BandCapture:
    counts = band.field_ft * np.float32(NOMINAL_COUNTS_PER_FT)
    counts[list(dead)] = 0.0
    return BandCapture(band.plan, counts, band.pilot_offset_hz, band.pilot_ft, band.forward_w, band.reflected_w)


def _surroundings(world: World, rng: Generator, *, flat: bool) -> tuple[Bay, Load]:
    """The bay and an empty load."""
    tier = TIERS[int(rng.choice(len(TIERS), p=world.tiers))]
    load = Load(standoff_m=world.standoff_m.draw(rng), temperature_k=world.kelvin.draw(rng),
                width_factor=world.width.draw(rng), slope_deviation=world.slope.draw(rng))
    if flat:
        bay = Bay(tier=tier, edge_hz=math.inf, city=0.0, coupling_spread=0.0, gain_error=0.0, phase_error_rad=0.0)
        return bay, load
    side = world.lateral_m
    load = replace(load, lateral_m=(float(rng.uniform(-side, side)), float(rng.uniform(-side, side))))
    stations = _stations(world, rng) if rng.random() < STATION_SHARE else ()
    if rng.random() < RINGING_SHARE:
        load = replace(load, ringing_ft=_log_uniform(rng, *world.ringing_ft), ringing_decay_s=world.ringing_s.draw(rng))
        if rng.random() < STATION_ON_CARRIER:
            stations = (*stations, _station(_carrier_khz(world, rng), world, rng))
    bay = Bay(tier=tier, city=world.city.draw(rng), stations=stations, temperature_k=world.bay_kelvin.draw(rng),
              gain_error=world.gain_error.draw(rng), phase_error_rad=world.phase_error_rad.draw(rng))
    return bay, load


def _stations(world: World, rng: Generator) -> tuple[Station, ...]:
    return tuple(_station(_place_khz(world, rng), world, rng) for _ in range(int(rng.integers(1, STATIONS_MAX + 1))))


def _station(khz: float, world: World, rng: Generator) -> Station:
    return Station(khz, _log_uniform(rng, *world.station_ft), world.depth.draw(rng), world.audio_hz.draw(rng))


def _place_khz(world: World, rng: Generator) -> float:
    """Near a line of a target, else anywhere in a band or on a raster of broadcasting."""
    if rng.random() < world.on_line:
        lines = [line for substance in covered() for line in substance.lines]
        placed = place(lines[int(rng.integers(len(lines)))])
        return placed.frequency_hz(world.kelvin.draw(rng), 0.0) / 1e3 + float(rng.normal(0.0, world.on_line_hz / 1e3))
    if world.raster:
        return float(rng.choice(_raster_khz()))
    return float(rng.choice([khz for khz, _ in BANDS]) + rng.uniform(-10.0, 10.0))


def _carrier_khz(world: World, rng: Generator) -> float:
    """On a carrier of ours: the one on the raster, or any to within a bin."""
    return BANDS[2][0] if world.raster else float(rng.choice([khz for khz, _ in BANDS]) + rng.uniform(-0.08, 0.08))


def _raster_khz() -> list[float]:
    raster = [low + n * step for low, high, step in RASTERS for n in range(int((high - low) / step) + 1)]
    return [khz for khz in raster if any(abs(khz - carrier) < rate / 2e3 for carrier, rate in BANDS)]


def _filled(kind: str, empty: tuple[Load, Bay, View], world: World, rng: Generator) -> tuple[Load, str, float]:
    """The load with its content, the target's name, and its deflection."""
    load, bay, view = empty
    sugar = replace(load, contents=(Content("sugar", 5.0),)), "", 0.0
    if kind == "target":
        chosen, wanted = covered()[int(rng.integers(len(covered())))], _log_uniform(rng, *DEFLECTION)
        per_kg = scene_deflection_per_kg(chosen, load, bay, view)
        if per_kg <= 0.0:     # every line has left its band at this temperature
            return sugar
        return replace(load, contents=(Content(chosen.name, wanted / per_kg),)), chosen.name, wanted
    if kind == "confuser":
        content = Content(str(rng.choice(world.confusers)), _log_uniform(rng, *world.confuser_kg))
        return replace(load, contents=(content,)), "", 0.0
    if kind == "calibrant":
        content = Content(str(rng.choice(CALIBRANTS)), _log_uniform(rng, *CALIBRANT_KG))
        return replace(load, calibrant=content), "", 0.0
    if kind == "foreign line":
        return replace(load, foreign=tuple(_foreign(rng) for _ in range(world.crystal_lines))), "", 0.0
    return sugar


def _foreign(rng: Generator) -> ForeignLine:
    khz = float(rng.choice([khz for khz, _ in BANDS]) + rng.uniform(-9.0, 9.0))
    return ForeignLine(khz, _log_uniform(rng, *FOREIGN_FT), t2star_us=float(rng.uniform(*FOREIGN_US)))


def scene_deflection_per_kg(substance: Substance, load: Load, bay: Bay, view: View) -> float:
    """Deflection d of 1 kg of the pure substance on the axis, in the sensors' own noise alone (no city)."""
    grid = next(g for g in grids(view.plans, *KELVIN) if g.substance.name == substance.name)
    densities = [bay.density_ft(plan.carrier_hz) for plan in view.plans]
    return deflection_per_kg(grid, view, densities,
                             Condition(load.temperature_k, load.slope_deviation, load.width_factor))


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return math.exp(float(rng.uniform(math.log(low), math.log(high))))
