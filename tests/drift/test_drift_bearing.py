"""What the state of the head does to a verdict: never less than an alarm, never more than a clear."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import numpy as np
import pycddl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.reading import CalibratedBand, CalibratedScan, Trust
from calibration.schedule import schedule
from drivers.sample import Identity
from gateway.detection.drift_state import DriftLevel, DriftState
from gateway.detection.verdict import Outcome, SubstanceScore, Verdict
from gateway.detection.wording import limited
from gateway.drift.bearing import borne
from gateway.drift.look import Look, look_at
from gateway.evidence import record
from gateway.evidence.body import VerdictBody
from gateway.evidence.describe import what
from gateway.evidence.record import Kind
from tests.evidence.samples import GATEWAY, draft
from tests.evidence.test_record_cddl import PAYLOAD

OK = DriftState(DriftLevel.OK, (), 1.0)
GONE = ("pilot gain: channel 2 -20 %",)
FIELD = np.zeros((8, 8, 256), np.complex64)
SCAN = CalibratedScan(
    Identity("a", "b", "c", "d"), 7,
    tuple(CalibratedBand(plan, FIELD, -9000.0, np.ones(8, np.complex64), 0.02, 0.01) for plan in schedule(60.0)),
    60.0, 295.0, 0.2, 1, bytes(32), Trust(calibrated=True, certificate_sha256=bytes(32)))


def verdict(outcome: Outcome, limit_kg: float = 1.0) -> Verdict:
    """Return a verdict on two substances."""
    scores = tuple(SubstanceScore(name, 1.0, 0.5, 0.1, 295.0, limit_kg, alarmed=outcome is Outcome.ALARM, lines=())
                   for name in ("RDX (alpha)", "PETN"))
    return Verdict(outcome, ("a reason",) if outcome is not Outcome.CLEAR else (), scores, 7, bytes(32), bytes(32))


LOOK = look_at(SCAN, verdict(Outcome.CLEAR))


def heard(gain: complex, bands: slice = slice(None), channels: slice = slice(None)) -> Look:
    """Return a look at the scan with another pilot gain in some bands and channels."""
    pilots = LOOK.gain.copy()
    pilots[bands, channels] = gain
    return replace(LOOK, gain=pilots)


def held(given_: Verdict, look: Look, state: DriftState = OK, allowed_kg: float = 8.0) -> Verdict:
    """Return what the state of the head leaves of a verdict."""
    return borne(given_, SCAN, look, state, lambda _name: allowed_kg)


@pytest.mark.parametrize("level", DriftLevel)
@pytest.mark.parametrize("outcome", Outcome)
def test_an_alarm_is_never_suppressed_and_an_inhibited_head_never_clears(level: DriftLevel, outcome: Outcome) -> None:
    """Only a clear changes, only under an inhibition, and the verdict says why in its first words."""
    found = held(verdict(outcome), heard(1.0), DriftState(level, GONE if level is not DriftLevel.OK else (), 1.0))
    stopped = level is DriftLevel.INHIBITED and outcome is Outcome.CLEAR
    assert found.outcome is (Outcome.NOT_INSPECTABLE if stopped else outcome)
    assert found.drift == DriftState(level, GONE if level is not DriftLevel.OK else (), 1.0)
    if stopped:
        assert found.reasons[0].startswith("drift: pilot gain: channel 2 -20 %: no scan is called clear until")
    if level is DriftLevel.DEGRADED:
        assert found.reasons[-1] == "drift: pilot gain: channel 2 -20 %"
    assert [score.alarmed for score in found.scores] == [outcome is Outcome.ALARM] * 2


def test_a_loss_of_gain_widens_the_limits_by_as_much() -> None:
    """A fifth of the gain gone in all channels: what was stated as 1 kg is 1.25 kg, and the verdict says so."""
    found = held(verdict(Outcome.CLEAR), heard(0.8))
    assert [score.limit_kg for score in found.scores] == pytest.approx([1.25, 1.25])
    assert found.outcome is Outcome.CLEAR
    assert found.drift is not None
    assert found.drift.widened == pytest.approx(1.25)
    assert "widened by up to 25 %" in found.reasons[-1]


def test_a_limit_that_becomes_too_wide_takes_the_clear_back() -> None:
    """1 kg is allowed and 1.1 kg would have been missed."""
    found = held(verdict(Outcome.CLEAR, 0.99), heard(0.9), allowed_kg=1.0)
    assert found.outcome is Outcome.NOT_INSPECTABLE
    assert "1.1 kg would have been missed with the gain as it is" in found.reasons[0]
    assert held(verdict(Outcome.ALARM, 0.99), heard(0.9), allowed_kg=1.0).outcome is Outcome.ALARM


def test_the_limits_in_words_are_those_that_hold() -> None:
    """A clear that stands names the wider masses, and one that was taken back is nowhere called clear."""
    whole = verdict(Outcome.CLEAR)
    whole = replace(whole, reasons=limited(whole.scores, Outcome.CLEAR, 0.2))
    held = borne(whole, SCAN, heard(0.8), OK, lambda _name: 8.0)
    assert held.outcome is Outcome.CLEAR
    assert held.reasons[0].startswith("clear down to 1.2 kg")
    lost = borne(whole, SCAN, heard(0.8), OK, lambda _name: 1.0)
    assert lost.outcome is Outcome.NOT_INSPECTABLE
    assert not any("clear down to" in reason for reason in lost.reasons)
    assert any(reason.startswith("what would have been found: 1.2 kg") for reason in lost.reasons)


def test_only_the_substances_of_a_band_that_lost_gain_get_wider_limits() -> None:
    """RDX has no line at 423 kHz; ammonium nitrate has."""
    found = held(verdict(Outcome.CLEAR), heard(0.8, slice(8, 9)))  # 3410 kHz: RDX alone
    assert [score.limit_kg for score in found.scores] == pytest.approx([1.25, 1.0])


def test_channels_that_no_longer_add_up_count_as_lost_gain() -> None:
    """Half the array turned by a right angle leaves 0.71 of the sum, whatever each pilot's size."""
    found = held(verdict(Outcome.CLEAR), heard(1j, slice(None), slice(0, 3)))
    assert found.scores[0].limit_kg == pytest.approx(2.0**0.5)


