"""Verify a file with public keys alone: a journal, a proof, a signed record, a null set, or a bench report.

Works on the bytes as they lie there. What kind of file it is, its first bytes say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.evidence import checkpoint, cose, proof, record
from gateway.evidence.cbor import RECORD_BYTES_MAX, RecordRefused
from gateway.evidence.checkpoint import CheckpointRefused
from gateway.evidence.cose import MessageRefused
from gateway.evidence.describe import describe
from gateway.evidence.proof import ProofRefused
from gateway.evidence.tree import includes, leaf_hash
from gateway.evidence.verification import Bad, Status, Verification, ignore_progress
from gateway.evidence.verify_journal import verify_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.evidence.keys import PublicKeys
    from gateway.evidence.record import Record

SQLITE_MAGIC = b"SQLite format 3\0"
PROOF_MAGIC = proof.HEADER.encode()
COSE_MAGIC = b"\xd2"                      # CBOR tag 18
NULLS_BEGIN = b"\x82\x73spingate null set"  # an array of two whose first is this text, and a number
REPORT_BEGINS = b"{"                      # JSON; a record is a CBOR map and never begins so
FILE_BYTES_MAX = 4 << 20                  # a null set may be as long; everything else but a journal is shorter
NULLS_NOTE = "that the scans held no covered substance: who signed it says so"
REPORT_NOTE = "that the tests were done: a signature says who signed, and that nothing was changed since"


def verify_file(
    path: Path, keys: PublicKeys, progress: Callable[[int, int], None] = ignore_progress
) -> Verification:
    """Return what holds of the file at `path`. Never raises for what the file holds.

    `progress` is called with the number of records done and of all.
    """
    try:
        with path.open("rb") as file:
            start = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        return Verification(Status.UNREADABLE, "file", why=f"{path}: {error.strerror}")
    if start.startswith(SQLITE_MAGIC):
        return verify_journal(path, keys, progress)
    if start.startswith(PROOF_MAGIC):
        return verify_proof(start, keys)
    if start.startswith(COSE_MAGIC) and len(start) <= FILE_BYTES_MAX:
        return verify_message(start, keys) if len(start) <= RECORD_BYTES_MAX else verify_null_set(start, keys)
    found = "neither journal, proof, signed record, null set nor report"
    return Verification(Status.UNREADABLE, "file", why=f"{path}: {found}")


def verify_message(message: bytes, keys: PublicKeys) -> Verification:
    """Return what holds of a signed message: a record, a null set, or the report of a test bench."""
    try:
        payload = cose.verify(message, keys.ed25519)
    except MessageRefused:
        return verify_record(message, keys)
    if payload.startswith(NULLS_BEGIN):
        return verify_null_set(message, keys)
    return verify_report(payload) if payload.startswith(REPORT_BEGINS) else verify_record(message, keys)


def verify_null_set(message: bytes, keys: PublicKeys) -> Verification:
    """Return what holds of a signed null set: its signature, its form, and what follows from its figures."""
    from gateway import null_set_file, null_set_words  # noqa: PLC0415  # as for the report

    try:
        nulls = null_set_file.verify(message, keys.ed25519)
    except null_set_file.NullSetRefused as refused:
        return Verification(Status.INVALID, "null set", where="null set", why=str(refused))
    shown = null_set_words.described(nulls, null_set_file.sha256(message))
    return Verification(Status.VALID, "null set", shown=shown, notes=(NULLS_NOTE,))


def verify_report(payload: bytes) -> Verification:
    """Return what holds of the report of a test bench whose signature was checked."""
    from gateway import bench_report  # noqa: PLC0415  # a publisher or an auditor of records needs none of it

    try:
        shown = bench_report.describe_report(bench_report.decode(payload))
    except bench_report.ReportRefused as refused:
        return Verification(Status.INVALID, "bench report", where="report", why=str(refused))
    return Verification(Status.VALID, "bench report", shown=shown, notes=(REPORT_NOTE,))


def verify_record(message: bytes, keys: PublicKeys) -> Verification:
    """Return what holds of a single signed record."""
    try:
        found = trusted_record(message, keys)
    except Bad as bad:
        return Verification(Status.INVALID, "record", where=bad.where, why=bad.why)
    notes = ("a single record: its place in the log was not shown; export it as a proof for that",)
    return Verification(Status.VALID, "record", records=1, shown=describe(found), notes=notes)


def verify_proof(data: bytes, keys: PublicKeys) -> Verification:
    """Return what holds of a proof: the record's signature, the checkpoint's, and the path between them."""
    try:
        bundle = proof.parse(data)
    except ProofRefused as refused:
        return Verification(Status.UNREADABLE, "proof", why=str(refused))
    try:
        found = trusted_record(bundle.message, keys)
        signers = check_inclusion(bundle, found, keys)
    except Bad as bad:
        return Verification(Status.INVALID, "proof", first_bad=bundle.index, where=bad.where, why=bad.why)
    notes = () if not signers.unknown else (f"{signers.unknown} checkpoint lines by keys not given: not checked",)
    return Verification(Status.VALID, "proof", records=1, checkpoints=1, shown=describe(found), notes=notes)


def check_inclusion(bundle: proof.Proof, found: Record, keys: PublicKeys) -> checkpoint.Signers:
    """Return whose lines hold on the checkpoint that includes the record. Raises Bad."""
    if found.sequence != bundle.index:
        raise Bad(bundle.index, f"record {bundle.index}", f"says of itself that it is {found.sequence}")
    try:
        head = checkpoint.parse(bundle.note)
        signers = checkpoint.verify(head, keys)
    except CheckpointRefused as refused:
        raise Bad(bundle.index, "checkpoint", str(refused)) from refused
    if not belongs(head.origin, found.gateway):
        raise Bad(bundle.index, "checkpoint", f"is of {head.origin!r}, the record of gateway {found.gateway!r}")
    if not includes(leaf_hash(bundle.message), bundle.index, head.size, bundle.hashes, head.root):
        raise Bad(bundle.index, f"record {bundle.index}", f"is not in the tree of size {head.size}")
    return signers


def belongs(origin: str, gateway: str) -> bool:
    """Tell whether a log of this name is one of the gateway's: its first, or one begun anew."""
    first = checkpoint.origin_of(gateway)
    generation = origin.removeprefix(f"{first}/")
    return origin == first or (origin != generation and generation.isdecimal())


def trusted_record(message: bytes, keys: PublicKeys) -> Record:
    """Return the record in a message that a given key signed. Raises Bad."""
    try:
        return record.decode(cose.verify(message, keys.ed25519))
    except (MessageRefused, RecordRefused) as refused:
        raise Bad(0, "record", str(refused)) from refused
