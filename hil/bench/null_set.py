"""What a null set does to false alarms and to detection: python -m hil.bench.null_set --scene white --nulls 999.

Emulated scans through the daemon's own decision. Every scan without a substance is judged by null sets that do not
hold it: the set is drawn anew many times out of the same scans.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from gateway.detection.detector import Detector
from gateway.detection.null_set import conformal_p
from gateway.detection.null_test import ScoreOnly
from gateway.detection.policy import Policy
from gateway.detection.verdict import Outcome
from gateway.judgement import SHIPPED_MODEL
from gateway.null_set_figures import two_samples
from hil.bench.detection.bench import MIXED_DB
from hil.bench.detection.theory import references
from hil.bench.detection.trials import Ground, Scene
from hil.scene.bay import Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from calibration.reading import CalibratedScan

# Draws of a null set out of the scans: the mean over them is what "in expectation over null sets" promises.
DRAWS: Final = 400


@dataclass(frozen=True, slots=True)
class Scanned:
    """One scan: its scores, by substance and the largest, and whether theory alarms (on the right substance)."""

    score: float
    own: float
    alarm: bool


class Row(msgspec.Struct, frozen=True):
    """Mean over draws of null sets of `size` scans out of `nulls` scans without a substance.

    `pfa_theory` and `pfa` are false alarms per scan before and after the test, `pd_theory` and `pd` right alarms over
    `targets` scans. `pfa_worst` is the largest `pfa` of 95 % of the draws. `ks_p` is the chance that p-values of one
    draw are so far from uniform: that its other scans differ so much from its nulls (Kolmogorov-Smirnov, two samples).
    """

    scene: str
    nulls: int
    targets: int
    size: int
    pfa_theory: float
    pfa: float
    pfa_worst: float
    pd_theory: float
    pd: float
    ks_p: float


def scanned(detector: Detector, scan: CalibratedScan, substance: str = "") -> Scanned:
    """Decide one scan; of `substance`, where one is in it."""
    verdict = detector.decide(scan)
    check = verdict.null_check
    if check is None:
        raise ValueError("the detector keeps no scores")
    names = [score.substance for score in verdict.scores]
    if not substance:
        return Scanned(check.score, check.score, verdict.outcome is Outcome.ALARM)
    at = names.index(substance)
    return Scanned(check.score, check.substances[at], verdict.scores[at].alarmed)


def rows(detector: Detector, ground: Ground, nulls: int, targets: int, sizes: Sequence[int]) -> tuple[Row, ...]:
    """Return a row for each size of null set; `targets` scans of each substance at its reference point."""
    empty = [scanned(detector, ground.lay(number).scan) for number in range(nulls)]
    above = 10.0 ** (MIXED_DB / 20.0) if ground.scene.hard else 1.0
    full = [scanned(detector, ground.lay(nulls + number).holding(point.substance, point.mass_kg * above),
                    point.substance)
            for point in references(ground.tier) for number in range(targets)]
    rng = np.random.default_rng(ground.seed)
    return tuple(row(ground.scene, empty, full, size, rng) for size in sizes)


def row(scene: Scene, empty: list[Scanned], full: list[Scanned], size: int, rng: Generator) -> Row:
    """Return the means over draws of null sets of one size."""
    false, right, ks_p, pfa = [], [], 1.0, Policy().pfa_per_scan
    for draw in range(DRAWS):
        order = rng.permutation(len(empty))
        ascending = sorted(empty[at].score for at in order[:size])
        others = [empty[at] for at in order[size:]]
        p = [conformal_p(one.score, ascending) for one in others]
        false.append(np.mean([one.alarm and each <= pfa for one, each in zip(others, p, strict=True)]))
        right.append(np.mean([one.alarm and conformal_p(one.own, ascending) <= pfa for one in full]))
        ks_p = two_samples(ascending, [one.score for one in others]) if draw == 0 else ks_p
    theory = float(np.mean([one.alarm for one in empty])), float(np.mean([one.alarm for one in full]))
    return Row(scene.value, len(empty), len(full), size, theory[0], float(np.mean(false)),
               float(np.quantile(false, 0.95)), theory[1], float(np.mean(right)), ks_p)


def main() -> None:
    """Measure and print a line of JSON for each size."""
    parser = argparse.ArgumentParser(description="false alarms and detection with a null set")
    parser.add_argument("--scene", default="white", choices=[scene.value for scene in Scene])
    parser.add_argument("--nulls", type=int, default=999)
    parser.add_argument("--targets", type=int, default=15, help="of each substance")
    parser.add_argument("--size", type=int, nargs="+", default=[99, 199, 499])
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    detector = Detector.load(SHIPPED_MODEL, Policy())
    detector.against = ScoreOnly()
    ground = Ground(Scene(words.scene), Tier.B, words.seed)
    for one in rows(detector, ground, words.nulls, words.targets, words.size):
        print(msgspec.json.encode(one).decode(), flush=True)


if __name__ == "__main__":
    main()
