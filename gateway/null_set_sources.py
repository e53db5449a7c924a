"""Where the scans of a null set come from: records of a journal, each with its signature checked, or scan files.

Rule: one scan is in memory at a time, and what cannot be had is offered with the reason, never passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.evidence import cose
from gateway.evidence.body import ScanBody
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.cose import MessageRefused
from gateway.evidence.record import Kind, decode
from gateway.null_set_making import Offered
from gateway.publisher.journal import kind_of
from gateway.recorded_scan import NotRebuilt, rebuilt
from gateway.scan_file import FILE_BYTES_MAX, read_scan
from gateway.scan_keys import ScanFileRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from calibration.certificate import Certificate
    from gateway.evidence.keys import PublicKeys
    from gateway.evidence.reader import JournalReader, Stored

READ_RECORDS = 500


def of_journal(reader: JournalReader, span: tuple[int, int], instrument: str, keys: PublicKeys) -> Iterator[Offered]:
    """Offer every scan in the records from `span[0]` to `span[1]`, both included; of one instrument if one is named."""
    known: dict[bytes, Certificate] = {}
    first, last = span
    for start in range(first, last + 1, READ_RECORDS):
        stored = reader.records(start, min(READ_RECORDS, last + 1 - start))
        for one in stored:
            if one.index <= last and kind_of(one.message) == Kind.SCAN:
                offered = of_record(reader, one, keys, known)
                if not instrument or offered[0] in {"", instrument}:
                    yield offered[1]
        if not stored:
            return


def of_record(reader: JournalReader, stored: Stored, keys: PublicKeys,
              known: dict[bytes, Certificate]) -> tuple[str, Offered]:
    """Return the instrument of a scan's record, empty where it cannot be told, and the scan."""
    name = f"record {stored.index}"
    try:
        record = decode(cose.verify(stored.message, keys.ed25519))
    except (MessageRefused, RecordRefused) as refused:
        return "", Offered(stored.index, name, None, bytes(32), why_not=str(refused))
    body = record.body
    if not isinstance(body, ScanBody) or record.sequence != stored.index:
        return "", Offered(stored.index, name, None, bytes(32), why_not="is not the record of this place")
    digest = record.provenance.raw_sha256 or bytes(32)
    try:
        scan = rebuilt(reader, record, body, known)
    except NotRebuilt as missing:
        why_not = str(missing).removeprefix(f"{name}: ")
        return body.instrument, Offered(stored.index, name, None, digest, why_not=why_not)
    return body.instrument, Offered(stored.index, name, scan, digest, record.stamp.wall_ns)


def of_files(paths: Sequence[Path]) -> Iterator[Offered]:
    """Offer the scan in each file; the first has the number 1."""
    for index, path in enumerate(paths, 1):
        name = f"file {index}, {path}"
        try:
            with path.open("rb") as file:
                scan = read_scan(file.read(FILE_BYTES_MAX + 1))
        except (OSError, ScanFileRefused) as refused:
            yield Offered(index, name, None, bytes(32), why_not=str(refused))
            continue
        yield Offered(index, name, scan, scan.raw_sha256)
