"""What a verdict says of a null set is an optional part of the record: described, bounded, and absent where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pycddl
import pytest

from gateway.detection.verdict import NullCheck
from gateway.evidence import record
from gateway.evidence.body import VerdictBody
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.describe import describe
from gateway.evidence.record import Draft, Kind
from tests.evidence.samples import GATEWAY, draft

CDDL = pycddl.Schema((Path(__file__).parents[2] / "docs" / "record.cddl").read_text())
CHECK = NullCheck(0.03, 99, bytes(range(32)), 7.5, (7.5, 0.0))


def judged(check: NullCheck | None) -> Draft:
    """The sample verdict, held against a null set."""
    before = draft(Kind.VERDICT)
    body = before.body
    if not isinstance(body, VerdictBody):
        raise TypeError(body)
    return replace(before, body=replace(body, verdict=replace(body.verdict, null_check=check)))


def test_a_verdict_with_a_null_check_is_described_and_comes_back_whole() -> None:
    """Description, encoder, decoder and the words for a person agree."""
    payload = record.encode(judged(CHECK), GATEWAY, 41)
    CDDL.validate_cbor(payload)
    found = record.decode(payload)
    assert found.body == judged(CHECK).body
    said = "\n".join(describe(found))
    assert "against 99 scans of null set 0001020304050607...: score 7.5, conformal p 0.03" in said


def test_a_verdict_without_one_is_byte_for_byte_what_it_was() -> None:
    """No null set, no key: records of gateways that use none do not change."""
    assert record.encode(judged(None), GATEWAY, 41) == record.encode(draft(Kind.VERDICT), GATEWAY, 41)


@pytest.mark.parametrize("wrong", [
    replace(CHECK, sha256=bytes(31)), replace(CHECK, scans=-1), replace(CHECK, substances=(0.0,) * 65)])
def test_a_null_check_out_of_bounds_is_no_record(wrong: NullCheck) -> None:
    """A digest of another length, a negative count, more scores than substances there can be."""
    with pytest.raises(RecordRefused):
        record.encode(judged(wrong), GATEWAY, 41)
