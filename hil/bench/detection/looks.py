"""What each detector says of one scan, as numbers that can be compared: likelihood ratio, network, decision. Pure.

The functions are the daemon's own; `agrees` holds what is computed here against the daemon's decision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from gateway.detection.beam import BandBlind, form_beam
from gateway.detection.glrt import Scene
from gateway.detection.head_array import REFERENCES
from gateway.detection.hypotheses import grids
from gateway.detection.identify import identify
from gateway.detection.policy import Policy
from gateway.detection.portrait import portrait
from gateway.detection.rule import Opinion, Ruling, Weighed, opinion, rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import CalibratedBand, CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.detector import Detector
    from gateway.detection.glrt import Fit
    from gateway.detection.model_card import Thresholds

SUBSTANCES: Final = tuple(substance.name for substance in covered())


class BenchDisagrees(RuntimeError):
    """The bench's own reading of a scan differs from the daemon's decision: its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """Scores by substance, in the order of `SUBSTANCES`; more is more suspicious.

    `glrt` is -ln of its false-alarm probability per scan, 0 where its lines do not fit together; `network` its
    probability; `combined` -ln of the lowest false-alarm rate of a policy at which the decision names it, which is
    `glrt` where the network would not veto and 0 where it would; `bare`
    as `glrt` for a head without reference channels (NaN unless asked for). `named` is the decision as shipped.
    """

    glrt: NDArray[np.float64]
    network: NDArray[np.float64]
    combined: NDArray[np.float64]
    bare: NDArray[np.float64]
    named: NDArray[np.bool_]


class Beams:
    """Beams of bands that were looked at before: scans laid into one bay share the bands they leave alone."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, bool], tuple[CalibratedBand, Beam | None]] = {}

    def of(self, scan: CalibratedScan, *, bare: bool = False) -> tuple[Beam, ...]:
        """One beam per band that shows anything, as the daemon forms them; `bare` with dead reference channels."""
        found = (self._beam(band, scan.standoff_m, bare=bare) for band in scan.bands)
        return tuple(beam for beam in found if beam is not None)

    def _beam(self, band: CalibratedBand, standoff_m: float, *, bare: bool) -> Beam | None:
        # The band is kept beside its beam: as long as it lives, no other object has its id.
        if (id(band), bare) not in self._kept:
            try:
                beam = form_beam(_without_references(band) if bare else band, standoff_m)
            except BandBlind:
                beam = None
            self._kept[id(band), bare] = band, beam
        return self._kept[id(band), bare][1]


def look(detector: Detector, scan: CalibratedScan, kept: Beams, *, bare: bool = False) -> Look:
    """Every detector's view of one scan."""
    if detector.package is None:
        raise BenchDisagrees("the bench needs a detector with a network")
    beams = kept.of(scan)
    fits = _fits(scan, beams)
    said = opinion(detector.package.card, detector.package.network.score(portrait(beams)))
    thresholds, glrt = detector.package.card.thresholds, _scores(fits)
    held = np.array([_rules(thresholds, said, name, accepted=True) for name in SUBSTANCES])
    nothing = np.full(len(SUBSTANCES), math.nan)
    return Look(
        glrt=glrt, network=np.array([said.substances[name] for name in SUBSTANCES]),
        combined=np.where(held, glrt, 0.0), bare=_scores(_fits(scan, kept.of(scan, bare=True))) if bare else nothing,
        named=np.array([_rules(thresholds, said, name, accepted=name in fits and fits[name].accepted)
                        for name in SUBSTANCES]),
    )


def agrees(detector: Detector, scan: CalibratedScan, seen: Look) -> None:
    """Hold a look against the daemon's own decision. Raises `BenchDisagrees`."""
    decided = {score.substance for score in detector.decide(scan).scores if score.alarmed}
    ours = {name for name, named in zip(SUBSTANCES, seen.named, strict=True) if named}
    if decided != ours:
        raise BenchDisagrees(f"the daemon names {sorted(decided)}, the bench {sorted(ours)}")


def _fits(scan: CalibratedScan, beams: tuple[Beam, ...]) -> dict[str, Fit]:
    policy = Policy()
    laid = grids(tuple(beam.plan for beam in beams), policy.cargo_k_min, policy.cargo_k_max)
    return identify(Scene(beams, scan.dwell_s, scan.standoff_m), laid, policy.pfa_per_scan).fits


def _scores(fits: dict[str, Fit]) -> NDArray[np.float64]:
    known = [fits.get(name) for name in SUBSTANCES]
    return np.array([-fit.log_p if fit and fit.consistent else 0.0 for fit in known])


def _rules(thresholds: Thresholds, said: Opinion, name: str, *, accepted: bool) -> bool:
    """Whether the decision names a substance that the likelihood ratio accepted, or did not."""
    return rule(Weighed(accepted, said.substances[name], said.disturbed), thresholds) is Ruling.NAMED


def _without_references(band: CalibratedBand) -> CalibratedBand:
    """The same band by a head whose reference channels are dead: the detector leaves them out."""
    gain = band.pilot_gain.copy()
    gain[REFERENCES] = 0.0
    return replace(band, pilot_gain=gain)
