"""The finished detector on the named scenes of the demonstration, many seeds each.

Trials are whole scans with their own noise and interference; a figure without its bound is no figure.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import schedule
from gateway.detection.detector import Detector, Policy
from gateway.detection.model_card import Measured
from gateway.detection.verdict import Outcome
from hil.scene.scan import scan
from hil.scene.scenario import SCENARIOS
from hil.training.bounds import lower_bound
from hil.training.emulated import calibrated
from hil.training.examples import WORKERS

if TYPE_CHECKING:
    from pathlib import Path

    from hil.scene.bay import Bay
    from hil.scene.load import Load

SEED: Final = 404
TRIALS: Final = 100
DWELL_S: Final = 300.0
# What each scenario of the demonstration should come to.
WANTED: Final = {"empty": Outcome.NOT_INSPECTABLE, "calibrant": Outcome.NOT_INSPECTABLE, "nitrate": Outcome.ALARM,
                 "rdx": Outcome.ALARM, "shielded": Outcome.NOT_INSPECTABLE}


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
    trials = _scenarios()
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
