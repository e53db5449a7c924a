"""The envelope: one algorithm, one form, nothing outside the signature."""

from __future__ import annotations

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.evidence import cose, record
from gateway.evidence.cose import (
    CriticalHeader,
    MessageRefused,
    NotSign1,
    SignatureWrong,
    UnknownKey,
    UnprotectedHeader,
    WrongAlgorithm,
)
from gateway.evidence.record import Kind
from tests.evidence.samples import GATEWAY, KEY, draft

PAYLOAD = record.encode(draft(Kind.FAULT), GATEWAY, 0)
KEYS = KEY.public.ed25519
# Computed with cbor2 6.3.0 and checked with openssl: private key 32 bytes 01, key id "kid-0001".
GOLDEN = bytes.fromhex(
    "d2844da2013204486b69642d30303031a051a30101020703d855480000803f00000040584026f2a2771afb5a430b12edef8f2b545f"
    "a90dc90a30fedb5a74a7d86cf9f4610e8d0fdf2451d3e090b053d5c6363329a8001889e446c22509f2c759e6506dbd0e"
)


def test_the_golden_message_is_made_and_verified() -> None:
    """Encoding, header and signature are what another implementation computed."""
    payload = bytes.fromhex("a30101020703d855480000803f00000040")
    assert cose.sign(payload, KEY.ed25519, b"kid-0001") == GOLDEN
    assert cose.verify(GOLDEN, {b"kid-0001": KEY.ed25519.public_key()}) == payload


def test_the_key_id_is_the_start_of_the_digest_of_the_public_key() -> None:
    """Anybody can compute it from the public key."""
    assert KEY.kid.hex() == "34750f98bd59fcfc"


def test_every_flipped_byte_is_refused() -> None:
    """No byte of a message can be changed: exhaustive over places and over all eight bits."""
    message = cose.sign(PAYLOAD, KEY.ed25519, KEY.kid)
    for place in range(len(message)):
        for bit in range(8):
            flipped = bytearray(message)
            flipped[place] ^= 1 << bit
            with pytest.raises(MessageRefused):
                cose.verify(bytes(flipped), KEYS)


def test_every_cut_and_every_addition_is_refused() -> None:
    """A message ends where it ends."""
    message = cose.sign(PAYLOAD, KEY.ed25519, KEY.kid)
    for cut in range(len(message)):
        with pytest.raises(NotSign1):
            cose.verify(message[:cut], KEYS)
    with pytest.raises(NotSign1):
        cose.verify(message + b"\x00", KEYS)


def forged(protected: object, unprotected: object = (), tag: int = 18) -> bytes:
    """Return a message with these headers, correctly signed over them."""
    header = cbor2.dumps(protected, canonical=True)
    signature = KEY.ed25519.sign(cose.to_be_signed(header, PAYLOAD))
    return cbor2.dumps(cbor2.CBORTag(tag, [header, unprotected or {}, PAYLOAD, signature]), canonical=True)


@pytest.mark.parametrize(("message", "error"), [
    (forged({1: -8, 4: KEY.kid}), WrongAlgorithm),
    (forged({1: -7, 4: KEY.kid}), WrongAlgorithm),
    (forged({4: KEY.kid}), WrongAlgorithm),
    (forged({1: "-19", 4: KEY.kid}), WrongAlgorithm),
    (forged({1: -19, 2: [4], 4: KEY.kid}), CriticalHeader),
    (forged({1: -19}), NotSign1),
    (forged({1: -19, 4: KEY.kid[:7]}), NotSign1),
    (forged({1: -19, 3: 60, 4: KEY.kid}), NotSign1),
    (forged({}), WrongAlgorithm),
    (forged([1, -19]), NotSign1),
    (forged({1: -19, 4: KEY.kid}, {4: KEY.kid}), UnprotectedHeader),
    (forged({1: -19, 4: KEY.kid}, tag=17), NotSign1),
    (forged({1: -19, 4: b"stranger"}), UnknownKey),
    (cose.sign(PAYLOAD, Ed25519PrivateKey.generate(), KEY.kid), SignatureWrong),
    (cbor2.dumps([b"", {}, PAYLOAD, bytes(64)]), NotSign1),
    (bytes(65_536), NotSign1),
], ids=["EdDSA polymorphic", "ES256", "no algorithm", "algorithm as text", "critical", "no key id", "short key id",
        "content type", "empty header", "header no map", "unprotected key id", "COSE_Mac0", "unknown key",
        "another key", "untagged", "too big"])
def test_what_the_profile_excludes_is_refused_by_name(message: bytes, error: type[MessageRefused]) -> None:
    """Even correctly signed, a message in any other form is refused, and the refusal says which rule."""
    with pytest.raises(error):
        cose.verify(message, KEYS)
