"""The label of a passage in its record: it reads back, is described and told, and is absent where none was given."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from gateway.detection.verdict import Likeness
from gateway.evidence import cose, record
from gateway.evidence.body import AnomalyBody
from gateway.evidence.describe import anomaly
from gateway.evidence.record import Draft, Kind
from gateway.publisher.alert import told_of
from tests.evidence.samples import BODIES, GATEWAY, KEY, full_draft
from tests.evidence.test_record_cddl import PAYLOAD, validate_message


def labelled() -> tuple[Draft, AnomalyBody]:
    """The sample anomaly with a network's label."""
    plain = BODIES[Kind.ANOMALY]
    assert isinstance(plain, AnomalyBody)
    body = replace(plain, anomaly=replace(plain.anomaly, likeness=Likeness(0.96875, sha256(b"card").digest())))
    return replace(full_draft(Kind.ANOMALY), body=body), body


def test_a_labelled_anomaly_reads_back_and_satisfies_the_published_description() -> None:
    """Key 7 holds probability and digest; the independent validator takes both."""
    wanted, body = labelled()
    payload = record.encode(wanted, GATEWAY, 41)
    assert record.decode(payload).body == body
    PAYLOAD.validate_cbor(payload)
    validate_message(cose.sign(payload, KEY.ed25519, KEY.kid))


def test_an_officer_reads_the_label_and_nothing_where_there_is_none() -> None:
    """Description and alert say how like a passing object it was, only where a network said so."""
    _, body = labelled()
    plain = BODIES[Kind.ANOMALY]
    assert isinstance(plain, AnomalyBody)
    for words, silent in ((anomaly(body), anomaly(plain)), (told_of(body.anomaly), told_of(plain.anomaly))):
        assert any("0.97 (network)" in line for line in words)
        assert not any("network" in line for line in silent)
