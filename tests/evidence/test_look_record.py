"""A verdict on one scan is the bytes it always was; one on several names them all, and the description takes it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pycddl
import pytest

from gateway.detection.verdict import LOOKS_MAX, SequenceLook
from gateway.evidence import record
from gateway.evidence.body import VerdictBody
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.describe import verdict as described
from gateway.evidence.record import Draft, Kind
from tests.evidence.samples import GATEWAY, draft

SCHEMA = pycddl.Schema((Path(__file__).parents[2] / "docs" / "record.cddl").read_text())
DIGESTS = tuple(sha256(bytes([at])).digest() for at in range(LOOKS_MAX))


def looked(look: SequenceLook | None) -> Draft:
    """The draft of a verdict with this look."""
    bare = draft(Kind.VERDICT)
    assert isinstance(bare.body, VerdictBody)
    return replace(bare, body=replace(bare.body, verdict=replace(bare.body.verdict, look=look)))


@pytest.mark.parametrize("count", [1, 2, LOOKS_MAX])
def test_a_look_comes_back_as_it_was_and_satisfies_the_published_description(count: int) -> None:
    """Up to as many scans as one load may have."""
    look = SequenceLook(count, LOOKS_MAX, 0.00125, 60.0 * count, DIGESTS[:count], final=count == LOOKS_MAX)
    data = record.encode(looked(look), GATEWAY, 3)
    SCHEMA.validate_cbor(data)
    body = record.decode(data).body
    assert isinstance(body, VerdictBody)
    assert body.verdict.look == look
    assert any(f"look {count} of {LOOKS_MAX}" in line for line in described(body))


def test_a_verdict_on_one_scan_has_no_trace_of_it() -> None:
    """The same bytes with and without the field in the software."""
    assert record.encode(looked(None), GATEWAY, 3) == record.encode(draft(Kind.VERDICT), GATEWAY, 3)


def test_a_look_that_no_description_has_is_refused() -> None:
    """No scan, or look 0."""
    for look in (SequenceLook(0, 5, 0.0, 60.0, DIGESTS[:1], final=True),
                 SequenceLook(1, 5, 0.0, 60.0, DIGESTS * 2, final=True)):
        with pytest.raises(RecordRefused):
            record.encode(looked(look), GATEWAY, 3)
