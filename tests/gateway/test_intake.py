"""What a scan needs before its records: no answer is lost because what explains it is too long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.detection.drift_state import DriftLevel, DriftState
from gateway.detection.verdict import Outcome, Verdict
from gateway.evidence import record
from gateway.evidence.body import VerdictBody
from gateway.evidence.record import Kind
from gateway.intake import SHORTENED, recordable
from tests.evidence.samples import ACCOUNT, GATEWAY, accounted, full_draft

ALARM = accounted(ACCOUNT).verdict
WORDY = DriftState(DriftLevel.INHIBITED, ("w" * 5000,) * 20, 1.0)


def recorded(verdict: Verdict) -> Verdict:
    """The verdict as its record has it."""
    draft = replace(full_draft(Kind.VERDICT), body=VerdictBody("head", verdict))
    body = record.decode(record.encode(draft, GATEWAY, 41)).body
    assert isinstance(body, VerdictBody)
    return body.verdict


@pytest.mark.parametrize("long", [
    replace(ALARM, reasons=("a reason",) * 65), replace(ALARM, reasons=("é" * 4000,)), replace(ALARM, drift=WORDY),
    replace(ALARM, reasons=("x" * 4000,) * 20)])
def test_an_alarm_that_fits_no_record_is_recorded_without_what_explains_it(long: Verdict) -> None:
    """What nobody could sign, nobody would be told: answer and substances stand, and it says what is missing."""
    kept = recorded(recordable(long))
    assert kept.outcome is Outcome.ALARM
    assert kept.scores == ALARM.scores
    assert kept.reasons[-1] == SHORTENED
    assert kept.accounts is None


def test_an_answer_that_fits_is_left_as_it_is() -> None:
    """Accounts and all."""
    assert recordable(ALARM) is ALARM
    assert recorded(ALARM) == ALARM
