"""The record: what goes in comes out, golden bytes stay, and what is no record is refused with its place."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cbor2
import pytest

from gateway.detection.verdict import Anomaly
from gateway.evidence import cbor, cose, record
from gateway.evidence.body import AnomalyBody, FaultBody, FaultSource, ReadingBody, VerdictBody, clipped
from gateway.evidence.cbor import NotCbor, RecordRefused, RecordTooBig, TrailingBytes, WrongShape
from gateway.evidence.record import Draft, Kind
from gateway.evidence.typed_array import TypedArray
from tests.evidence.samples import BODIES, GATEWAY, KEY, draft, full_draft

GOLDEN = dict(
    line.split() for line in (Path(__file__).parent / "golden" / "records.txt").read_text().splitlines()
    if not line.startswith("#")
)
KEYS = KEY.public.ed25519


@pytest.mark.parametrize("kind", Kind)
def test_a_record_of_each_kind_reads_back_as_it_was_written(kind: Kind) -> None:
    """Decoding gives the very values that were encoded, and encoding those gives the very bytes."""
    for wanted in (draft(kind), full_draft(kind)):
        payload = record.encode(wanted, GATEWAY, 41)
        found = record.decode(payload)
        assert (found.version, found.kind, found.gateway, found.sequence) == (1, kind, GATEWAY, 41)
        assert Draft(found.stamp, found.provenance, found.body) == wanted
        assert record.encode(Draft(found.stamp, found.provenance, found.body), GATEWAY, 41) == payload


@pytest.mark.parametrize("kind", Kind)
def test_golden_bytes_of_each_kind_do_not_change(kind: Kind) -> None:
    """The signed bytes of a record are the same for ever: Ed25519 is deterministic, and so is the encoding."""
    message = bytes.fromhex(GOLDEN[kind])
    payload = record.encode(full_draft(kind), GATEWAY, 41)
    assert cose.sign(payload, KEY.ed25519, KEY.kid) == message
    assert record.decode(cose.verify(message, KEYS)).body == BODIES[kind]


def test_a_calibrated_probability_is_one_more_key_of_a_score_and_nothing_without_it() -> None:
    """A score that has one reads back with it; the bytes of a verdict grow by its key and float, no more."""
    plain = full_draft(Kind.VERDICT)
    bare = plain.body
    assert isinstance(bare, VerdictBody)
    scores = tuple(dataclasses.replace(score, probability=0.8125) for score in bare.verdict.scores)
    body = dataclasses.replace(bare, verdict=dataclasses.replace(bare.verdict, scores=scores))
    told = record.encode(Draft(plain.stamp, plain.provenance, body), GATEWAY, 41)
    assert record.decode(told).body == body
    assert len(told) - len(record.encode(plain, GATEWAY, 41)) == len(cbor2.dumps({11: 0.8125}, canonical=True)) - 1


def test_there_is_a_body_and_a_golden_record_for_every_kind() -> None:
    """No kind is left untested."""
    assert set(BODIES) == set(Kind) == set(GOLDEN)


def mutated(path: tuple[object, ...], value: object) -> bytes:
    """Return a reading's payload with the item at `path` replaced, or removed where the value is `...`."""
    item = cbor2.loads(record.encode(full_draft(Kind.READING), GATEWAY, 41))
    place = item
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return cbor.encode(item)


@pytest.mark.parametrize(("path", "value", "where"), [
    ((1,), 2, "version"),
    ((2,), 99, "kind"),
    ((2,), 2, "body"),
    ((3,), "a gateway", "record"),
    ((4,), -1, "sequence"),
    ((4,), 2**63, "sequence"),
    ((4,), 41.0, "sequence"),
    ((4,), True, "sequence"),
    ((8,), 0, "record"),
    ((5, 1), b"short", "stamp.boot_id"),
    ((5, 4), 0, "stamp.status"),
    ((5, 2), ..., "stamp.monotonic_ns"),
    ((6, 2), "text", "provenance.software_sha256"),
    ((6, 7), [-1], "provenance.sources[0]"),
    ((7, 1), "", "body.instrument"),
    ((7, 4), {}, "body.channels"),
    ((7, 4, 1, 3), 5, "body.channels[1].unit"),
    ((7, 5), [1.0], "body.values"),
    ((7, 5), cbor2.CBORTag(40, [[3, 3], cbor2.CBORTag(86, bytes(48))]), "body.values"),
    ((7, 5), cbor2.CBORTag(40, [[2, 3], cbor2.CBORTag(86, bytes(48))]), "body"),
    ((7, 5), cbor2.CBORTag(40, [[-3, -2], cbor2.CBORTag(86, bytes(48))]), "body.values"),
    ((7, 6), cbor2.CBORTag(84, bytes(16)), "body.u"),
    ((7, 7), 100, "body.rate_hz"),
    ((7, 9), ["x" * 257], "body.flags[0]"),
    ((7, 10), 1, "body.calibrated"),
    ((7, "x"), 1, "body"),
])
def test_what_the_format_does_not_allow_is_refused_and_its_place_named(
    path: tuple[object, ...], value: object, where: str
) -> None:
    """Unknown keys, wrong types, wrong lengths and contradictions are refused where they stand."""
    with pytest.raises(WrongShape) as refused:
        record.decode(mutated(path, value))
    assert str(refused.value).startswith(f"{where}: ")


