"""Noise is never a crash: whatever the bytes, only the named refusals come out."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.evidence import checkpoint, cose, proof, record
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.checkpoint import CheckpointRefused
from gateway.evidence.cose import MessageRefused
from gateway.evidence.proof import ProofRefused
from gateway.evidence.record import Kind
from gateway.evidence.verification import Status
from gateway.evidence.verify import verify_file, verify_proof
from tests.evidence.samples import GATEWAY, KEY, draft, full_draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = KEY.public
PAYLOADS = [record.encode(full_draft(kind), GATEWAY, 41) for kind in Kind]
MESSAGE = cose.sign(PAYLOADS[0], KEY.ed25519, KEY.kid)
NOTE = checkpoint.sign("spingate/gw-1", 13, bytes(32), KEY)
PROOF = proof.render(proof.Proof(3, MESSAGE, (bytes(32), bytes(32)), NOTE))

# Anything that CBOR can say, tags included: what a forger with a key could sign.
ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats() | st.binary(max_size=40)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.integers(0, 12), inner, max_size=8)
    | st.builds(cbor2.CBORTag, st.sampled_from([0, 1, 2, 18, 28, 29, 35, 37, 40, 85, 86, 258, 1004]), inner),
    max_leaves=30,
)


def survives(parse: Callable[[bytes], object], data: bytes, *refusals: type[Exception]) -> None:
    """Feed bytes to a parser; anything but its own refusals fails the test."""
    try:
        parse(data)
    except refusals:
        return


@given(st.binary(max_size=2000))
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_refused_by_name(data: bytes) -> None:
    """No parser of ours lets any other exception out, whatever it is fed."""
    survives(record.decode, data, RecordRefused)
    survives(lambda noise: cose.verify(noise, KEYS.ed25519), data, MessageRefused)
    survives(checkpoint.parse, data, CheckpointRefused)
    survives(proof.parse, data, ProofRefused)


@given(ITEMS)
@settings(max_examples=150, deadline=None)
def test_well_formed_cbor_of_any_content_is_refused_by_name(item: object) -> None:
    """What parses as CBOR but is no record ends in a refusal, as payload, as message and in a record's body."""
    data = cbor2.dumps(item)
    survives(record.decode, data, RecordRefused)
    survives(cose.parse, data, MessageRefused)
    whole = cbor2.loads(PAYLOADS[0])
    whole[7] = item
    survives(record.decode, cbor2.dumps(whole), RecordRefused)


def test_records_with_random_bytes_changed_decode_or_are_refused() -> None:
    """1000 seeded changes of one to four bytes in valid payloads, messages, notes and proofs."""
    chance = random.Random(8949)
    for _ in range(1000):
        for data, parse in (
            (chance.choice(PAYLOADS), record.decode), (MESSAGE, cose.parse), (NOTE, checkpoint.parse),
            (PROOF, proof.parse),
        ):
            noisy = bytearray(data)
            for _change in range(chance.randint(1, 4)):
                noisy[chance.randrange(len(noisy))] = chance.randrange(256)
            survives(parse, bytes(noisy), RecordRefused, MessageRefused, CheckpointRefused, ProofRefused)


def test_records_cut_anywhere_are_refused() -> None:
    """No prefix of a payload is a record."""
    for payload in PAYLOADS:
        for cut in range(len(payload)):
            try:
                record.decode(payload[:cut])
            except RecordRefused:
                continue
            raise AssertionError(cut)


def test_a_proof_cut_or_changed_anywhere_is_never_valid() -> None:
    """Every cut and every flipped byte of a proof is refused (its root is not that of the record here, too)."""
    for cut in range(len(PROOF)):
        assert verify_proof(PROOF[:cut], KEYS).status != Status.VALID


def test_a_file_of_noise_is_unreadable(tmp_path: Path) -> None:
    """Neither a journal, a proof nor a record: exit code 2, with the file's name in the reason."""
    chance = random.Random(4)
    file = tmp_path / "noise"
    for start in (b"", b"SQLite format 3\0", b"c2sp.org/tlog-proof@v1\n", b"\xd2", b"SQLite"):
        file.write_bytes(start + chance.randbytes(5000))
        result = verify_file(file, KEYS)
        assert result.status in {Status.UNREADABLE, Status.INVALID}
        assert result.why
        assert result.status == Status.UNREADABLE or start == b"\xd2"
    assert verify_file(tmp_path / "missing", KEYS).status.exit_code == 2
    assert verify_file(tmp_path, KEYS).status.exit_code == 2


def test_a_number_of_another_kind_of_record_is_no_body() -> None:
    """A body under the kind of another is refused for every pair of kinds."""
    items = {kind: cbor2.loads(record.encode(draft(kind), GATEWAY, 0)) for kind in Kind}
    for kind, item in items.items():
        for other, foreign in items.items():
            if other != kind:
                mixed = cbor2.dumps({**item, 7: foreign[7]}, canonical=True)
                survives(record.decode, mixed, RecordRefused)
                try:
                    found = record.decode(mixed)
                except RecordRefused:
                    continue
                raise AssertionError((kind, other, found))
