"""One load, scanned until it is decided: what each look may say, and when looking ends. Pure CPU.

A look that leaves the load open is never "clear"; all looks together raise no more false alarms than one scan may.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.detection.inspectability import obstacles
from gateway.detection.joined import JoinRefused, join, joined, start
from gateway.detection.spending import USUAL, Spending, shares
from gateway.detection.verdict import Outcome, SequenceLook, Verdict
from gateway.detection.wording import taken_back

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.detector import Detector
    from gateway.detection.joined import Joined


class SequenceOver(RuntimeError):
    """A scan was given to a sequence that has ended: the caller's mistake."""


class LoadSequence:
    """The looks at one load, in order.

    A look may spend its share of the policy's rate. Once every detection limit meets the policy at all that is left of
    the rate, that look spends it all and is the last: whether it is depends on noise and distance alone, never on what
    the look finds. Nothing is joined twice, and only sums are kept between looks.
    """

    def __init__(self, detector: Detector, looks_max: int, how: Spending = USUAL) -> None:
        """Plan at most so many looks. Raises ValueError outside 1 to LOOKS_MAX."""
        self._detector = detector
        self._shares = shares(detector.policy.pfa_per_scan, looks_max, how)
        self._joined: Joined | None = None
        self.looks_max = looks_max
        self.number = 0
        self.spent = 0.0
        self.over = False

    def take(self, scan: CalibratedScan) -> Verdict:
        """Return the verdict of one more look. Raises SequenceOver after the last."""
        if self.over:
            raise SequenceOver(f"scan {scan.scan_id}: this load's sequence has ended")
        try:
            self._joined = self._with(scan)
        except JoinRefused as refused:
            return self._refused(scan, str(refused))
        self.number += 1
        whole, beams, left = self._joined.scan, self._joined.beams(), self._detector.policy.pfa_per_scan - self.spent
        final = self.number == self.looks_max or self._decides(whole, beams, left)
        rate = left if final else self._shares[self.number - 1]
        verdict = self._detector.at(rate).decide_on(whole, beams)
        self.spent += rate
        self.over = final or verdict.outcome is Outcome.ALARM
        return self._told(verdict, self._joined.digests, whole.dwell_s)

    def _with(self, scan: CalibratedScan) -> Joined:
        standoff_m = self._detector.looks_from(scan)
        return start(scan, standoff_m) if self._joined is None else join(self._joined, scan, standoff_m)

    def _decides(self, whole: CalibratedScan, beams: tuple[Beam, ...], left: float) -> bool:
        """Tell whether no further look is needed, or none would help: what bars a scan from being clear stays."""
        policy = self._detector.policy
        if obstacles(whole, beams, {}, policy):
            return True
        limits = self._detector.at(left).limits_kg(whole, beams)
        return all(kg <= policy.allowed_kg(name) for name, kg in limits.items())

    def _told(self, verdict: Verdict, digests: tuple[bytes, ...], dwell_s: float) -> Verdict:
        """Return the verdict with what the look rests on; one that leaves the load open says so before all else."""
        look = SequenceLook(self.number, self.looks_max, self.spent, dwell_s, digests, self.over)
        left_out = self._joined.left_out if self._joined else ()
        where = f"look {self.number} of {self.looks_max}, {dwell_s:g} s in all"
        if self.over:
            said = (*verdict.reasons, *((where, *left_out) if verdict.reasons or len(digests) > 1 else ()))
            return replace(verdict, reasons=said, look=look)
        waits = f"{where}: not decided yet, another scan of the same load is to follow"
        return replace(verdict, outcome=Outcome.NOT_INSPECTABLE, reasons=(waits, *verdict.reasons, *left_out),
                       look=look)

    def _refused(self, scan: CalibratedScan, why: str) -> Verdict:
        """Return the verdict on a scan that is no further look: it may alarm for itself, and is never clear."""
        left = self._detector.policy.pfa_per_scan - self.spent
        verdict = self._detector.at(left).decide(scan)
        self.number, self.spent, self.over = self.number + 1, self._detector.policy.pfa_per_scan, True
        outcome = Outcome.ALARM if verdict.outcome is Outcome.ALARM else Outcome.NOT_INSPECTABLE
        reason = f"look {self.number} of {self.looks_max} cannot be joined to those before it: {why}"
        told = self._told(verdict, (scan.raw_sha256,), scan.dwell_s)
        return replace(told, outcome=outcome, reasons=(reason, *taken_back(verdict.reasons)))


def decide_joined(detector: Detector, scans: tuple[CalibratedScan, ...]) -> Verdict:
    """Return one verdict on scans of one load that are all there: one test with the whole rate. Raises JoinRefused."""
    whole = joined((scan, detector.looks_from(scan)) for scan in scans)
    verdict = detector.decide_on(whole.scan, whole.beams())
    count, rate = len(scans), detector.policy.pfa_per_scan
    look = SequenceLook(count, count, rate, whole.scan.dwell_s, whole.digests, final=True)
    return replace(verdict, reasons=(*verdict.reasons, *whole.left_out), look=look)
