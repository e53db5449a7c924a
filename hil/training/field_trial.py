"""The finished detector on named scenes, many seeds each: what the demonstration shows, and the mass theory asks for.

Trials are whole scans with their own noise and interference; a figure without its bound is no figure.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from calibration.schedule import schedule
from gateway.detection.chisquare import required_deflection
from gateway.detection.detector import Detector, Policy
from gateway.detection.glrt import threshold
from gateway.detection.hypotheses import grids
from gateway.detection.model_card import Measured
from gateway.detection.sensitivity import Condition, View, deflection_per_kg
from gateway.detection.verdict import Outcome
from hil.scene.bay import Bay, Tier
from hil.scene.load import Content, Load
from hil.scene.scan import scan
from hil.scene.scenario import SCENARIOS
from hil.training.bounds import lower_bound
from hil.training.emulated import KELVIN, calibrated
from hil.training.examples import WORKERS

if TYPE_CHECKING:
    from pathlib import Path

SEED: Final = 404
TRIALS: Final = 100
DWELL_S: Final = 300.0
STANDOFF_M: Final = 0.2
CARGO_K: Final = 293.0
THEORY_PD: Final = 0.999
CITY: Final = 0.5
# What each scenario of the demonstration should come to.
WANTED: Final = {"empty": Outcome.NOT_INSPECTABLE, "nitrate": Outcome.ALARM, "rdx": Outcome.ALARM,
                 "shielded": Outcome.NOT_INSPECTABLE}


@dataclass(frozen=True, slots=True)
class Trial:
    """A scene, the answer it should get, and the substance that should be named in it ("": none)."""

    what: str
    bay: Bay
    load: Load
    outcome: Outcome
    substance: str


def field_trial(folder: Path) -> tuple[Measured, ...]:
    """Every scene many times, with the package in `folder`."""
    trials = (*_scenarios(), *_masses(0.0), *_masses(CITY))
    with ProcessPoolExecutor(WORKERS) as pool:
        rows = []
        for trial in trials:
            right = sum(pool.map(partial(_right, folder, trial), range(TRIALS), chunksize=10))
            rows.append(Measured(trial.what, right, TRIALS, round(lower_bound(right, TRIALS), 5)))
    return tuple(rows)


@cache
def _detector(folder: Path) -> Detector:
    return Detector.load(folder, Policy())


def _right(folder: Path, trial: Trial, number: int) -> bool:
    rng = np.random.default_rng((SEED, number))
    felt = scan(schedule(DWELL_S), trial.bay, trial.load, rng, DWELL_S)
    verdict = _detector(folder).decide(calibrated(felt))
    named = {score.substance for score in verdict.scores if score.alarmed}
    return verdict.outcome is trial.outcome and named == ({trial.substance} if trial.substance else set())


def _scenarios() -> list[Trial]:
    trials = []
    for shown in SCENARIOS:
        outcome = WANTED.get(shown.name, Outcome.CLEAR)
        substance = shown.load.contents[0].substance if outcome is Outcome.ALARM else ""
        what = f"scenario {shown.name} ({shown.title}): {outcome.value}" + (f", {substance}" if substance else "")
        trials.append(Trial(what, shown.bay, shown.load, outcome, substance))
    return trials


def _masses(city: float) -> list[Trial]:
    """Each substance at the mass whose Pd theory puts at 0.999 in the sensors' own noise, tier B."""
    bay = Bay(tier=Tier.B, city=city)
    plans = schedule(DWELL_S)
    laid = grids(plans, *KELVIN)
    names = {substance.name for substance in covered()}
    trials = []
    for grid in (g for g in laid if g.substance.name in names):
        density = [bay.density_ft(plan.carrier_hz) for plan in plans]
        per_kg = deflection_per_kg(grid, View(plans, DWELL_S, STANDOFF_M), density, Condition(CARGO_K))
        level = threshold(Policy().pfa_per_scan, grid, len(laid))
        mass_kg = required_deflection(THEORY_PD, level, len(grid.lines)) / per_kg
        name = grid.substance.name
        load = Load((Content(name, mass_kg),), standoff_m=STANDOFF_M, temperature_k=CARGO_K)
        noise = f"city noise {city:g}" if city else "sensor noise alone"
        what = f"{name} named alone: {mass_kg:.2f} kg at {STANDOFF_M:g} m, tier B, 300 s, {noise} (theory 0.999)"
        trials.append(Trial(what, bay, load, Outcome.ALARM, name))
    return trials
