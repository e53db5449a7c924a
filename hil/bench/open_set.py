"""Measure the open set: what the decision says of crystals that nobody covers, and of substances whose lines collide.

Emulated scans through the daemon's own decision. It asserts nothing; every share has its exact bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.bench.detection.theory import DWELL_S, PLANS
from hil.bench.open_set_scenes import CARBAMAZEPINE, DEFLECTION, Case, Pair, colliding, foreign, key_of
from hil.scene.scan import scan
from hil.training.bounds import lower_bound, upper_bound
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.detection.detector import Detector
    from gateway.detection.verdict import Verdict
    from hil.bench.detection.crew import Crew
    from hil.bench.open_set_scenes import Laid

# Deflections between which shares are told: about the limit of a single line, above it, and beyond doubt.
BINS: Final = (DEFLECTION[0], 7.0, 10.0, 20.0, DEFLECTION[1])


class Said(StrEnum):
    """The worst that a verdict says of a load that holds no covered substance, worst first."""

    COVERED = "a covered substance"
    UNIDENTIFIED = "unidentified resonance"
    TABLE = "a crystal of the table"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was said of one case at deflections from `low` to `high`, and the bounds of two of the shares."""

    case: str
    low: float
    high: float
    trials: int
    covered: int
    unidentified: int
    table: int
    nothing: int
    not_covered_lower95: float
    unidentified_upper95: float
    names: dict[str, int]


@dataclass(frozen=True, slots=True)
class Resolved:
    """How often one or both members of a pair were named and nothing else."""

    pair: str
    present: str
    trials: int
    resolved: int
    lower95: float
    missed: int
    invented: int
    unidentified: int


@dataclass(frozen=True, slots=True)
class OpenSet:
    """All figures."""

    trials: int
    seed: int
    rejected: tuple[Rejected, ...]
    resolved: tuple[Resolved, ...]
    model_sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept of one trial."""

    deflection: float
    said: Said
    named: frozenset[str]
    resonances: int
    right: bool


def measure_open_set(crew: Crew, trials: int, seed: int, say: Callable[[str], None]) -> OpenSet:
    """Decide `trials` scans of every case and of every way to fill a pair."""
    rejected: list[Rejected] = []
    for case in Case:
        answers = list(crew.each(partial(_of_foreign, case, seed), range(trials)))
        rejected += _by_deflection(case, answers)
        say(f"{case}: {trials} scans")
    resolved = []
    for pair in Pair:
        for present in _fillings(pair):
            answers = list(crew.each(partial(_of_pair, pair, present, seed), range(trials)))
            resolved.append(_resolved(pair, present, answers))
            say(f"{' and '.join(present)} ({pair}): {trials} scans")
    digest = next(iter(crew.each(_digest, (0,))))
    return OpenSet(trials, seed, tuple(rejected), tuple(resolved), digest)


def _fillings(pair: Pair) -> Iterator[tuple[str, ...]]:
    first, second = pair.members
    yield (first,)
    yield (second,)
    yield (first, second)


def _digest(detector: Detector, _number: int) -> str:
    return detector.model_sha256.hex()


def _of_foreign(case: Case, seed: int, detector: Detector, number: int) -> Answer:
    return _answer(detector, foreign(case, seed, number), (seed, tuple(Case).index(case), number))


def _of_pair(pair: Pair, present: tuple[str, ...], seed: int, detector: Detector, number: int) -> Answer:
    return _answer(detector, colliding(pair, present, seed, number), key_of(pair, present, seed, number))


def _answer(detector: Detector, laid: Laid, key: tuple[int, ...]) -> Answer:
    felt = scan(PLANS, laid.draw.bay, laid.draw.load, np.random.default_rng((*key, 1)), DWELL_S)
    verdict = detector.decide(calibrated(felt))
    named = frozenset(score.substance for score in verdict.scores if score.alarmed)
    carbamazepine = any(one.substance == CARBAMAZEPINE for one in laid.draw.load.contents)
    told = not carbamazepine or any(reason.startswith(CARBAMAZEPINE) for reason in verdict.reasons)
    return Answer(laid.deflection, _said(verdict, named), named, len(verdict.resonances or ()),
                  named == laid.covered and told)


def _said(verdict: Verdict, named: frozenset[str]) -> Said:
    if named:
        return Said.COVERED
    if verdict.resonances:
        return Said.UNIDENTIFIED
    explained = any("explains the line at" in reason for reason in verdict.reasons)
    return Said.TABLE if explained else Said.NOTHING


def _by_deflection(case: Case, answers: Sequence[Answer]) -> list[Rejected]:
    """One row for each bin of deflection that holds anything, or one for a case that has no deflection."""
    edges = BINS if any(one.deflection for one in answers) else (0.0, 0.0)
    rows = []
    for low, high in pairwise(edges):
        inside = [one for one in answers if low <= one.deflection <= high]
        if inside:
            rows.append(_rejected(case, low, high, inside))
    return rows


def _rejected(case: Case, low: float, high: float, answers: Sequence[Answer]) -> Rejected:
    counts = {said: sum(one.said is said for one in answers) for said in Said}
    covered = counts[Said.COVERED]
    names = sorted(name for one in answers for name in one.named)
    return Rejected(case.value, low, high, len(answers), covered, counts[Said.UNIDENTIFIED], counts[Said.TABLE],
                    counts[Said.NOTHING], lower_bound(len(answers) - covered, len(answers)),
                    upper_bound(counts[Said.UNIDENTIFIED], len(answers)), {name: names.count(name) for name in names})


def _resolved(pair: Pair, present: tuple[str, ...], answers: Sequence[Answer]) -> Resolved:
    right, wanted = sum(one.right for one in answers), frozenset(present) - {CARBAMAZEPINE}
    return Resolved(pair.value, " and ".join(present), len(answers), right, lower_bound(right, len(answers)),
                    sum(bool(wanted - one.named) for one in answers), sum(bool(one.named - wanted) for one in answers),
                    sum(one.resonances > 0 for one in answers))
