"""The decision on one scan: alarm, clear for the covered substances, or not inspectable. Pure CPU after loading.

The likelihood ratio names a substance, the network may add or veto, and nothing of either lifts an obstacle.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from calibration.lines import Role, covered
from calibration.schedule import BANDS
from gateway.detection.beam import Beam, NoChannelAlive, form_beam
from gateway.detection.glrt import Fit, Scene, explain, threshold
from gateway.detection.hypotheses import grids, grids_of
from gateway.detection.inspectability import dead_channels, obstacles, remarks
from gateway.detection.policy import Policy, PolicyRefused
from gateway.detection.sensitivity import limit_kg
from gateway.detection.verdict import Outcome, SubstanceScore, Verdict

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan
    from gateway.detection.hypotheses import Grid

__all__ = ["Detector", "Policy", "PolicyRefused"]

# A verdict is one record: more words than this help nobody.
REASONS_MAX: Final = 24


class Detector:
    """Decides scans, one at a time; safe in a worker thread, not in two at once."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        # The grids of the default schedule take half a second to lay out: better now than in the first scan.
        grids_of(tuple((khz * 1e3, rate_hz) for khz, rate_hz in BANDS), policy.cargo_k_min, policy.cargo_k_max)

    def decide(self, scan: CalibratedScan) -> Verdict:
        """The verdict on one scan. Obstacles never stop an alarm, and no obstacle is ever "clear"."""
        empty = scan.standoff_m >= self.policy.empty_beyond_m
        standoff_m = self.policy.empty_standoff_m if empty else scan.standoff_m
        beams = beams_of(scan, standoff_m)
        scene = Scene(beams, scan.dwell_s, standoff_m)
        limits = self._limits(scene)
        fits = explain(scene, self._grids(scene), self.policy.pfa_per_scan)
        scores = tuple(_score(name, fits.get(name), limits[name]) for name in limits)
        blocked = (*obstacles(scan, beams, limits, self.policy), *_unexplained(fits, self.policy.pfa_per_scan))
        said = (*_alarms(scores), *blocked, *_foreign(fits), *dead_channels(beams), *remarks(beams))
        if empty:
            said = (*said, f"nothing stands within {self.policy.empty_beyond_m:g} m; limits are for {standoff_m:g} m")
        alarmed = any(score.alarmed for score in scores)
        outcome = Outcome.ALARM if alarmed else Outcome.NOT_INSPECTABLE if blocked else Outcome.CLEAR
        return Verdict(outcome, said[:REASONS_MAX], scores, scan.scan_id, scan.raw_sha256, bytes(32))

    def _grids(self, scene: Scene) -> tuple[Grid, ...]:
        plans = tuple(beam.plan for beam in scene.beams)
        return grids(plans, self.policy.cargo_k_min, self.policy.cargo_k_max) if plans else ()

    def _limits(self, scene: Scene) -> dict[str, float]:
        """Detection limit in kg of every covered substance; infinite where no band holds a line of it."""
        laid = self._grids(scene)
        plans = tuple(beam.plan for beam in scene.beams)
        limits = dict.fromkeys((s.name for s in covered()), math.inf)
        for grid in laid:
            if grid.substance.name in limits:
                demanded = threshold(self.policy.pfa_per_scan, grid, len(laid))
                limits[grid.substance.name] = limit_kg(grid, scene.responses(grid), plans, scene.dwell_s,
                                                       scene.standoff_m, demanded)
        return limits


def beams_of(scan: CalibratedScan, standoff_m: float) -> tuple[Beam, ...]:
    """One beam per band that has a living array channel."""
    beams = []
    for band in scan.bands:
        try:
            beams.append(form_beam(band, standoff_m))
        except NoChannelAlive:
            continue
    return tuple(beams)


def _score(name: str, fit: Fit | None, limit: float) -> SubstanceScore:
    if fit is None:
        return SubstanceScore(name, 0.0, 1.0, math.nan, math.nan, limit, alarmed=False, lines=())
    return SubstanceScore(name, fit.statistic, math.exp(fit.log_p), math.nan, fit.kelvin, limit,
                          alarmed=fit.accepted, lines=fit.evidence)


def _alarms(scores: tuple[SubstanceScore, ...]) -> tuple[str, ...]:
    said = []
    for score in (s for s in scores if s.alarmed):
        where = ", ".join(f"{line.found_khz:.1f} kHz ({line.amplitude_ft:.1f} fT)" for line in score.lines)
        said.append(f"{score.substance}: lines at {where}; false-alarm probability per scan {score.p_value:.1g}")
    return tuple(said)


def _foreign(fits: dict[str, Fit]) -> tuple[str, ...]:
    """Crystals that are no target but explain a line: said, never an alarm."""
    named = [fit for fit in fits.values() if fit.accepted and fit.grid.substance.role is not Role.TARGET]
    return tuple(f"{fit.grid.substance.name} ({fit.grid.substance.role.value}) explains the line at "
                 f"{fit.evidence[0].found_khz:.1f} kHz" for fit in named if fit.evidence)


def _unexplained(fits: dict[str, Fit], pfa: float) -> tuple[str, ...]:
    """Lines too strong for chance that fit no substance: nobody may call that clear."""
    odd = [fit for fit in fits.values() if not fit.accepted and fit.log_p <= math.log(pfa) and fit.evidence]
    strongest = {max(fit.evidence, key=lambda line: line.z).found_khz for fit in odd}
    return tuple(f"a line at {khz:.1f} kHz that fits no substance in the table" for khz in sorted(strongest))
