"""Draw scans and collect what the detectors say of them: nulls, the reference point, and the mass axis.

A trial is fixed by seed, scene, tier, substance and number, whoever draws it; every trial is a whole scan with noise
of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from time import thread_time
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.bench.detection.looks import SUBSTANCES, Beams, agrees, look
from hil.bench.detection.scenes import Laid, LaidAgain, mixed, white
from hil.bench.detection.theory import deflection
from hil.scene.bay import Tier
from hil.scene.load import Content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from calibration.reading import CalibratedScan
    from gateway.detection.detector import Detector
    from hil.bench.detection.crew import Crew
    from hil.bench.detection.looks import Look
    from hil.bench.detection.theory import Reference

    Floats = NDArray[np.float64]

# So many scans of every case are decided by the daemon's own code as well: for its time, and to check the bench.
DECIDED: Final = 5
# Bays that one worker takes at a time: half a second to ten of work, so that none waits long for the others.
STRETCH: Final = 12
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

    def joined(self, more: Nulls) -> Nulls:
        """These and then more of the same ground."""
        score = {name: np.concatenate([mine, more.score[name]]) for name, mine in self.score.items()}
        return Nulls(score, self.alarms + more.alarms)


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
    """Where trials are made: what the scenes hold, the sensors' tier, and the seed."""

    scene: Scene
    tier: Tier
    seed: int

    def rng(self, number: int) -> Generator:
        """The chance of one trial."""
        return np.random.default_rng((self.seed, tuple(Scene).index(self.scene), tuple(Tier).index(self.tier), number))

    def lay(self, number: int) -> Laid | LaidAgain:
        """One trial's bay, without a covered substance so far."""
        rng = self.rng(number)
        draw = (mixed if self.scene.hard else white)(self.tier, rng)
        return (LaidAgain if self.scene.second else Laid)(draw, int(rng.integers(2**63)))

    @property
    def bare(self) -> bool:
        """A head without reference channels is tried where there is something for them to hear."""
        return self.scene is Scene.MIXED


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive bays, from trial `first` on, and the masses in kg of each substance laid into them, bay by bay.

    Trials before `decided_before` are decided by the daemon's own code as well.
    """

    ground: Ground
    first: int
    count: int
    masses_kg: tuple[tuple[str, tuple[float, ...]], ...] = ()
    decided_before: int = 0


@dataclass(slots=True)
class Tally:
    """What is collected for one substance: masses, deflections, looks, decision times."""

    masses_kg: list[float] = field(default_factory=list)
    true_deflection: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    spent_ms: list[float] = field(default_factory=list)

    def add(self, more: Tally) -> None:
        """Take in what was collected on a later stretch."""
        self.masses_kg += more.masses_kg
        self.true_deflection += more.true_deflection
        self.looks += more.looks
        self.spent_ms += more.spent_ms

    def targets(self, reference: Reference) -> Targets:
        """The same in arrays."""
        at = SUBSTANCES.index(reference.substance)
        score = {name: np.array([getattr(one, name)[at] for one in self.looks]) for name in DETECTORS}
        named = sum(bool(one.named[at]) for one in self.looks)
        another = sum(bool(np.delete(one.named, at).any()) for one in self.looks)
        return Targets(np.array(self.masses_kg) * reference.d_per_kg, np.array(self.true_deflection), score, named,
                       another, float(np.median(self.spent_ms)))


def nulls(crew: Crew, ground: Ground, first: int, count: int) -> Nulls:
    """So many scans without a covered substance, from trial `first` on."""
    stretches = [Stretch(ground, at, min(STRETCH, first + count - at)) for at in range(first, first + count, STRETCH)]
    seen = [one for part in crew.each(look_at_nulls, stretches) for one in part]
    score = {name: np.array([getattr(one, name).max() for one in seen]) for name in DETECTORS}
    return Nulls(score, sum(bool(one.named.any()) for one in seen))


def targets(crew: Crew, ground: Ground, masses_kg: dict[Reference, Sequence[float]],
            first: int) -> dict[Reference, Targets]:
    """Each substance alone in one bay after the other, from trial `first` on: one scan for each of its masses.

    Trials of one substance are independent scans. All substances are laid into the same bays, whose untouched bands
    are looked at once: that makes a trial four times cheaper and ties substances to one another, not trials.
    """
    bays = max(len(masses) for masses in masses_kg.values())
    stretches = [Stretch(ground, first + at, min(STRETCH, bays - at),
                         tuple((r.substance, tuple(masses[at:at + STRETCH])) for r, masses in masses_kg.items()),
                         first + DECIDED) for at in range(0, bays, STRETCH)]
    tallies = {reference: Tally() for reference in masses_kg}
    for part in crew.each(look_at_targets, stretches):
        for tally, more in zip(tallies.values(), part, strict=True):
            tally.add(more)
    return {reference: tally.targets(reference) for reference, tally in tallies.items()}


def look_at_nulls(detector: Detector, stretch: Stretch) -> list[Look]:
    """What the detectors say of each bay as it is."""
    ground = stretch.ground
    return [look(detector, ground.lay(number).scan, Beams(), bare=ground.bare)
            for number in range(stretch.first, stretch.first + stretch.count)]


def look_at_targets(detector: Detector, stretch: Stretch) -> list[Tally]:
    """What the detectors say of each bay with one substance after another in it, by substance."""
    tallies = [Tally() for _ in stretch.masses_kg]
    for step in range(stretch.count):
        number = stretch.first + step
        laid, beams = stretch.ground.lay(number), Beams()
        for (substance, masses), tally in zip(stretch.masses_kg, tallies, strict=True):
            if step < len(masses):
                content = Content(substance, masses[step])
                scan = _try(detector, (laid, beams, content), tally, bare=stretch.ground.bare)
                if number < stretch.decided_before:
                    _decide(detector, scan, tally)
    return tallies


def _try(detector: Detector, trial: tuple[Laid | LaidAgain, Beams, Content], tally: Tally, *,
         bare: bool) -> CalibratedScan:
    laid, beams, content = trial
    scan = laid.holding(content.substance, content.mass_kg)
    alone = replace(laid.draw.load, contents=(content,))
    tally.masses_kg.append(content.mass_kg)
    tally.true_deflection.append(deflection(alone, laid.draw.bay))
    tally.looks.append(look(detector, scan, beams, bare=bare))
    return scan


def _decide(detector: Detector, scan: CalibratedScan, tally: Tally) -> None:
    before_s = thread_time()
    agrees(detector, scan, tally.looks[-1])
    tally.spent_ms.append((thread_time() - before_s) * 1e3)
