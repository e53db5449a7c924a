"""Add to a verdict what it must be able to prove later: the account of every alarm, and the mass behind it. Pure CPU.

Rule: the answer stands before this begins, and nothing here changes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.explanation import accounts_of, sights_of
from gateway.detection.mass import Scale, mass_of
from gateway.detection.occlusion import occluded
from gateway.detection.portrait import shows_all
from gateway.detection.rivals import Setting, rivals_of
from gateway.detection.testimony import RivalAccount, SubstanceAccount
from gateway.detection.wording import masses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calibration.reading import CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.explanation import Sight
    from gateway.detection.glrt import Fit
    from gateway.detection.model import Package
    from gateway.detection.policy import Policy
    from gateway.detection.rivals import Rival
    from gateway.detection.testimony import Occlusion
    from gateway.detection.verdict import SubstanceScore, Verdict

# A record must stay below 65 536 bytes and a decision below a quarter of a second: an account has at most 6 kB, and
# takes 15 to 40 ms. More substances than are covered never alarm.
ACCOUNTS_MAX: Final = 8
# A sentence; four bytes each at most in UTF-8, docs/record.cddl has room for 1024.
BECAUSE_CHARACTERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Looked:
    """What a decision looked at: the beams as measured, from which distance, and with what."""

    package: Package | None
    policy: Policy
    beams: tuple[Beam, ...]
    scan: CalibratedScan
    standoff_m: float


def alarmed_in(verdict: Verdict) -> tuple[SubstanceScore, ...]:
    """Return the alarmed substances with lines, the one that an explanation would take first."""
    shown = [score for score in verdict.scores if score.alarmed and score.lines]
    return tuple(sorted(shown, key=lambda score: (score.p_value, -score.glrt))[:ACCOUNTS_MAX])


def testified(verdict: Verdict, fits: Mapping[str, Fit], looked: Looked, reasons_max: int) -> Verdict:
    """Return an alarm verdict with masses and accounts; any other as it is."""
    subjects = alarmed_in(verdict)
    if not subjects:
        return verdict
    weighed, told = {}, []
    for subject, sights in zip(subjects, sights_of(subjects, looked.beams), strict=True):
        testimony = testify(subject, sights, looked)
        mass = mass_of(fits[subject.substance], sights, testimony.lines, scale_of(looked, sights))
        if mass is not None:
            testimony = replace(testimony, prior_low_kg=mass.prior_low_kg, prior_high_kg=mass.prior_high_kg)
            weighed[subject.substance] = replace(subject, mass_kg=mass.kg, u_mass_kg=mass.u_kg)
        told.append(testimony)
    scores = tuple(weighed.get(score.substance, score) for score in verdict.scores)
    words, named = masses(scores, tuple(told), looked.standoff_m), sum(score.alarmed for score in scores)
    reasons = (*verdict.reasons[:named], *words, *verdict.reasons[named:])
    return replace(verdict, scores=scores, reasons=reasons[:reasons_max], accounts=tuple(told))


def testify(subject: SubstanceScore, sights: tuple[Sight, ...], looked: Looked) -> SubstanceAccount:
    """Return the account of one substance."""
    policy = looked.policy
    setting = Setting(looked.beams, looked.scan.dwell_s, looked.standoff_m, policy.cargo_k_min, policy.cargo_k_max)
    seen = asked(subject, looked)
    agrees = None if seen is None else seen.agrees(subject.substance, alarmed=subject.alarmed)
    rivals = tuple(signed(rival) for rival in rivals_of(subject, setting))
    return SubstanceAccount(subject.substance, accounts_of(subject, sights), seen, agrees, rivals)


def asked(subject: SubstanceScore, looked: Looked) -> Occlusion | None:
    """Return where the network looks; None where it is not asked, as of a scan without some band."""
    if looked.package is None or not shows_all(looked.beams):
        return None
    rng = np.random.default_rng(np.frombuffer(looked.scan.raw_sha256, np.uint32))
    khz = tuple(line.found_khz for line in subject.lines)
    return occluded(looked.package, looked.beams, subject.substance, khz, rng)


def signed(rival: Rival) -> RivalAccount:
    """Return a rival as the record has it: what there is none of is absent, not a number that is none."""
    at_k = None if np.isnan(rival.at_k) else rival.at_k
    missing_khz = None if np.isnan(rival.missing_khz) else rival.missing_khz
    return RivalAccount(rival.substance, rival.role, rival.own_khz, rival.found_khz, rival.distance_khz, at_k,
                        missing_khz, rival.predicted_z, rival.seen_z, rival.excluded,
                        rival.because[:BECAUSE_CHARACTERS_MAX])


def scale_of(looked: Looked, sights: tuple[Sight, ...]) -> Scale | None:
    """Return what turns fields into kilograms; None where the range finder does not say how far away the load is."""
    scan, policy = looked.scan, looked.policy
    if looked.standoff_m != scan.standoff_m:
        return None
    used = {sight.beam.plan.carrier_hz for sight in sights}
    u_gain = max(band.u_relative for band in scan.bands if band.plan.carrier_hz in used)
    return Scale(scan.dwell_s, looked.standoff_m, u_gain, policy.cargo_k_min, policy.cargo_k_max)
