"""The whole account of one verdict for a person: its subject, the testimony, and its lines in the beams they were in.

Rule: chance in it comes from the scan's own digest, so that the same scan is always explained in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.detection.detector import beams_of
from gateway.detection.explanation import looked_from, sights_of, subject_of
from gateway.detection.testimony import stories_in
from gateway.detection.witness import Looked, alarmed_in, testify

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.detector import Detector
    from gateway.detection.explanation import Sight
    from gateway.detection.testimony import LineStory, SubstanceAccount
    from gateway.detection.verdict import SubstanceScore, Verdict


@dataclass(frozen=True, slots=True)
class Account:
    """Why a verdict is what it is. `subject` is the substance explained, None where no band shows anything."""

    verdict: Verdict
    subject: SubstanceScore | None
    testimony: SubstanceAccount | None = None
    sights: tuple[Sight, ...] = ()

    @property
    def stories(self) -> tuple[LineStory, ...]:
        """Return the subject's lines with what is told of each."""
        return stories_in(self.testimony, self.subject) if self.testimony and self.subject else ()


def account_of(detector: Detector, scan: CalibratedScan, verdict: Verdict,
               joined: tuple[Beam, ...] | None = None) -> Account:
    """Explain a verdict on a scan, or on the `joined` beams of several. It takes half as long as the decision."""
    subject, policy = subject_of(verdict), detector.policy
    standoff_m = looked_from(scan, policy)
    beams = beams_of(scan, standoff_m) if joined is None else joined
    if subject is None or not beams:
        return Account(verdict, None)
    subjects = alarmed_in(verdict) or (subject,)
    sights = sights_of(subjects, beams)[0]
    looked = Looked(detector.package, policy, beams, scan, standoff_m)
    return Account(verdict, subject, testify(subject, sights, looked), sights)
