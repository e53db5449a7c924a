"""Checkpoints: the C2SP form, both algorithms, and no byte that can be changed."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.evidence import checkpoint, keys
from gateway.evidence.checkpoint import CheckpointForged, CheckpointRefused, CheckpointUnsigned
from gateway.evidence.keys import PublicKeys, SigningKey
from tests.evidence.samples import GATEWAY, KEY

GOLDEN = (Path(__file__).parent / "golden" / "checkpoint.txt").read_bytes()
ROOT = bytes(range(32))
BOTH = keys.generate()
TIME_S = 1_790_000_000


def test_the_golden_checkpoint_does_not_change() -> None:
    """The same tree head gives the same text for ever, of 173 bytes for this origin."""
    head = checkpoint.parse(GOLDEN)
    assert checkpoint.sign(checkpoint.origin_of(GATEWAY), head.size, head.root, KEY) == GOLDEN
    assert (head.origin, head.size) == ("spingate/gw-1", 13)
    assert checkpoint.verify(head, KEY.public) == checkpoint.Signers(True, False, 0)


def test_a_note_of_the_reference_implementation_verifies() -> None:
    """The example in the documentation of golang.org/x/mod/sumdb/note: same key id, and its signature holds."""
    public = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    entry = checkpoint.signature_of(line)
    assert public[:1] == checkpoint.ED25519_TYPE
    assert checkpoint.key_id(entry.name, checkpoint.ED25519_TYPE, public[1:]).hex() == "c74f20a3"
    assert entry.key_id.hex() == "c74f20a3"
    key = Ed25519PublicKey.from_public_bytes(public[1:])
    checkpoint.check(key, entry.signature, text, "Ed25519")
    with pytest.raises(CheckpointForged):
        checkpoint.check(key, entry.signature, text.upper(), "Ed25519")


def test_the_second_algorithm_signs_the_same_head() -> None:
    """Where the backend has ML-DSA-44 the note gets a second line over origin, size, root and time."""
    assert BOTH.ml_dsa_44 is not None, "this test needs cryptography built with ML-DSA-44"
    note = checkpoint.sign("spingate/gw-1", 5, ROOT, BOTH, TIME_S)
    head = checkpoint.parse(note)
    assert checkpoint.verify(head, BOTH.public) == checkpoint.Signers(True, True, 0)
    signed = (
        b"subtree/v1\n\x00" + b"\x0dspingate/gw-1" + TIME_S.to_bytes(8, "big") + b"\x0dspingate/gw-1"
        + bytes(8) + (5).to_bytes(8, "big") + ROOT
    )
    BOTH.ml_dsa_44.public_key().verify(head.signatures[1].signature[8:], signed)


def test_a_second_line_is_counted_as_unchecked_by_who_lacks_its_key() -> None:
    """Unknown lines are no error in a note (a witness may add one), but they are not passed over silently."""
    head = checkpoint.parse(checkpoint.sign("spingate/gw-1", 5, ROOT, BOTH, TIME_S))
    assert checkpoint.verify(head, PublicKeys(BOTH.public.ed25519)) == checkpoint.Signers(True, False, 1)


def test_every_flipped_byte_of_a_checkpoint_is_noticed() -> None:
    """Exhaustive over all places and bits of an Ed25519 note, and over all places of one with both lines."""
    notes = ((GOLDEN, KEY.public, range(8)), (checkpoint.sign("spingate/g", 5, ROOT, BOTH, TIME_S), BOTH.public, (2,)))
    for note, public, bits in notes:
        for place in range(len(note)):
            for bit in bits:
                flipped = bytearray(note)
                flipped[place] ^= 1 << bit
                try:
                    signers = checkpoint.verify(checkpoint.parse(bytes(flipped)), public)
                except CheckpointRefused:
                    continue
                assert signers.unknown, f"byte {place}, bit {bit}"


def test_a_checkpoint_by_another_key_or_of_another_head_is_refused() -> None:
    """The refusal tells a stranger's note from a forged one."""
    stranger = SigningKey(Ed25519PrivateKey.generate())
    with pytest.raises(CheckpointUnsigned):
        checkpoint.verify(checkpoint.parse(checkpoint.sign("spingate/gw-1", 5, ROOT, stranger)), KEY.public)
    forged = GOLDEN.replace(b"\n13\n", b"\n14\n")
    with pytest.raises(CheckpointForged):
        checkpoint.verify(checkpoint.parse(forged), KEY.public)


@pytest.mark.parametrize("note", [
    b"", b"\xff", b"spingate/gw-1\n5\n", GOLDEN.replace(b"13", b"013"), GOLDEN.replace(b"13", b"-1"),
    GOLDEN.replace(b"13", "\N{ARABIC-INDIC DIGIT ONE}".encode()), GOLDEN.replace(b"\n13\n", b"\n13\nextension\n"),
    GOLDEN.replace(b"spingate/gw-1", b"spin gate"), GOLDEN.replace(b"spingate/gw-1", b"a+b"), GOLDEN[:-1],
    GOLDEN + b"\n", GOLDEN + GOLDEN.split(b"\n\n")[1] * 16, bytes(70_000), GOLDEN.replace(b"=\n\n", b"\n\n"),
], ids=range(14))
def test_text_that_is_no_checkpoint_is_refused(note: bytes) -> None:
    """Every deviation from the three lines, the empty line and the signature lines."""
    with pytest.raises(CheckpointRefused):
        checkpoint.parse(note)


def test_a_journal_begun_anew_is_another_log() -> None:
    """A log must never sign two trees, so the second journal of a gateway has another origin."""
    assert checkpoint.origin_of("gw-1") == "spingate/gw-1"
    assert checkpoint.origin_of("gw-1", 2) == "spingate/gw-1/2"


def test_the_specification_writes_the_key_id_as_we_do() -> None:
    """Key id of an Ed25519 log: SHA-256 of name, newline, 01 and key, first four bytes (signed-note)."""
    public = KEY.ed25519.public_key()
    assert isinstance(public, Ed25519PublicKey)
    head = checkpoint.parse(GOLDEN)
    assert head.signatures[0].key_id == checkpoint.key_id("spingate/gw-1", b"\x01", public.public_bytes_raw())
