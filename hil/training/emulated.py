"""Random emulated scans with the truth beside them: targets, and the hard negatives that look like targets.

A scan is fixed by (seed, number). Every range here is a modelling choice; the model card lists them.
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

if TYPE_CHECKING:
    from numpy.random import Generator

    from hil.scene.scan import BandField, SceneScan

TIERS: Final = (Tier.A, Tier.B, Tier.C)
DWELLS_S: Final = (60.0, 120.0, 300.0)
STANDOFF_M: Final = (0.10, 0.40)
KELVIN: Final = (253.0, 323.0)
WIDTH: Final = (1.0, 3.0)
# Strength of a target as its deflection d: below 3 nobody can see it, above 20 everybody.
DEFLECTION: Final = (3.0, 20.0)
KINDS: Final = ("target", "benign", "confuser", "foreign line", "calibrant")
SHARES: Final = (0.45, 0.32, 0.07, 0.10, 0.06)
STATION_SHARE: Final = 0.30
STATION_ON_LINE: Final = 0.6
STATION_FT: Final = (20.0, 30_000.0)
RINGING_SHARE: Final = 0.15
RINGING_FT: Final = (3.0, 1000.0)
DEAD_SHARE: Final = 0.10
CONFUSERS: Final = ("carbamazepine form III", "carbamazepine form I", "glycine (alpha)", "urea", "paracetamol form I",
                    "potassium nitrate")
CALIBRANTS: Final = ("sodium nitrite", "hexamethylenetetramine")
HEAD: Final = Identity("Spingate", "emulated NQR-8", "0", "hil.scene")


@dataclass(frozen=True, slots=True)
class Truth:
    """What really lay in the bay. `deflection` is the target's at 1 x T2*, 0 where there is none."""

    substance: str
    deflection: float
    kind: str
    interference: bool
    ringing: bool
    tier: Tier
    dwell_s: float


def emulate(seed: int, number: int) -> tuple[CalibratedScan, Truth]:
    """One scan of a random load in a random bay."""
    rng = np.random.default_rng((seed, number))
    dwell_s = float(rng.choice(DWELLS_S))
    plans = schedule(dwell_s)
    bay = _bay(rng)
    kind = str(rng.choice(KINDS, p=SHARES))
    load = Load(standoff_m=float(rng.uniform(*STANDOFF_M)), temperature_k=float(rng.uniform(*KELVIN)),
                lateral_m=(float(rng.uniform(-0.05, 0.05)), float(rng.uniform(-0.05, 0.05))),
                width_factor=float(rng.uniform(*WIDTH)), slope_deviation=float(rng.uniform(-1.0, 1.0)))
    ringing = bool(rng.random() < RINGING_SHARE)
    if ringing:
        decay_s = float(rng.uniform(0.5e-3, 4e-3))
        load = replace(load, ringing_ft=_log_uniform(rng, *RINGING_FT), ringing_decay_s=decay_s)
    load, substance, deflection = _filled(kind, load, bay, View(plans, dwell_s, load.standoff_m), rng)
    truth = Truth(substance, deflection, kind, bool(bay.stations), ringing, bay.tier, dwell_s)
    return calibrated(scan(plans, bay, load, rng, dwell_s), number, _dead(rng)), truth


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


def _bay(rng: Generator) -> Bay:
    stations: tuple[Station, ...] = ()
    if rng.random() < STATION_SHARE:
        stations = tuple(_station(rng) for _ in range(int(rng.integers(1, 4))))
    return Bay(tier=TIERS[int(rng.integers(len(TIERS)))], city=float(rng.uniform(0.0, 1.0)), stations=stations,
               temperature_k=float(rng.uniform(273.0, 313.0)), gain_error=float(rng.uniform(0.0, 0.03)),
               phase_error_rad=float(rng.uniform(0.0, 0.06)))


def _station(rng: Generator) -> Station:
    """A station anywhere in a band, or on a line of a target to within its width."""
    khz = float(rng.choice([khz for khz, _ in BANDS]) + rng.uniform(-10.0, 10.0))
    if rng.random() < STATION_ON_LINE:
        lines = [line for substance in covered() for line in substance.lines]
        placed = place(lines[int(rng.integers(len(lines)))])
        khz = placed.frequency_hz(float(rng.uniform(*KELVIN)), 0.0) / 1e3 + float(rng.normal(0.0, 0.1))
    return Station(khz, _log_uniform(rng, *STATION_FT), float(rng.uniform(0.0, 0.9)), float(rng.uniform(300, 4500)))


def _filled(kind: str, load: Load, bay: Bay, view: View, rng: Generator) -> tuple[Load, str, float]:
    """The load with its content, the target's name, and its deflection."""
    if kind == "target":
        return _target(load, bay, view, rng)
    if kind == "confuser":
        content = Content(str(rng.choice(CONFUSERS)), _log_uniform(rng, 0.3, 5.0))
        return replace(load, contents=(content,)), "", 0.0
    if kind == "calibrant":
        return replace(load, calibrant=Content(str(rng.choice(CALIBRANTS)), _log_uniform(rng, 0.01, 0.2))), "", 0.0
    if kind == "foreign line":
        khz = float(rng.choice([khz for khz, _ in BANDS]) + rng.uniform(-9.0, 9.0))
        line = ForeignLine(khz, _log_uniform(rng, 1.0, 40.0), t2star_us=float(rng.uniform(400.0, 900.0)))
        return replace(load, foreign=(line,)), "", 0.0
    return replace(load, contents=(Content("sugar", 5.0),)), "", 0.0


def _target(load: Load, bay: Bay, view: View, rng: Generator) -> tuple[Load, str, float]:
    """A covered substance of a mass that gives the wanted deflection in this bay."""
    chosen = covered()[int(rng.integers(len(covered())))]
    wanted = _log_uniform(rng, *DEFLECTION)
    per_kg = scene_deflection_per_kg(chosen, load, bay, view)
    if per_kg <= 0.0:     # every line has left its band at this temperature
        return replace(load, contents=(Content("sugar", 5.0),)), "", 0.0
    return replace(load, contents=(Content(chosen.name, wanted / per_kg),)), chosen.name, wanted


def scene_deflection_per_kg(substance: Substance, load: Load, bay: Bay, view: View) -> float:
    """Deflection d of 1 kg of the pure substance on the axis, in the sensors' own noise alone (no city)."""
    grid = next(g for g in grids(view.plans, *KELVIN) if g.substance.name == substance.name)
    densities = [bay.density_ft(plan.carrier_hz) for plan in view.plans]
    return deflection_per_kg(grid, view, densities,
                             Condition(load.temperature_k, load.slope_deviation, load.width_factor))


def _dead(rng: Generator) -> tuple[int, ...]:
    return (int(rng.integers(8)),) if rng.random() < DEAD_SHARE else ()


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return math.exp(float(rng.uniform(math.log(low), math.log(high))))


