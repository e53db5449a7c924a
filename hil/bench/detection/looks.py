"""What each detector says of one scan, as numbers that can be compared: likelihood ratio, network, decision. Pure.

The functions are the daemon's own; `agrees` holds what is computed here against the daemon's decision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from gateway.detection.beam import BandBlind, form_beam
from gateway.detection.glrt import Scene, explain
from gateway.detection.head_array import REFERENCES
from gateway.detection.hypotheses import grids
from gateway.detection.policy import Policy
from gateway.detection.portrait import portrait
from gateway.detection.rule import Opinion, Ruling, Weighed, likelihood_pfa, opinion, rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import CalibratedBand, CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.detector import Detector
    from gateway.detection.glrt import Fit
    from gateway.detection.model_card import Thresholds

SUBSTANCES: Final = tuple(substance.name for substance in covered())
ALARMING: Final = frozenset({Ruling.NAMED, Ruling.ASSISTED})
# Policies tried for the decision's score, by their false-alarm rate: fine enough that a step is worth 0.02 dB.
RATES: Final = tuple(float(rate) for rate in np.geomspace(1e-12, 0.5, 400))


class BenchDisagrees(RuntimeError):
    """The bench's own reading of a scan differs from the daemon's decision: its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """Scores by substance, in the order of `SUBSTANCES`; more is more suspicious.

    `glrt` is -ln of its false-alarm probability per scan, 0 where its lines do not fit together; `network` its
    probability; `combined` -ln of the lowest false-alarm rate of a policy at which the decision names it; `bare`
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
    weighed = [_weighed(fits.get(name), said.substances[name], said) for name in SUBSTANCES]
    thresholds = detector.package.card.thresholds
    nothing = np.full(len(SUBSTANCES), math.nan)
    return Look(
        glrt=_scores(fits), network=np.array([w.given for w in weighed]),
        combined=np.array([-math.log(_lowest_rate(w, thresholds)) for w in weighed]),
        bare=_scores(_fits(scan, kept.of(scan, bare=True))) if bare else nothing,
        named=np.array([_ruled(w, thresholds, Policy().pfa_per_scan) for w in weighed]),
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
    return explain(Scene(beams, scan.dwell_s, scan.standoff_m), laid, policy.pfa_per_scan)


def _scores(fits: dict[str, Fit]) -> NDArray[np.float64]:
    known = [fits.get(name) for name in SUBSTANCES]
    return np.array([-fit.log_p if fit and fit.consistent else 0.0 for fit in known])


def _weighed(fit: Fit | None, given: float, said: Opinion) -> Weighed:
    if fit is None:
        return Weighed(0.0, accepted=False, consistent=False, given=given, disturbed=said.disturbed)
    return Weighed(fit.log_p, fit.accepted, fit.consistent, given, said.disturbed)


def _lowest_rate(weighed: Weighed, thresholds: Thresholds) -> float:
    """The strictest policy that names the substance; 1 where none does. The rule is asked for its four cases once."""
    log_shares, assists = _ladder(thresholds)
    answers = np.array([[_rules(weighed, thresholds, accepted=a, assists=b) for b in (False, True)]
                        for a in (False, True)])
    accepted = weighed.consistent & (weighed.log_p <= log_shares)
    named = answers[accepted.astype(int), assists.astype(int)]
    return RATES[int(np.argmax(named))] if named.any() else 1.0


@lru_cache(maxsize=4)
def _ladder(thresholds: Thresholds) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For each policy of `RATES`: the log of the likelihood ratio's share, and whether the network may add."""
    shares = np.array([likelihood_pfa(rate, thresholds) for rate in RATES])
    return np.log(shares), shares < np.array(RATES)


def _ruled(weighed: Weighed, thresholds: Thresholds, pfa_per_scan: float) -> bool:
    """Whether a policy of this rate names the substance."""
    share = likelihood_pfa(pfa_per_scan, thresholds)
    accepted = weighed.consistent and weighed.log_p <= math.log(share)
    return _rules(weighed, thresholds, accepted=accepted, assists=share < pfa_per_scan)


def _rules(weighed: Weighed, thresholds: Thresholds, *, accepted: bool, assists: bool) -> bool:
    return rule(replace(weighed, accepted=accepted), thresholds, assists=assists) in ALARMING


def _without_references(band: CalibratedBand) -> CalibratedBand:
    """The same band by a head whose reference channels are dead: the detector leaves them out."""
    gain = band.pilot_gain.copy()
    gain[REFERENCES] = 0.0
    return replace(band, pilot_gain=gain)
