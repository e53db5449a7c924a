"""The whole account of one verdict: its subject, the lines, what the network looks at, and who else it might have been.

Rule: chance in it comes from the scan's own digest, so that the same scan is always explained in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gateway.detection.detector import beams_of
from gateway.detection.explanation import looked_from, sights_of, stories_of, subject_of
from gateway.detection.occlusion import occluded
from gateway.detection.portrait import shows_all
from gateway.detection.rivals import Setting, rivals_of

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.detector import Detector
    from gateway.detection.explanation import LineStory, Sight
    from gateway.detection.occlusion import Occlusion
    from gateway.detection.rivals import Rival
    from gateway.detection.verdict import SubstanceScore, Verdict


@dataclass(frozen=True, slots=True)
class Account:
    """Why a verdict is what it is. `subject` is the substance explained, None where no band shows anything.

    `agrees` tells whether the network, asked alone, says of it what the verdict says; None where it was not asked.
    """

    verdict: Verdict
    subject: SubstanceScore | None
    stories: tuple[LineStory, ...] = ()
    sights: tuple[Sight, ...] = ()
    occlusion: Occlusion | None = None
    agrees: bool | None = None
    rivals: tuple[Rival, ...] = ()


def account_of(detector: Detector, scan: CalibratedScan, verdict: Verdict,
               joined: tuple[Beam, ...] | None = None) -> Account:
    """Explain a verdict on a scan, or on the `joined` beams of several. It takes about as long as the decision.

    The detector decides nothing here.
    """
    subject, policy = subject_of(verdict), detector.policy
    standoff_m = looked_from(scan, policy)
    beams = beams_of(scan, standoff_m) if joined is None else joined
    if subject is None or not beams:
        return Account(verdict, None)
    sights = sights_of(subject, beams)
    setting = Setting(beams, scan.dwell_s, standoff_m, policy.cargo_k_min, policy.cargo_k_max)
    occlusion = None
    if detector.package is not None and shows_all(beams):
        rng = np.random.default_rng(np.frombuffer(verdict.raw_sha256, np.uint32))
        khz = tuple(line.found_khz for line in subject.lines)
        occlusion = occluded(detector.package, beams, subject.substance, khz, rng)
    agrees = None if occlusion is None else occlusion.agrees(subject.substance, alarmed=subject.alarmed)
    return Account(verdict, subject, stories_of(subject, sights), sights, occlusion, agrees,
                   rivals_of(subject, setting))
