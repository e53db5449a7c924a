"""The whole measurement: reference points, nulls, trials, gaps to theory, and the check against the limit.

A detector that beats the clairvoyant limit beyond its binomial error is a bug: the run fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.coverage import Proven
from hil.bench.detection.curves import Needed, Trials, needed, threshold
from hil.bench.detection.looks import SUBSTANCES
from hil.bench.detection.theory import THEORY_PFA, clairvoyant_d, clairvoyant_pd, decibel, references
from hil.bench.detection.trials import Ground, Nulls, Scene, Targets, nulls, targets
from hil.training.bounds import lower_bound, upper_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hil.bench.detection.crew import Crew
    from hil.bench.detection.theory import Reference
    from hil.scene.bay import Tier

# Where gaps are stated. The stricter Pfa is that of the reference point, the other one that of the policy as shipped.
PDS: Final = (0.5, 0.9)
PFAS: Final = (THEORY_PFA, 1e-2)
# Mixed scenes are judged this far above the reference point.
MIXED_DB: Final = 2.0
# The mass axis, dB beside the reference mass: in white noise where theory goes from Pd 0.1 to 1, and on from there.
WHITE_AXIS_DB: Final = (-5.5, -4.5, -3.5, -3.0, -2.5, -1.5, 0.0, 1.5, 3.5)
MIXED_AXIS_DB: Final = (-5.0, -3.5, -2.0, -0.5, 0.5, 2.0, 4.0, 7.0)
# Nulls that judge the others' p-values are numbered from here on: no other trial reaches so far.
JUDGES_FROM: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What to measure. `trials` at the reference point and as many again on the mass axis, for each case."""

    trials: int
    null_scans: int
    seed: int
    tiers: tuple[Tier, ...]
    substances: tuple[str, ...] = SUBSTANCES
    scenes: tuple[Scene, ...] = tuple(Scene)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the result, in the names and the order that programs read. A gap that was not reached is None."""

    substance: str
    tier: str
    scene: str
    mass_kg: float
    standoff_m: float
    dwell_s: float
    trials: int
    pd: float
    pd_lower95: float
    pfa: float
    pfa_upper95: float
    gap_glrt_db: float | None
    gap_cnn_db: float | None
    gap_combined_db: float | None
    decide_ms: float


@dataclass(frozen=True, slots=True)
class Gap:
    """How far a detector is from theory at one Pd and Pfa, in dB of deflection, with its standard error.

    `gap_db` is to the likelihood ratio's own theory, `limit_db` to the clairvoyant detector. `u_shared_db` is the part
    of the error that all substances have in common, because their thresholds come from the same nulls.
    """

    substance: str
    tier: str
    scene: Scene
    detector: str
    pd: float
    pfa: float
    gap_db: float
    u_db: float
    u_shared_db: float
    limit_db: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One case with everything behind it.

    Of the first generator's nulls the first `judged` have their p-values judged by the others, a null set drawn apart;
    the second generator's are judged by all of the first one's.
    """

    reference: Reference
    scene: Scene
    mass_kg: float
    point: Targets
    axis: Targets | None
    nulls: Nulls
    judged: int
    gaps: tuple[Gap, ...]

    def gap(self, detector: str, pd: float = PDS[-1], pfa: float = PFAS[0]) -> Gap | None:
        """One gap; None where it was not measured or not reached."""
        return next((g for g in self.gaps if (g.detector, g.pd, g.pfa) == (detector, pd, pfa)), None)

    def twin(self, found: Sequence[Measured]) -> Measured | None:
        """The same case of the first generator; None of the first one's own, or where it was not measured."""
        return next((t for t in found if self.scene.second and t.reference == self.reference
                     and t.scene.hard == self.scene.hard and not t.scene.second), None)


class AboveTheLimit(RuntimeError):
    """A measured detector beats the clairvoyant limit: a leak of the truth or a wrong formula."""


def measure(crew: Crew, order: Order, say: Callable[[str], None]) -> Iterator[Measured]:
    """Every case, as it comes. Raises `AboveTheLimit`."""
    for tier in order.tiers:
        points = [r for r in references(tier) if r.substance in order.substances]
        for scene in order.scenes:
            ground = Ground(scene, tier, order.seed)
            say(f"tier {tier.name}, {scene}: {order.null_scans} scans without a covered substance")
            without = nulls(crew, ground, 0, order.null_scans)
            if not scene.second:
                # One more: 999 and 1000 make a threshold of exactly 2 in 2000, where 1998 would make one of 1 in 1999.
                without = without.joined(nulls(crew, ground, JUDGES_FROM, order.null_scans + 1))
            say(f"tier {tier.name}, {scene}: {order.trials} scans of each substance and as many on the mass axis")
            yield from _measured(crew, (ground, points, order), without)


