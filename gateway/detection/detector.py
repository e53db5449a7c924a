"""The decision on one scan: alarm, clear for the covered substances, or not inspectable. Pure CPU after loading.

The likelihood ratio names a substance, the network may veto, and nothing of either lifts an obstacle.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from calibration.lines import covered
from calibration.schedule import BANDS
from gateway.detection.beam import BandBlind, Beam, form_beam
from gateway.detection.chisquare import required_deflection
from gateway.detection.glrt import Fit, Scene, threshold
from gateway.detection.head_array import STANDOFF_M_MIN
from gateway.detection.hypotheses import grids, grids_of
from gateway.detection.identify import identify
from gateway.detection.inspectability import dead_channels, emptiness, obstacles, remarks
from gateway.detection.model import ModelRefused, Package, load
from gateway.detection.null_test import scores_of
from gateway.detection.policy import Policy, PolicyRefused
from gateway.detection.portrait import portrait, shows_all
from gateway.detection.probability import features, probability
from gateway.detection.rule import Opinion, Ruling, Weighed, opinion, rule
from gateway.detection.sensitivity import LIMIT_PD, View, limit_kg
from gateway.detection.verdict import Outcome, SubstanceScore, Verdict
from gateway.detection.witness import Looked, testified
from gateway.detection.wording import alarms, foreign, limited, unidentified, vetoes

if TYPE_CHECKING:
    from pathlib import Path

    from calibration.reading import CalibratedScan
    from gateway.detection.hypotheses import Grid
    from gateway.detection.null_test import Against

__all__ = ["Detector", "ModelRefused", "Policy", "PolicyRefused"]

# A verdict is one record: more words than this help nobody.
REASONS_MAX: Final = 24


class Detector:
    """Decides scans, one at a time; safe in a worker thread, not in two at once.

    Without a package the likelihood ratio decides alone: for tests and for training, never in service. Verdicts are
    held `against` a signed null set where there is one.
    """

    def __init__(self, policy: Policy, package: Package | None = None, against: Against | None = None) -> None:
        self.policy = policy
        self.package = package
        self.against = against
        self._thresholds = package.card.thresholds if package else None
        # Grids and thresholds of the default schedule take a second to work out: better now than in the first scan.
        laid = grids_of(tuple((khz * 1e3, rate_hz) for khz, rate_hz in BANDS), policy.cargo_k_min, policy.cargo_k_max)
        for grid in laid:
            required_deflection(LIMIT_PD, threshold(policy.pfa_per_scan, grid, len(laid)), len(grid.lines))

    @classmethod
    def load(cls, folder: Path, policy: Policy) -> Detector:
        """Read, try and load the model package in `folder`. Raises `ModelRefused`."""
        return cls(policy, load(folder))

    @property
    def model_sha256(self) -> bytes:
        """SHA-256 of the card, which pins the model file; zeros without a model."""
        return self.package.sha256 if self.package else bytes(32)

    @property
    def card(self) -> str:
        """The card as it stands in the file."""
        return self.package.card_text if self.package else ""

    @property
    def runtime(self) -> str:
        """Name and version of the interpreter."""
        return self.package.runtime if self.package else ""

    def decide(self, scan: CalibratedScan) -> Verdict:
        """The verdict on one scan. Obstacles never stop an alarm, and no obstacle is ever "clear"."""
        return self.decide_on(scan, beams_of(scan, self.looks_from(scan)))

    def decide_on(self, scan: CalibratedScan, beams: tuple[Beam, ...]) -> Verdict:
        """As `decide`, on beams that are there already: those of the scan, or of several scans joined into it."""
        standoff_m = self.looks_from(scan)
        scene = Scene(beams, scan.dwell_s, standoff_m)
        limits = self._limits(scene)
        found = identify(scene, self._grids(scene), self.policy.pfa_per_scan)
        fits = found.fits
        said = self._opinion(beams)
        scores = tuple(_score(name, fits.get(name), limits[name], said) for name in limits)
        rulings = {name: self._rule(fits[name], said) for name in limits if name in fits}
        blocked = (*obstacles(scan, beams, limits, self.policy), *vetoes(rulings), *unidentified(found.resonances))
        alarmed = frozenset(name for name, r in rulings.items() if r is Ruling.NAMED)
        outcome = Outcome.ALARM if alarmed else Outcome.NOT_INSPECTABLE if blocked else Outcome.CLEAR
        scores = tuple(replace(score, alarmed=score.substance in alarmed,
                               probability=self._probability(score, fits.get(score.substance))) for score in scores)
        told = (*alarms(scores, rulings), *blocked, *limited(scores, outcome, standoff_m), *foreign(fits),
                *dead_channels(beams), *remarks(beams), *emptiness(scan, self.policy))
        verdict = Verdict(outcome, told[:REASONS_MAX], scores, scan.scan_id, scan.raw_sha256, self.model_sha256,
                          resonances=found.resonances or None)
        if self.against is not None:
            verdict = self.against.hold(verdict, scan, scores_of(limits, fits, rulings), self.policy.pfa_per_scan)
        return testified(verdict, fits, Looked(self.package, self.policy, beams, scan, standoff_m), REASONS_MAX)

    def looks_from(self, scan: CalibratedScan) -> float:
        """Return the distance that beams and limits of a scan are made for, in metres."""
        empty = scan.standoff_m >= self.policy.empty_beyond_m
        ranged = math.isfinite(scan.standoff_m) and not empty
        return max(scan.standoff_m, STANDOFF_M_MIN) if ranged else self.policy.empty_standoff_m

    def at(self, pfa_per_scan: float) -> Detector:
        """Return the same detector with another false-alarm rate: a look of a sequence may spend a share of it."""
        other = copy(self)
        other.policy = replace(self.policy, pfa_per_scan=pfa_per_scan)
        return other

    def limits_kg(self, scan: CalibratedScan, beams: tuple[Beam, ...]) -> dict[str, float]:
        """Return the detection limit of every covered substance, as a verdict on these beams would state it."""
        return self._limits(Scene(beams, scan.dwell_s, self.looks_from(scan)))

    def _opinion(self, beams: tuple[Beam, ...]) -> Opinion | None:
        # Where a band is missing or blind the network's figures mean nothing: it neither adds nor vetoes.
        if self.package is None or not shows_all(beams):
            return None
        return opinion(self.package.card, self.package.network.score(portrait(beams)))

    def _rule(self, fit: Fit, said: Opinion | None) -> Ruling:
        if said is None or self._thresholds is None:
            return Ruling.NAMED if fit.accepted else Ruling.SILENT
        given = said.substances.get(fit.grid.substance.name, 0.0)
        return rule(Weighed(fit.accepted, given, said.disturbed), self._thresholds)

    def _probability(self, score: SubstanceScore, fit: Fit | None) -> float | None:
        """What the card makes of both together; None where the network was not asked."""
        if self.package is None or math.isnan(score.network):
            return None
        card, log_p, fits = self.package.card, fit.log_p if fit else 0.0, fit is not None and fit.consistent
        return probability(card.stack, card.outputs.index(score.substance), features(log_p, score.network,
                                                                                     consistent=fits))

    def _grids(self, scene: Scene) -> tuple[Grid, ...]:
        plans = tuple(beam.plan for beam in scene.beams)
        return grids(plans, self.policy.cargo_k_min, self.policy.cargo_k_max) if plans else ()

    def _limits(self, scene: Scene) -> dict[str, float]:
        """Detection limit in kg of every covered substance; infinite where no band holds a line of it."""
        laid = self._grids(scene)
        view = View(tuple(beam.plan for beam in scene.beams), scene.dwell_s, scene.standoff_m)
        limits = dict.fromkeys((s.name for s in covered()), math.inf)
        for grid in laid:
            if grid.substance.name in limits:
                level = threshold(self.policy.pfa_per_scan, grid, len(laid))
                limits[grid.substance.name] = limit_kg(grid, scene.responses(grid), view, level)
        return limits


def beams_of(scan: CalibratedScan, standoff_m: float) -> tuple[Beam, ...]:
    """One beam per band that shows anything."""
    beams = []
    for band in scan.bands:
        try:
            beams.append(form_beam(band, standoff_m))
        except BandBlind:
            continue
    return tuple(beams)


def _score(name: str, fit: Fit | None, limit: float, said: Opinion | None) -> SubstanceScore:
    network = said.substances.get(name, math.nan) if said else math.nan
    if fit is None:
        return SubstanceScore(name, 0.0, 1.0, network, math.nan, limit, alarmed=False, lines=())
    return SubstanceScore(name, fit.statistic, math.exp(fit.log_p), network, fit.kelvin, limit, alarmed=False,
                          lines=fit.evidence)