def test_more_gain_or_a_little_less_changes_no_limit_and_neither_do_references_or_dead_channels() -> None:
    """A limit never becomes smaller, and nothing is said of what scatters anyway."""
    for look in (heard(1.2), heard(0.98), heard(0.5, slice(None), slice(6, 8)), heard(np.nan)):
        assert held(verdict(Outcome.CLEAR), look) == replace(verdict(Outcome.CLEAR), drift=OK)
    uncalibrated = replace(heard(0.8), certificate_sha256=None)
    assert held(verdict(Outcome.NOT_INSPECTABLE), uncalibrated).scores[0].limit_kg == 1.0


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(Outcome)), st.sampled_from(list(DriftLevel)),
       st.complex_numbers(max_magnitude=3.0) | st.just(complex("nan")), st.floats(1e-3, 1e3))
def test_no_state_makes_a_limit_smaller_or_a_scan_clear(outcome: Outcome, level: DriftLevel, gain: complex,
                                                        allowed_kg: float) -> None:
    """Whatever the pilots say: an alarm stays, nothing becomes clear, no limit shrinks, and the record takes it."""
    before = verdict(outcome)
    found = held(before, heard(gain), DriftState(level, GONE, 1.0), allowed_kg)
    assert (found.outcome is Outcome.ALARM) == (outcome is Outcome.ALARM)
    assert found.outcome is not Outcome.CLEAR or outcome is Outcome.CLEAR
    assert all(new.limit_kg >= old.limit_kg for new, old in zip(found.scores, before.scores, strict=True))
    payload = record.encode(replace(draft(Kind.VERDICT), body=VerdictBody("head", found)), GATEWAY, 3)
    assert record.decode(payload).body == VerdictBody("head", found)


def test_the_published_description_knows_the_state_of_the_watch() -> None:
    """Key 11 of a judgement validates, a level that is none does not, and a person can read it."""
    body = VerdictBody("head", held(verdict(Outcome.CLEAR), heard(0.8), DriftState(DriftLevel.DEGRADED, GONE, 1.0)))
    payload = record.encode(replace(draft(Kind.VERDICT), body=body), GATEWAY, 3)
    PAYLOAD.validate_cbor(payload)
    item = cbor2.loads(payload)
    assert item[7][2][11][1] == 3
    item[7][2][11][1] = 9
    with pytest.raises(pycddl.ValidationError):
        PAYLOAD.validate_cbor(cbor2.dumps(item, canonical=True))
    assert "drift watch: degraded" in what(body)