def _measured(crew: Crew, task: tuple[Ground, Sequence[Reference], Order], without: Nulls) -> Iterator[Measured]:
    """All substances of one scene and tier. Trials are numbered after the nulls: they share no scan with them."""
    ground, points, order = task
    above = 10.0 ** (MIXED_DB / 20.0) if ground.scene.hard else 1.0
    first = order.null_scans
    point = targets(crew, ground, {r: [r.mass_kg * above] * order.trials for r in points}, first)
    axis = None if ground.scene.second else targets(crew, ground, _axis(ground, points, order.trials),
                                                    first + order.trials)
    for reference in points:
        gaps: tuple[Gap, ...] = ()
        if axis is not None:
            _check_limit(ground.scene, reference, axis[reference], without)
            gaps = tuple(_gaps(ground, reference, axis[reference], without))
        yield Measured(reference, ground.scene, reference.mass_kg * above, point[reference],
                       axis[reference] if axis else None, without, order.null_scans, gaps)


def _axis(ground: Ground, points: Sequence[Reference], trials: int) -> dict[Reference, Sequence[float]]:
    steps = MIXED_AXIS_DB if ground.scene.hard else WHITE_AXIS_DB
    return {r: [r.mass_kg * 10.0 ** (steps[n % len(steps)] / 20.0) for n in range(trials)] for r in points}


def _gaps(ground: Ground, reference: Reference, axis: Targets, without: Nulls) -> Iterator[Gap]:
    rng = np.random.default_rng(ground.seed)
    for detector in _detectors(ground.scene):
        trials = Trials(axis.deflection, axis.score[detector])
        for pfa in PFAS:
            found = needed(trials, without.score[detector], PDS, pfa, rng)
            for pd, one in zip(PDS, found, strict=True):
                if math.isfinite(one.deflection):
                    yield _gap(reference, ground.scene, detector, (pd, pfa), one)


def _gap(reference: Reference, scene: Scene, detector: str, at: tuple[float, float], found: Needed) -> Gap:
    pd, pfa = at
    u_db, shared_db = (20.0 / math.log(10.0) * u / found.deflection for u in (found.u, found.u_shared))
    return Gap(reference.substance, reference.tier.name, scene, detector, pd, pfa,
               decibel(found.deflection, reference.required(pd, pfa)), u_db, shared_db,
               decibel(found.deflection, clairvoyant_d(pd, pfa)))


def _detectors(scene: Scene) -> tuple[str, ...]:
    return ("glrt", "network", "combined", "bare") if scene is Scene.MIXED else ("glrt", "network", "combined")


def _check_limit(scene: Scene, reference: Reference, axis: Targets, without: Nulls) -> None:
    """Hold every detector at every mass against the clairvoyant limit, both with their binomial errors."""
    for detector in _detectors(scene):
        for pfa in PFAS:
            level = threshold(without.score[detector], pfa)
            allowed = upper_bound(int(np.sum(without.score[detector] > level)), without.count)
            for d in np.unique(axis.deflection):
                here = axis.deflection == d
                hits = int(np.sum(axis.score[detector][here] > level))
                limit = clairvoyant_pd(float(axis.true_deflection[here].max()), allowed)
                if lower_bound(hits, int(here.sum())) > limit:
                    raise AboveTheLimit(f"{detector} names {reference.substance} in {hits} of {int(here.sum())} scans "
                                        f"at deflection {d:.2f}, {scene}: the limit is {limit:.3f}")


def case_of(found: Measured, standoff_m: float, dwell_s: float) -> Case:
    """The row that programs read: Pd and Pfa of the decision as shipped, gaps at Pd 0.9.

    Gaps are at Pfa 1e-3 in white noise. In mixed scenes a few hazards in a thousand fool any detector at whatever
    mass: there they are at the policy's 1e-2.
    """
    pfa = PFAS[1] if found.scene.hard else PFAS[0]
    count, alarms = len(found.point.deflection), found.nulls.alarms
    gaps = [found.gap(detector, pfa=pfa) for detector in ("glrt", "network", "combined")]
    glrt, network, combined = (round(gap.gap_db, 3) if gap else None for gap in gaps)
    return Case(
        found.reference.substance, found.reference.tier.name, found.scene.value, round(found.mass_kg, 4), standoff_m,
        dwell_s, count, found.point.named / count, round(lower_bound(found.point.named, count), 5),
        round(alarms / found.nulls.count, 5), round(upper_bound(alarms, found.nulls.count), 5), glrt, network,
        combined, round(found.point.decide_ms, 1))


def proven(one: Measured) -> Proven:
    """One case as the product shows it."""
    n, hits, nulls, alarms = len(one.point.deflection), one.point.named, one.nulls.count, one.nulls.alarms
    return Proven(one.reference.substance, one.reference.tier.name, one.scene.value, round(one.reference.mass_kg, 4),
                  round(one.mass_kg, 4), n, hits, round(lower_bound(hits, n), 5), nulls, alarms,
                  round(upper_bound(alarms, nulls), 5))
