"""Checkpoints: the head of the tree as a signed note (C2SP tlog-checkpoint, signed-note, tlog-cosignature).

Every byte of a note counts: only the one canonical base64 form of a signature or a root is accepted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from gateway.evidence.tree import HASH_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    from gateway.evidence.keys import PublicKeys, SigningKey

NOTE_BYTES_MAX = 65_536          # 16 signatures, as a verifier must take, of 3.3 KB each
SIGNATURES_MAX = 16
ED25519_TYPE, ML_DSA_44_TYPE = b"\x01", b"\x06"
DASH = "\N{EM DASH} "
SUBTREE_LABEL = b"subtree/v1\n\0"


class CheckpointRefused(ValueError):
    """Text that is no checkpoint, or one that the given keys did not sign."""


class CheckpointUnsigned(CheckpointRefused):
    """No signature line is by a key that was given."""


class CheckpointForged(CheckpointRefused):
    """A line by a known key does not belong to this text."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who, with which key, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head. `note` is the text as received, `body` the part that is signed."""

    origin: str
    size: int
    root: bytes
    body: bytes
    note: bytes
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Signers:
    """Whose lines hold. `ml_dsa_44` tells whether the second algorithm was checked and held.

    `unknown` counts the lines by keys that were not given: a witness, or a key the backend cannot check.
    """

    ed25519: bool
    ml_dsa_44: bool
    unknown: int


def origin_of(gateway: str, generation: int = 1) -> str:
    """Return the name of a gateway's log. A journal begun anew is another log, so it gets another name."""
    return f"spingate/{gateway}" if generation == 1 else f"spingate/{gateway}/{generation}"


def sign(origin: str, size: int, root: bytes, key: SigningKey, second_at_s: int | None = None) -> bytes:
    """Return a signed checkpoint; with a second line (ML-DSA-44) where a POSIX time for it is given."""
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
    public = key.ed25519.public_key().public_bytes_raw()
    lines = [line(origin, ED25519_TYPE, public, key.ed25519.sign(body))]
    if second_at_s is not None and key.ml_dsa_44 is not None:
        signature = key.ml_dsa_44.sign(cosigned(origin, second_at_s, origin, size, root))
        public = key.ml_dsa_44.public_key().public_bytes_raw()
        lines.append(line(origin, ML_DSA_44_TYPE, public, struct.pack(">Q", second_at_s) + signature))
    return body + b"\n" + "".join(lines).encode()


def line(name: str, kind: bytes, public_key: bytes, signature: bytes) -> str:
    """Return one signature line."""
    return f"{DASH}{name} {base64.b64encode(key_id(name, kind, public_key) + signature).decode()}\n"


def key_id(name: str, kind: bytes, public_key: bytes) -> bytes:
    """Return the 4 bytes with which a signature line names its key."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public_key).digest()[:4]


def cosigned(name: str, time_s: int, origin: str, size: int, root: bytes) -> bytes:
    """Return the cosigned_message of tlog-cosignature: what ML-DSA-44 signs."""
    return b"".join((
        SUBTREE_LABEL,
        bytes([len(name.encode())]), name.encode(),
        struct.pack(">Q", time_s),
        bytes([len(origin.encode())]), origin.encode(),
        struct.pack(">QQ", 0, size),
        root,
    ))


def parse(note: bytes) -> Checkpoint:
    """Take a note apart without trusting it. Raises CheckpointRefused."""
    if len(note) > NOTE_BYTES_MAX:
        raise CheckpointRefused(f"{len(note)} bytes: at most {NOTE_BYTES_MAX} are allowed")
    try:
        text = note.decode()
    except UnicodeDecodeError as error:
        raise CheckpointRefused(f"not UTF-8 at byte {error.start}") from error
    body, gap, tail = text.partition("\n\n")
    lines = body.split("\n")
    if not gap or len(lines) != 3 or not tail.endswith("\n"):
        raise CheckpointRefused("must be three lines, an empty line, and signature lines")
    origin, size, root = lines
    if not origin or any(mark.isspace() or mark == "+" for mark in origin):
        raise CheckpointRefused(f"origin {origin!r}: must not be empty and hold no space and no plus")
    signatures = tuple(signature_of(entry) for entry in tail[:-1].split("\n"))
    if len(signatures) > SIGNATURES_MAX:
        raise CheckpointRefused(f"{len(signatures)} signatures: at most {SIGNATURES_MAX} are taken")
    return Checkpoint(origin, size_of(size), exact_base64(root, HASH_BYTES), f"{body}\n".encode(), note, signatures)


def size_of(text: str) -> int:
    """Return a tree size: decimal, no sign, no leading zero."""
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0") or len(text) > 19:
        raise CheckpointRefused(f"tree size {text!r}: must be a decimal number without leading zeros")
    return int(text)


def signature_of(entry: str) -> Signature:
    """Return one parsed signature line."""
    name, space, data = entry.removeprefix(DASH).partition(" ")
    if not entry.startswith(DASH) or not name or not space:
        raise CheckpointRefused(f"{entry[:40]!r}: is no signature line")
    signature = exact_base64(data)
    if len(signature) < 5:
        raise CheckpointRefused(f"{entry[:40]!r}: a signature needs a key id and bytes")
    return Signature(name, signature[:4], signature[4:])


def exact_base64(text: str, size: int | None = None) -> bytes:
    """Return the bytes of the one canonical base64 form; spare bits that could hide a change are refused."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointRefused(f"{text[:40]!r}: is no base64") from error
    if base64.b64encode(data).decode() != text:
        raise CheckpointRefused(f"{text[:40]!r}: is not the canonical base64 of its bytes")
    if size is not None and len(data) != size:
        raise CheckpointRefused(f"{len(data)} bytes in base64: must be {size}")
    return data


def verify(checkpoint: Checkpoint, keys: PublicKeys) -> Signers:
    """Check every line by a known key, of which one must be Ed25519. Raises CheckpointRefused.

    Lines by unknown keys are counted, not judged (signed-note): a witness may have added one.
    """
    ed25519 = {key_id(checkpoint.origin, ED25519_TYPE, key.public_bytes_raw()): key for key in keys.ed25519.values()}
    second = {key_id(checkpoint.origin, ML_DSA_44_TYPE, key.public_bytes_raw()): key for key in keys.ml_dsa_44}
    first_holds, second_holds, unknown = False, False, 0
    for entry in checkpoint.signatures:
        ours = entry.name == checkpoint.origin
        if ours and entry.key_id in ed25519:
            check(ed25519[entry.key_id], entry.signature, checkpoint.body, "Ed25519")
            first_holds = True
        elif ours and entry.key_id in second:
            check(second[entry.key_id], entry.signature[8:], second_message(checkpoint, entry), "ML-DSA-44")
            second_holds = True
        else:
            unknown += 1
    if not first_holds:
        raise CheckpointUnsigned(f"checkpoint of size {checkpoint.size}: no line is by a key that was given")
    return Signers(first_holds, second_holds, unknown)


def second_message(checkpoint: Checkpoint, entry: Signature) -> bytes:
    """Return what an ML-DSA-44 line must have signed; its time stands in the line itself."""
    time_s = int.from_bytes(entry.signature[:8], "big")
    return cosigned(entry.name, time_s, checkpoint.origin, checkpoint.size, checkpoint.root)


def check(key: Ed25519PublicKey | MLDSA44PublicKey, signature: bytes, data: bytes, what: str) -> None:
    """Check one signature. Raises CheckpointForged."""
    try:
        key.verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        raise CheckpointForged(f"its {what} signature does not belong to this text") from error
