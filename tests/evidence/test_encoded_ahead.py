"""What was encoded in another thread stands in the record as if it had been encoded for it, to the last byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.evidence import record
from gateway.evidence.cbor import WrongShape
from gateway.evidence.kept import READY_MAX, Ahead
from gateway.evidence.layout import ANSWER
from gateway.evidence.record import Kind
from gateway.evidence.shape import Whole
from gateway.evidence.writer import hashed
from tests.evidence.samples import ACCOUNT, GATEWAY, accounted, full_draft


def test_a_verdict_encoded_ahead_gives_the_same_record_to_the_last_byte() -> None:
    """Prepared or not, and once it was used it is encoded anew."""
    wanted = replace(full_draft(Kind.VERDICT), body=accounted(ACCOUNT))
    plain = record.encode(wanted, GATEWAY, 41)
    ANSWER.prepare(accounted(ACCOUNT).verdict)            # an equal one, but not the same
    ANSWER.prepare(wanted.body.verdict)  # type: ignore[union-attr]  # it is a verdict's body
    assert record.encode(wanted, GATEWAY, 41) == plain
    assert record.encode(wanted, GATEWAY, 41) == plain


def test_what_is_never_asked_for_is_forgotten() -> None:
    """Verdicts that came to no record do not pile up."""
    shape, values = Ahead(Whole()), [10_000 + number for number in range(3 * READY_MAX)]
    for value in values:
        shape.prepare(value)
    assert len(shape._ready) == READY_MAX
    assert [shape.encode(value) for value in values] == [Whole().encode(value) for value in values]


def test_what_does_not_fit_is_refused_ahead_as_it_is_in_the_record() -> None:
    """Nothing wrong is kept for later."""
    shape = Ahead(Whole(most=5))
    with pytest.raises(WrongShape):
        shape.prepare(6)
    with pytest.raises(WrongShape):
        shape.encode(6)


def test_raw_data_carry_the_digest_that_their_record_must_name() -> None:
    """The writer compares it with the provenance, as it does for bytes that it hashes itself."""
    assert hashed(b"abc").sha256.hex().startswith("ba7816bf")
