"""The scans of one load, one after another until it is decided: who ordered them, and where they stand. Pure.

A series that was ended, by whomever, never clears its load.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.detection.verdict import Outcome
from gateway.detection.wording import taken_back

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan
    from drivers.sample import Nanoseconds
    from gateway.claims import Claims
    from gateway.detection.sequence import LoadSequence
    from gateway.detection.verdict import Verdict


@dataclass(slots=True)
class Series:
    """One load's looks. `sequence` decides them; it is used by one scan at a time, off the loop.

    `source` and `claims` are those of the order; `by_plc` says that the lane's PLC gave it. `scan_id` is the scan that
    runs or is being decided; `records` are those of the scans so far. `idle_since` is when the head was first seen with
    nothing to do and no verdict: what waits too long is over.  `ended` says why it was ended before it was
    decided.
    """

    source: str
    claims: Claims
    sequence: LoadSequence
    by_plc: bool = False
    scan_id: int = 0
    look: int = 0
    records: tuple[int, ...] = ()
    idle_since: Nanoseconds | None = None
    ended: str = ""

    @property
    def where(self) -> str:
        """Say which look it is at."""
        return f"look {self.look} of {self.sequence.looks_max}"

    @property
    def orderer(self) -> str:
        """Say who ordered the scan that is begun next, for its record."""
        return f"{self.source}; {self.where}" if self.look > 1 else self.source

    def take(self, scan: CalibratedScan) -> Verdict:
        """Return the verdict on one more scan; an alarm stands, but what was ended meanwhile is never clear."""
        verdict = self.sequence.take(scan)
        if not self.ended or verdict.outcome is not Outcome.CLEAR:
            return verdict
        ended = f"{self.where}: the sequence was ended before it was decided: {self.ended}"
        reasons = (ended, *taken_back(verdict.reasons))
        return replace(verdict, outcome=Outcome.NOT_INSPECTABLE, reasons=reasons)
