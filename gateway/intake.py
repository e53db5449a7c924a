"""What a scan needs before its records can be made, for a worker thread: the event loop shall not be held for it. Pure.

Rule: what does not fit a record is told where the record is made, not here; but no answer is lost for its length.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from calibration.apply import calibrate_scan
from gateway.drafts import summaries
from gateway.evidence.body import clipped
from gateway.evidence.cbor import RECORD_BYTES_MAX, RecordRefused
from gateway.evidence.layout import ANSWER, BANDS
from gateway.evidence.writer import Hashed, hashed

if TYPE_CHECKING:
    from calibration.certificate import Certificate
    from calibration.reading import CalibratedScan
    from drivers.sample import ScanCapture
    from gateway.detection.verdict import Verdict
    from gateway.evidence.body import BandSummary

# What a record holds beside the answer (stamp, provenance with 64 sources, signature) takes under a kilobyte.
ANSWER_BYTES_MAX: Final = RECORD_BYTES_MAX - 4096
# Of an answer that is too long: so many reasons of so many bytes are 12 kB, beside 20 kB of scores at most.
REASONS_KEPT: Final = 12
REASON_BYTES_MAX: Final = 1000
SHORTENED: Final = "shortened: what explains this answer fits no record"


def taken_up(
    capture: ScanCapture, certificate: Certificate | None, wall_s: float, trusted: bool,  # noqa: FBT001  passed on as they are
) -> tuple[CalibratedScan, tuple[BandSummary, ...], Hashed]:
    """Return a scan calibrated, with what its record says of its bands and its raw data ready to be written."""
    scan = calibrate_scan(capture, certificate, wall_s, trusted)
    bands = summaries(scan)
    with suppress(RecordRefused):
        BANDS.prepare(bands)
    return scan, bands, hashed(capture.raw)


def recordable(verdict: Verdict) -> Verdict:
    """Return the verdict, encoded ahead: 2 ms of CPU where it holds accounts.

    One that fits no record is returned without what explains it: an alarm that no record holds is told to nobody.
    """
    with suppress(RecordRefused):
        if ANSWER.prepare(verdict) <= ANSWER_BYTES_MAX:
            return verdict
    bare = bared(verdict)
    with suppress(RecordRefused):
        ANSWER.prepare(bare)
    return bare


def bared(verdict: Verdict) -> Verdict:
    """Return the answer with its first reasons, its figures, and nothing of any length."""
    reasons = (*(clipped(reason, REASON_BYTES_MAX) for reason in verdict.reasons[:REASONS_KEPT]), SHORTENED)
    drift = verdict.drift and replace(verdict.drift, what=tuple(clipped(one, REASON_BYTES_MAX)
                                                                for one in verdict.drift.what[:REASONS_KEPT]))
    return replace(verdict, reasons=reasons, accounts=None, resonances=None, drift=drift)
