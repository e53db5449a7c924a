"""What an officer reads of an alarm over MQTT: its reasons, and its signed account in a sentence."""

from __future__ import annotations

from dataclasses import replace

from gateway.evidence import cose, record
from gateway.evidence.describe import describe
from gateway.evidence.record import Kind
from gateway.publisher.alert import REASON_CHARACTERS_MAX, alert_of
from gateway.publisher.source import Entry
from tests.evidence.samples import ACCOUNT, GATEWAY, KEY, accounted, full_draft


def payload() -> bytes:
    """The record of an alarm with its account."""
    return record.encode(replace(full_draft(Kind.VERDICT), body=accounted(ACCOUNT)), GATEWAY, 41)


def test_an_alert_carries_the_account_in_one_sentence_behind_the_reason_of_the_alarm() -> None:
    """Decay, residual, network and rival, copied from the signed record, and short enough for a dashboard."""
    alert = alert_of(Entry(41, "verdict", cose.sign(payload(), KEY.ed25519, KEY.kid)))
    assert alert is not None
    assert alert.reasons[0] == "both lines of RDX stand above the noise"
    assert alert.reasons[1] == (
        "RDX: the echoes decay as the table has it, left over chi2 1.06; the network agrees, it looks at these lines; "
        "HMX excluded: a line of it is missing")
    assert len(alert.reasons[1]) < REASON_CHARACTERS_MAX


def test_a_verifier_shows_the_account_that_it_verified() -> None:
    """A valid signature on what nobody shows is worth nothing."""
    text = "\n".join(describe(record.decode(payload())))
    for part in ("mass if pure: 0.5 kg (u 0.12 kg, k = 1)", "0.25 to 1.5 kg",
                 "echo decay 750 ms (500 ms to 1.2 s)", "reduced chi2 1.06",
                 "HMX (target) instead? no: a line of it is missing",
                 "detector and network agree"):
        assert part in text, (part, text)