def test_a_key_that_only_equals_a_known_one_is_refused() -> None:
    """In Python 1.0 and True equal 1; on the wire they are other keys."""
    payload = record.encode(draft(Kind.KEY), GATEWAY, 0)
    assert payload[:3] == b"\xa7\x01\x01"
    for key in (b"\xf9\x3c\x00", b"\xf5"):
        with pytest.raises(WrongShape, match="key"):
            record.decode(b"\xa7" + key + payload[2:])


@pytest.mark.parametrize(("data", "error"), [
    (b"", NotCbor),
    (b"\xa1\x01", NotCbor),
    (b"\xa2\x01\x01\x01\x01", NotCbor),
    (b"\xbf\x01\x01\xff", NotCbor),
    (b"\xa1\x01\x5f\x41\x00\xff", NotCbor),
    (b"\x81" * 17 + b"\x00", NotCbor),
    (b"\xc0\x74" + b"2026-01-01T00:00:00Z", NotCbor),
    (b"\xd8\x1c\x81\xd8\x1d\x00", NotCbor),
    (b"\xc2\x41\x01", NotCbor),
    (b"\xa0\x00", TrailingBytes),
    (b"\x00" * 65_536, RecordTooBig),
    (b"\x9b" + b"\x7f" * 8, NotCbor),
    (b"\x01", WrongShape),
], ids=["empty", "cut", "duplicate key", "indefinite map", "indefinite bytes", "too deep", "date", "reference",
        "big number", "trailing", "too big", "huge length", "no map"])
def test_cbor_that_the_profile_excludes_is_refused(data: bytes, error: type[RecordRefused]) -> None:
    """The strict decoder takes one definite, duplicate-free, shallow, bounded item and nothing else."""
    with pytest.raises(error):
        record.decode(data)


def test_a_draft_that_is_no_record_is_refused_before_it_is_signed() -> None:
    """The encoder checks what the decoder checks."""
    reading = BODIES[Kind.READING]
    assert isinstance(reading, ReadingBody)
    for body, where in (
        (dataclasses.replace(reading, u=TypedArray.of([1.0])), "body: u of shape"),
        (dataclasses.replace(reading, instrument=""), "body.instrument: "),
        (dataclasses.replace(reading, reason="\ud800"), "body.reason: "),
        (dataclasses.replace(reading, first_row=True), "body.first_row: "),
        (FaultBody(FaultSource.COMPONENT, "clock", "stepped", "x" * 4097, 0), "body.detail: "),
    ):
        with pytest.raises(WrongShape) as refused:
            record.encode(Draft(draft(Kind.READING).stamp, draft(Kind.READING).provenance, body), GATEWAY, 0)
        assert str(refused.value).startswith(where)


def test_a_reading_too_big_for_a_record_is_refused() -> None:
    """A record stays below 65536 bytes, envelope included."""
    reading = BODIES[Kind.READING]
    assert isinstance(reading, ReadingBody)
    for rows, fits in ((4_000, True), (4_096, False)):
        big = dataclasses.replace(reading, values=TypedArray((rows, 2), bytes(rows * 16)))
        wanted = dataclasses.replace(draft(Kind.READING), body=big)
        if fits:
            message = cose.sign(record.encode(wanted, GATEWAY, 2**63 - 1), KEY.ed25519, KEY.kid)
            assert len(message) < 65_536
        else:
            with pytest.raises(RecordTooBig):
                record.encode(wanted, GATEWAY, 0)


def test_the_largest_payload_still_fits_into_a_message() -> None:
    """The room left for the envelope is enough."""
    assert len(cose.sign(bytes(record.PAYLOAD_BYTES_MAX), KEY.ed25519, KEY.kid)) <= cbor.RECORD_BYTES_MAX


def test_numbers_of_numpy_are_taken_as_numbers() -> None:
    """A pipeline that computes with numpy need not convert each number."""
    import numpy as np

    values = np.array([[1.0, 2.0]])
    assert TypedArray(values.shape, values.astype("<f8").tobytes()).values() == (1.0, 2.0)
    found = AnomalyBody("m", Anomaly(np.float32(1.5), np.float64(2.5), 0.5, 1, np.int64(4)), np.int64(5))  # type: ignore[arg-type]  # what numpy gives
    body = record.decode(record.encode(dataclasses.replace(draft(Kind.ANOMALY), body=found), GATEWAY, 0)).body
    assert body == AnomalyBody("m", Anomaly(1.5, 2.5, 0.5, 1.0, 4.0), 5)


def test_text_from_outside_can_always_be_made_to_fit() -> None:
    """A device may say anything; what it said is cut and cleaned, never a reason to lose the record."""
    assert clipped("short") == "short"
    assert clipped("\ud800") == "?"
    for text in ("x" * 5000, "ß" * 5000, "…" * 2000):
        assert len(clipped(text).encode()) <= 4096
        assert clipped(text).endswith("…")
