"""Unidentified resonances are an optional part of a verdict's record: described, bounded, and absent where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pycddl
import pytest

from gateway.detection.verdict import Resonance
from gateway.evidence import record
from gateway.evidence.body import VerdictBody
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.describe import describe
from gateway.evidence.record import Draft, Kind
from tests.evidence.samples import GATEWAY, draft

CDDL = pycddl.Schema((Path(__file__).parents[2] / "docs" / "record.cddl").read_text())
FOUND = Resonance(500.125, 4.25, 0.25, 88.0, 1e-9, float("inf"), 0.5, float("inf"), "potassium chlorate")


def judged(found: tuple[Resonance, ...] | None) -> Draft:
    """The sample verdict with lines that nobody knows."""
    before = draft(Kind.VERDICT)
    body = before.body
    if not isinstance(body, VerdictBody):
        raise TypeError(body)
    return replace(before, body=replace(body, verdict=replace(body.verdict, resonances=found)))


def test_a_verdict_with_resonances_is_described_and_comes_back_whole() -> None:
    """Description, encoder, decoder and the words for a person agree; a line that does not decay has no end."""
    payload = record.encode(judged((FOUND,)), GATEWAY, 41)
    CDDL.validate_cbor(payload)
    found = record.decode(payload)
    assert found.body == judged((FOUND,)).body
    assert "unidentified resonance: 500.125 kHz, 4.25 fT" in "\n".join(describe(found))


def test_a_verdict_without_one_is_byte_for_byte_what_it_was() -> None:
    """No resonance, no key: records made before there were any do not change."""
    assert record.encode(judged(None), GATEWAY, 41) == record.encode(draft(Kind.VERDICT), GATEWAY, 41)


@pytest.mark.parametrize("wrong", [(FOUND,) * 9, (replace(FOUND, near="x" * 257),)])
def test_more_resonances_than_are_told_are_no_record(wrong: tuple[Resonance, ...]) -> None:
    """Eight lines, and a name as short as a substance's."""
    with pytest.raises(RecordRefused):
        record.encode(judged(wrong), GATEWAY, 41)
