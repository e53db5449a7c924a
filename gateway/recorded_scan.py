"""A scan out of a journal, with its points calibrated as they were when it was decided, and the verdict on it.

Rule: what the record states is taken over, not judged again; nothing here checks a signature (spingate verify does).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from calibration.apply import ZERO_CELSIUS_K, calibrate_scan
from calibration.certificate import CertificateRefused, parse_certificate
from calibration.reading import Trust
from drivers.nqr_profile import PageUnsound, captures_of
from drivers.sample import ScanCapture
from gateway.evidence.act import CalibrationBody
from gateway.evidence.body import ScanBody, VerdictBody
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.record import Kind, decode
from gateway.publisher.journal import kind_of, payload_of

if TYPE_CHECKING:
    from calibration.certificate import Certificate
    from calibration.reading import CalibratedScan
    from gateway.detection.verdict import Verdict
    from gateway.evidence.reader import JournalReader
    from gateway.evidence.record import Record

# A verdict follows its scan within seconds; a gateway writes some hundreds of records in each.
VERDICT_RECORDS_MAX: Final = 20_000
READ_RECORDS: Final = 500


class NotRebuilt(ValueError):
    """The journal does not hold what the scan was made of, or what it holds does not fit together."""


@dataclass(frozen=True, slots=True)
class RecordedScan:
    """A scan of the journal, the indices of its record and of its verdict's, and the verdict as it was signed.

    Verdict and its index are None where no verdict followed.
    """

    scan: CalibratedScan
    index: int
    verdict: Verdict | None
    verdict_index: int | None


def recorded_scan(reader: JournalReader, index: int) -> RecordedScan:
    """Return the scan in record `index`, or that which the verdict in it answers. Raises NotRebuilt."""
    record = record_at(reader, index)
    if isinstance(record.body, VerdictBody):
        for source in record.provenance.sources:
            scanned = record_at(reader, source)
            if isinstance(scanned.body, ScanBody):
                return RecordedScan(rebuilt(reader, scanned, scanned.body), source, record.body.verdict, index)
        raise NotRebuilt(f"record {index}: its verdict names no scan as its source")
    if not isinstance(record.body, ScanBody):
        raise NotRebuilt(f"record {index} is a {record.kind}: must be a scan or a verdict")
    answered = verdict_on(reader, index)
    if answered is None:
        return RecordedScan(rebuilt(reader, record, record.body), index, None, None)
    return RecordedScan(rebuilt(reader, record, record.body), index, answered[1], answered[0])


def scans_before(reader: JournalReader, recorded: RecordedScan) -> tuple[CalibratedScan, ...]:
    """Return the scans that a verdict's own was joined to, in order; none where it rests on one. Raises NotRebuilt."""
    if recorded.verdict is None or recorded.verdict_index is None or recorded.verdict.look is None:
        return ()
    wanted, record = recorded.verdict.look.raw_sha256s[:-1], record_at(reader, recorded.verdict_index)
    found = {}
    for source in record.provenance.sources if wanted else ():
        scanned = record_at(reader, source)
        digest = scanned.provenance.raw_sha256
        if isinstance(scanned.body, ScanBody) and digest in wanted:
            found[digest] = rebuilt(reader, scanned, scanned.body)
    if len(found) != len(wanted):
        raise NotRebuilt(f"record {record.sequence}: rests on {len(wanted) + 1} scans, of which it names too few")
    return tuple(found[digest] for digest in wanted)


def recorded_verdict(reader: JournalReader, index: int) -> tuple[Verdict, int] | None:
    """Return the verdict in record `index`, or on the scan in it, and where it stands; None where there is none.

    It needs no raw data. Raises NotRebuilt where there is no such record.
    """
    body = record_at(reader, index).body
    if isinstance(body, VerdictBody):
        return body.verdict, index
    found = verdict_on(reader, index) if isinstance(body, ScanBody) else None
    return None if found is None else (found[1], found[0])


