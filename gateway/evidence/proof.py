"""A proof that a record is in the log, as one text file (C2SP tlog-proof), with the record itself inside.

The record stands in the `extra` line, which the proof does not authenticate: its own leaf hash and signature do.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from gateway.evidence.cbor import RECORD_BYTES_MAX
from gateway.evidence.checkpoint import NOTE_BYTES_MAX, CheckpointRefused, exact_base64, size_of
from gateway.evidence.tree import HASH_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
HASHES_MAX = 63                                   # a tree of 2^63 leaves has no longer path
PROOF_BYTES_MAX = RECORD_BYTES_MAX * 2 + NOTE_BYTES_MAX + HASHES_MAX * 45 + 128


class ProofRefused(ValueError):
    """Text that is no proof."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A record, its index, the hashes from its sibling up to below the root, and a checkpoint as it was issued."""

    index: int
    message: bytes
    hashes: tuple[bytes, ...]
    note: bytes


def render(proof: Proof) -> bytes:
    """Return the proof as text."""
    lines = [HEADER, f"extra {base64.b64encode(proof.message).decode()}", f"index {proof.index}"]
    lines += [base64.b64encode(each).decode() for each in proof.hashes]
    return "\n".join([*lines, "", ""]).encode() + proof.note


def parse(data: bytes) -> Proof:
    """Take a proof apart without trusting it. Raises ProofRefused."""
    if len(data) > PROOF_BYTES_MAX:
        raise ProofRefused(f"{len(data)} bytes: at most {PROOF_BYTES_MAX} are allowed")
    head, gap, note = data.partition(b"\n\n")
    try:
        lines = head.decode().split("\n")
    except UnicodeDecodeError as error:
        raise ProofRefused(f"not UTF-8 at byte {error.start}") from error
    if not gap or lines[0] != HEADER:
        raise ProofRefused(f"must begin with the line {HEADER} and hold an empty line before its checkpoint")
    if len(lines) < 3 or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise ProofRefused("must have an extra line, with the record in it, and an index line")
    if len(lines) - 3 > HASHES_MAX:
        raise ProofRefused(f"{len(lines) - 3} hashes: at most {HASHES_MAX} are allowed")
    try:
        message = exact_base64(lines[1].removeprefix("extra "))
        index = size_of(lines[2].removeprefix("index "))
        hashes = tuple(exact_base64(each, HASH_BYTES) for each in lines[3:])
    except CheckpointRefused as refused:
        raise ProofRefused(str(refused)) from refused
    return Proof(index, message, hashes, note)
