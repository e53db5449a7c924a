"""Draw scans and collect what the detectors say of them: nulls, the reference point, and the mass axis.

A trial is fixed by seed, scene, tier, substance and number; every trial is a whole scan with noise of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from time import thread_time
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.bench.detection.looks import SUBSTANCES, agrees, look
from hil.bench.detection.scenes import felt, felt_again, mixed, white
from hil.bench.detection.theory import deflection
from hil.scene.bay import Tier
from hil.scene.load import Content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from calibration.reading import CalibratedScan
    from gateway.detection.detector import Detector
    from hil.bench.detection.looks import Look
    from hil.bench.detection.scenes import Draw
    from hil.bench.detection.theory import Reference

    Floats = NDArray[np.float64]

# So many scans of every case are decided by the daemon's own code as well: for its time, and to check the bench.
DECIDED: Final = 5
DETECTORS: Final = ("glrt", "network", "combined", "bare")


class Scene(StrEnum):
    """What the trials hold, and which generator made them."""

    WHITE = "white"
    MIXED = "mixed"
    WHITE_AGAIN = "white, second generator"
    MIXED_AGAIN = "mixed, second generator"

    @property
    def hard(self) -> bool:
        """True with interference, ringing and confusers."""
        return self in {Scene.MIXED, Scene.MIXED_AGAIN}

    @property
    def second(self) -> bool:
        """True where the second generator makes the scan."""
        return self in {Scene.WHITE_AGAIN, Scene.MIXED_AGAIN}


@dataclass(frozen=True, slots=True)
class Nulls:
    """Scans without a covered substance: the highest score of any substance by detector, and the false alarms."""

    score: dict[str, Floats]
    alarms: int

    @property
    def count(self) -> int:
        """How many scans."""
        return len(self.score["glrt"])


@dataclass(frozen=True, slots=True)
class Targets:
    """Scans with one covered substance in them.

    `deflection` is that of the mass at the reference point, `true_deflection` that of the very load drawn, to a
    detector that knows everything. `score` is the substance's by detector. `named`: the decision named it.
    `another`: the decision named a substance that was not there. `decide_ms`: CPU time of the daemon's decision.
    """

    deflection: Floats
    true_deflection: Floats
    score: dict[str, Floats]
    named: int
    another: int
    decide_ms: float


@dataclass(frozen=True, slots=True)
class Ground:
    """Where trials are made."""

    detector: Detector
    scene: Scene
    tier: Tier
    seed: int

    def rng(self, what: int, number: int) -> Generator:
        """The chance of one trial; `what` is 0 for nulls, else tells substance and kind."""
        return np.random.default_rng((self.seed, tuple(Scene).index(self.scene), tuple(Tier).index(self.tier), what,
                                      number))

    def draw(self, rng: Generator) -> Draw:
        """What lies in the bay beside the substance."""
        return (mixed if self.scene.hard else white)(self.tier, rng)

    def scan(self, draw: Draw, rng: Generator) -> CalibratedScan:
        """The scan of it, by this scene's generator."""
        return (felt_again if self.scene.second else felt)(draw, rng)

    def look(self, scan: CalibratedScan) -> Look:
        """What the detectors say; also without references where the first generator makes mixed scenes."""
        return look(self.detector, scan, bare=self.scene is Scene.MIXED)


def nulls(ground: Ground, count: int) -> Nulls:
    """So many scans without a covered substance."""
    seen = []
    for number in range(count):
        rng = ground.rng(0, number)
        seen.append(ground.look(ground.scan(ground.draw(rng), rng)))
    score = {name: np.array([getattr(one, name).max() for one in seen]) for name in DETECTORS}
    return Nulls(score, sum(bool(one.named.any()) for one in seen))


def targets(ground: Ground, reference: Reference, masses_kg: Sequence[float], kind: int) -> Targets:
    """One scan for each mass; `kind` keeps the chance of the reference point and of the mass axis apart."""
    at = SUBSTANCES.index(reference.substance)
    seen, true_d, spent_ms = [], [], []
    for number, mass_kg in enumerate(masses_kg):
        rng = ground.rng(1 + len(SUBSTANCES) * kind + at, number)
        draw = ground.draw(rng)
        alone = replace(draw.load, contents=(Content(reference.substance, mass_kg),))
        true_d.append(deflection(alone, draw.bay))
        scan = ground.scan(draw.holding(reference.substance, mass_kg), rng)
        seen.append(ground.look(scan))
        if number < DECIDED:
            before_s = thread_time()
            agrees(ground.detector, scan, seen[-1])
            spent_ms.append((thread_time() - before_s) * 1e3)
    score = {name: np.array([getattr(one, name)[at] for one in seen]) for name in DETECTORS}
    return Targets(np.array(masses_kg) * reference.d_per_kg, np.array(true_d), score,
                   sum(bool(one.named[at]) for one in seen), sum(bool(np.delete(one.named, at).any()) for one in seen),
                   float(np.median(spent_ms)))
