"""COSE_Sign1 (RFC 9052) in one narrow form: Ed25519, alg -19 (RFC 9864), nothing unprotected.

What is signed is built in one function, and verification works on the bytes received, never on a re-encoding.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cbor2
from cryptography.exceptions import InvalidSignature

from gateway.evidence import cbor
from gateway.evidence.cbor import RECORD_BYTES_MAX, RecordRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TAG = 18
ALG, CRIT, KID = 1, 2, 4
ED25519 = -19
KID_BYTES = 8
SIGNATURE_BYTES = 64
CONTENT_TYPE = 'application/cose; cose-type="cose-sign1"'


class MessageRefused(ValueError):
    """A message that this profile does not accept."""


class NotSign1(MessageRefused):
    """Not a tagged COSE_Sign1 of four entries, or something follows it."""


class WrongAlgorithm(MessageRefused):
    """Signed with another algorithm than the one that is accepted: a downgrade, or another system's message."""


class CriticalHeader(MessageRefused):
    """A header that must be understood (label 2); this profile understands none."""


class UnprotectedHeader(MessageRefused):
    """Something outside the signature, where anybody could have put it."""


class UnknownKey(MessageRefused):
    """Signed with a key that was not given."""


class SignatureWrong(MessageRefused):
    """The signature does not belong to these bytes: they were changed, or another key signed them."""


@dataclass(frozen=True, slots=True)
class Sign1:
    """The parts of a message as they were received. Nothing in it is verified."""

    protected: bytes
    kid: bytes
    payload: bytes
    signature: bytes


def kid_of(public_key: bytes) -> bytes:
    """Return the key id of a raw public key: the first 8 bytes of its SHA-256."""
    return hashlib.sha256(public_key).digest()[:KID_BYTES]


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of RFC 9052 section 4.4, without external data."""
    return cbor.encode(["Signature1", protected, b"", payload])


def sign(payload: bytes, key: Ed25519PrivateKey, kid: bytes) -> bytes:
    """Return the signed message around `payload`. The key id is 8 bytes."""
    protected = protected_header(kid)
    signature = key.sign(to_be_signed(protected, payload))
    return cbor.encode(cbor2.CBORTag(TAG, [protected, {}, payload, signature]))


@cache
def protected_header(kid: bytes) -> bytes:
    """Return the protected header of a key, the same for all that it signs."""
    return cbor.encode({ALG: ED25519, KID: kid})


def verify(message: bytes, keys: Mapping[bytes, Ed25519PublicKey], bytes_max: int = RECORD_BYTES_MAX) -> bytes:
    """Return the payload of a message that one of `keys` (by key id) signed. Raises MessageRefused."""
    parts = parse(message, bytes_max)
    key = keys.get(parts.kid)
    if key is None:
        raise UnknownKey(f"signed with key {parts.kid.hex()}, which was not given")
    try:
        key.verify(parts.signature, to_be_signed(parts.protected, parts.payload))
    except InvalidSignature:
        raise SignatureWrong(f"the signature of key {parts.kid.hex()} does not belong to these bytes") from None
    return parts.payload


def parse(message: bytes, bytes_max: int = RECORD_BYTES_MAX) -> Sign1:
    """Take a message of at most `bytes_max` bytes apart without trusting it. Raises MessageRefused."""
    item = strictly(message, "message", bytes_max)
    if not isinstance(item, cbor2.CBORTag) or item.tag != TAG:
        raise NotSign1("not a COSE_Sign1: tag 18 is missing")
    parts = item.value
    if not isinstance(parts, list | tuple) or len(parts) != 4:
        raise NotSign1("a COSE_Sign1 has four entries")
    protected, unprotected, payload, signature = parts
    if type(protected) is not bytes or type(payload) is not bytes or type(signature) is not bytes:
        raise NotSign1("protected header, payload and signature must be bytes")
    if not hasattr(unprotected, "keys") or len(unprotected):
        raise UnprotectedHeader("the unprotected header must be an empty map")
    if len(signature) != SIGNATURE_BYTES:
        raise NotSign1(f"a signature of {len(signature)} bytes: must be {SIGNATURE_BYTES}")
    return Sign1(protected, key_id(protected), payload, signature)


def key_id(protected: bytes) -> bytes:
    """Return the key id of a protected header that holds the algorithm and nothing else beside it."""
    header = strictly(protected, "protected header")
    if not isinstance(header, dict) or any(type(label) is not int for label in header):
        raise NotSign1("the protected header must be a map with whole numbers as labels")
    if CRIT in header:
        raise CriticalHeader("the protected header has critical entries (label 2)")
    if type(header.get(ALG)) is not int or header[ALG] != ED25519:
        raise WrongAlgorithm(f"algorithm {header.get(ALG)!r}: must be {ED25519} (Ed25519)")
    kid = header.get(KID)
    if set(header) != {ALG, KID} or type(kid) is not bytes or len(kid) != KID_BYTES:
        raise NotSign1(f"the protected header must hold the algorithm and a key id of {KID_BYTES} bytes")
    return kid


def strictly(data: bytes, what: str, bytes_max: int = RECORD_BYTES_MAX) -> object:
    """Return decoded CBOR, refusing what is none in this module's own terms."""
    if len(data) > bytes_max:
        raise NotSign1(f"{what} of {len(data)} bytes: at most {bytes_max} are allowed")
    try:
        return cbor.decode(data, bytes_max)
    except RecordRefused as refused:
        raise NotSign1(f"{what}: {refused.rule}") from refused