def record_at(reader: JournalReader, index: int) -> Record:
    """Return one record, unchecked. Raises NotRebuilt."""
    found = reader.records(index, 1)
    if not found or found[0].index != index:
        raise NotRebuilt(f"record {index}: the journal has the records 0 to {reader.size() - 1}")
    try:
        return decode(payload_of(found[0].message))
    except RecordRefused as refused:
        raise NotRebuilt(f"record {index}: {refused}") from refused


def verdict_on(reader: JournalReader, index: int) -> tuple[int, Verdict] | None:
    """Return the verdict on the scan in record `index` and where it stands, None where none followed it soon."""
    for start in range(index + 1, index + VERDICT_RECORDS_MAX, READ_RECORDS):
        stored = reader.records(start, READ_RECORDS)
        for one in stored:
            record = record_at(reader, one.index) if kind_of(one.message) == Kind.VERDICT else None
            if record is not None and isinstance(record.body, VerdictBody) and index in record.provenance.sources:
                return one.index, record.body.verdict
        if not stored:
            break
    return None


def rebuilt(reader: JournalReader, record: Record, body: ScanBody,
            known: dict[bytes, Certificate] | None = None) -> CalibratedScan:
    """Return the scan of a record from its raw data and the certificate it names.

    `known` keeps certificates by digest: who rebuilds many scans looks for each only once.
    """
    digest = record.provenance.raw_sha256
    stored = reader.raw(digest) if digest else None
    if stored is None or hashlib.sha256(stored.data).digest() != digest:
        raise NotRebuilt(f"record {record.sequence}: its raw data are gone from the journal, or changed")
    try:
        bands = captures_of(stored.data)
    except PageUnsound as unsound:
        raise NotRebuilt(f"record {record.sequence}: raw data: {unsound}") from unsound
    capture = ScanCapture(body.device, body.scan_id, bands, body.dwell_s, body.bay_temperature_k - ZERO_CELSIUS_K,
                          body.standoff_m, body.seen_at, stored.data, body.flags)
    applied = known_certificate(reader, record, {} if known is None else known) if body.calibrated else None
    # The record says that the certificate was valid then; any moment of its validity will do.
    when_s = applied.statement.valid_from.timestamp() if applied else 0.0
    scan = calibrate_scan(capture, applied, when_s, clock_trusted=True)
    if scan.trust.calibrated != body.calibrated:
        raise NotRebuilt(f"record {record.sequence}: the certificate it names does not fit it: {scan.trust.reason}")
    trust = Trust(body.calibrated, record.provenance.certificate_sha256, body.reason)
    return replace(scan, bay_temperature_k=body.bay_temperature_k, flags=body.flags, trust=trust)


def known_certificate(reader: JournalReader, record: Record, known: dict[bytes, Certificate]) -> Certificate:
    """Return the certificate that a record names, from `known` where it is there. Raises NotRebuilt."""
    digest = record.provenance.certificate_sha256 or b""
    if digest not in known:
        known[digest] = certificate_of(reader, record)
    return known[digest]


def certificate_of(reader: JournalReader, record: Record) -> Certificate:
    """Return the certificate that a record names, from the calibration record before it. Raises NotRebuilt."""
    wanted = record.provenance.certificate_sha256
    for end in range(record.sequence, 0, -READ_RECORDS):
        start = max(0, end - READ_RECORDS)
        for one in reversed(reader.records(start, end - start)):
            if kind_of(one.message) != Kind.CALIBRATION:
                continue
            body = record_at(reader, one.index).body
            if isinstance(body, CalibrationBody) and hashlib.sha256(body.text.encode()).digest() == wanted:
                return parsed(body, one.index)
    raise NotRebuilt(f"record {record.sequence}: no record before it holds the certificate that it names")


def parsed(body: CalibrationBody, index: int) -> Certificate:
    """Return the certificate in a calibration record."""
    try:
        return parse_certificate(body.text.encode(), f"record {index}")
    except CertificateRefused as refused:
        raise NotRebuilt(str(refused)) from refused
