"""Loads scanned until they are decided, through the daemon's own sequence: found, invented, and how long it took.

Every look is a whole emulated scan with noise of its own; load, temperature and stations stay the load's. Seeded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import schedule
from gateway.detection.detector import Detector, beams_of
from gateway.detection.policy import Policy
from gateway.detection.sequence import LoadSequence
from gateway.detection.spending import Spending
from gateway.detection.verdict import LOOKS_USUAL, Outcome
from hil.bench.detection.scenes import mixed, white
from hil.bench.detection.theory import DWELL_S, references
from hil.bench.sequential_theory import Model, simulate
from hil.scene.bay import Tier
from hil.scene.scan import scan
from hil.training.bounds import lower_bound, upper_bound
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from calibration.reading import CalibratedScan
    from gateway.detection.verdict import Verdict
    from hil.bench.detection.scenes import Draw
    from hil.bench.detection.theory import Reference
    from hil.bench.sequential_theory import SpendingFigures

LOOK_S: Final = DWELL_S / LOOKS_USUAL
GAINS_DB: Final = (0.0, 3.0, 6.0)
# The bench's policy allows so much more mass than one fixed scan states as its limit in white noise.
ALLOWED_DB: Final = 3.0
FIXED_SCANS: Final = 5
SCENES: Final = {"white": white, "mixed": mixed}
TRIALS: Final = 60


@dataclass(frozen=True, slots=True)
class SequentialCase:
    """Loads of one kind. `gain_db` is that of the mass over the reference mass, None without a substance.

    `named`: an alarm that names the substance; `invented`: one that names what is not there. `wrongly_clear`: clear
    with the substance there. Times are dwell, without what a head takes to deliver a scan.
    """

    substance: str
    scene: str
    gain_db: float | None
    mass_kg: float
    allowed_kg: float
    trials: int
    named: int
    invented: int
    clear: int
    not_inspectable: int
    mean_dwell_s: float
    mean_looks: float

    @property
    def bound95(self) -> float:
        """One-sided exact 95 % bound: lower of Pd with a substance there, upper of Pfa without."""
        return upper_bound(self.invented, self.trials) if self.gain_db is None else lower_bound(self.named, self.trials)


def measure_sequential(detector: Detector, substances: tuple[str, ...], trials: int,
                       seed: int) -> Iterator[SequentialCase]:
    """Measure each substance at a policy that allows `ALLOWED_DB` more than a fixed scan states, in each scene."""
    for reference in references(Tier.B):
        if reference.substance not in substances:
            continue
        allowed_kg = fixed_limit_kg(detector, reference.substance, seed) * 10.0 ** (ALLOWED_DB / 20.0)
        judge = Detector(Policy(limit_kg_max={reference.substance: allowed_kg}), detector.package)
        for name, draw in SCENES.items():
            for gain_db in (None, *GAINS_DB):
                yield _case(judge, reference, (name, draw), gain_db, range(seed * 100_000, seed * 100_000 + trials))


def simulated(substances: tuple[str, ...], seed: int) -> Iterator[tuple[str, SpendingFigures]]:
    """Simulate each way of spending at the same policy, on chi-square statistics alone."""
    for reference in references(Tier.B):
        if reference.substance in substances:
            model = Model(reference.lines, reference.looks, Policy().pfa_per_scan, ALLOWED_DB)
            there = {db: reference.d_per_kg * reference.mass_kg * 10.0 ** (db / 20.0) for db in GAINS_DB}
            for how in Spending:
                yield reference.substance, simulate(model, how, there, seed)


def fixed_limit_kg(detector: Detector, substance: str, seed: int) -> float:
    """Return the detection limit that a fixed scan of `DWELL_S` states in white noise, the median of a few."""
    found = []
    for number in range(FIXED_SCANS):
        rng = np.random.default_rng((seed, number))
        scanned = one_scan(white(Tier.B, rng), rng, number, DWELL_S)
        beams = beams_of(scanned, detector.looks_from(scanned))
        found.append(detector.limits_kg(scanned, beams)[substance])
    return float(np.median(found))


def _case(judge: Detector, reference: Reference, scene: tuple[str, Callable[[Tier, np.random.Generator], Draw]],
          gain_db: float | None, numbers: range) -> SequentialCase:
    name, draw = scene
    mass_kg = 0.0 if gain_db is None else reference.mass_kg * 10.0 ** (gain_db / 20.0)
    verdicts = []
    for number in numbers:
        rng = np.random.default_rng((tuple(SCENES).index(name), number))
        drawn = draw(reference.tier, rng)
        verdicts.append(decided(judge, drawn.holding(reference.substance, mass_kg) if mass_kg else drawn, rng, number))
    names = [{score.substance for score in verdict.scores if score.alarmed} for verdict in verdicts]
    here = {reference.substance} if mass_kg else set()
    looks = [verdict.look.number for verdict in verdicts if verdict.look]
    outcomes = [verdict.outcome for verdict in verdicts]
    return SequentialCase(
        reference.substance, name, gain_db, mass_kg, judge.policy.allowed_kg(reference.substance), len(verdicts),
        sum(bool(found & here) for found in names), sum(bool(found - here) for found in names),
        outcomes.count(Outcome.CLEAR), outcomes.count(Outcome.NOT_INSPECTABLE), float(np.mean(looks)) * LOOK_S,
        float(np.mean(looks)))


def decided(judge: Detector, drawn: Draw, rng: np.random.Generator, number: int) -> Verdict:
    """Return the last verdict on one load, scanned until it is decided."""
    sequence = LoadSequence(judge, LOOKS_USUAL)
    while True:
        verdict = sequence.take(one_scan(drawn, rng, number))
        if sequence.over:
            return verdict


def one_scan(drawn: Draw, rng: np.random.Generator, head: int, dwell_s: float = LOOK_S) -> CalibratedScan:
    """Return one scan of a load by one head, with a digest of its own."""
    felt = scan(schedule(dwell_s), replace(drawn.bay, head=head), drawn.load, rng, dwell_s)
    made = calibrated(felt)
    return replace(made, raw_sha256=hashlib.sha256(made.bands[0].field_ft.tobytes()).digest())
