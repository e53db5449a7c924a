"""What a scan needs before its records can be made, for a worker thread: the event loop shall not be held for it. Pure.

Rule: what does not fit a record is told where the record is made, not here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from calibration.apply import calibrate_scan
from gateway.drafts import summaries
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.layout import ANSWER, BANDS
from gateway.evidence.writer import Hashed, hashed

if TYPE_CHECKING:
    from calibration.certificate import Certificate
    from calibration.reading import CalibratedScan
    from drivers.sample import ScanCapture
    from gateway.detection.verdict import Verdict
    from gateway.evidence.body import BandSummary


def taken_up(
    capture: ScanCapture, certificate: Certificate | None, wall_s: float, trusted: bool,  # noqa: FBT001  passed on as they are
) -> tuple[CalibratedScan, tuple[BandSummary, ...], Hashed]:
    """Return a scan calibrated, with what its record says of its bands and its raw data ready to be written."""
    scan = calibrate_scan(capture, certificate, wall_s, trusted)
    bands = summaries(scan)
    with suppress(RecordRefused):
        BANDS.prepare(bands)
    return scan, bands, hashed(capture.raw)


def prepare(verdict: Verdict) -> None:
    """Encode a verdict that will soon be written: 2 ms of CPU where it holds accounts."""
    with suppress(RecordRefused):
        ANSWER.prepare(verdict)
