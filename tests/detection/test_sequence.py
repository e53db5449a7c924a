"""A load is looked at until it is decided: early where it can be, never clear before, and never twice by one scan."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest

from calibration.reading import CalibratedScan, Trust
from gateway.detection.detector import Detector, Policy
from gateway.detection.joined import JoinRefused
from gateway.detection.sequence import LoadSequence, SequenceOver, decide_joined
from gateway.detection.spending import shares
from gateway.detection.verdict import Outcome, Verdict
from gateway.judgement import SHIPPED_MODEL
from hil.scene.load import Content, Load
from tests.detection.test_joined import EMPTY, M, empty, scanned

STRONG = replace(EMPTY, contents=(Content("RDX (alpha)", 4.0),))
WEAK = replace(EMPTY, contents=(Content("cocaine base", 0.6),))


@cache
def detector(**limit_kg_max: float) -> Detector:
    """The shipped detector under a policy; names with an underscore for a blank."""
    package = Detector.load(SHIPPED_MODEL, Policy()).package
    return Detector(Policy(limit_kg_max={name.replace("_", " "): kg for name, kg in limit_kg_max.items()}), package)


def looks(sequence: LoadSequence, scans: tuple[CalibratedScan, ...]) -> list[Verdict]:
    """The verdicts on scan after scan, until the sequence is over."""
    found = []
    for scan in scans:
        found.append(sequence.take(scan))
        if sequence.over:
            break
    return found


def spent(verdicts: list[Verdict]) -> list[float]:
    """What was spent by each look."""
    return [verdict.look.alpha_spent for verdict in verdicts if verdict.look]


def test_a_policy_that_the_first_look_meets_is_decided_by_it_with_the_whole_rate() -> None:
    """60 s instead of 300 s for a gateway with the shipped demands; the answer is that of a lone scan."""
    (verdict,) = looks(LoadSequence(detector(), 5), empty(5))
    alone = detector().decide(empty(1)[0])
    assert verdict.outcome is Outcome.CLEAR
    assert verdict.reasons == (*alone.reasons, "look 1 of 5, 60 s in all")
    for one, other in zip(verdict.scores, alone.scores, strict=True):
        assert one.glrt == pytest.approx(other.glrt)
        assert one.limit_kg == pytest.approx(other.limit_kg)
    assert spent([verdict]) == [Policy().pfa_per_scan]
    assert verdict.look is not None
    assert verdict.look.final


def test_a_load_without_a_substance_is_clear_as_soon_as_its_limits_meet_the_policy_and_not_before() -> None:
    """Each look before says that the load must stay; the last one states a limit within the policy."""
    verdicts = looks(LoadSequence(detector(cocaine_base=0.85), 5), empty(5))
    assert [verdict.outcome for verdict in verdicts[:-1]] == [Outcome.NOT_INSPECTABLE] * (len(verdicts) - 1)
    assert all("another scan of the same load is to follow" in verdict.reasons[0] for verdict in verdicts[:-1])
    assert 1 < len(verdicts) < 5
    assert verdicts[-1].outcome is Outcome.CLEAR
    assert next(one.limit_kg for one in verdicts[-1].scores if one.substance == "cocaine base") <= 0.85
    planned = shares(Policy().pfa_per_scan, 5)
    assert spent(verdicts)[:-1] == pytest.approx([math.fsum(planned[:n]) for n in range(1, len(verdicts))])
    assert spent(verdicts)[-1] == pytest.approx(Policy().pfa_per_scan)
    digests = tuple(scan.raw_sha256 for scan in empty(len(verdicts)))
    assert verdicts[-1].look is not None
    assert verdicts[-1].look.raw_sha256s == digests


def test_a_strong_load_alarms_at_the_first_look_for_almost_nothing_of_the_rate() -> None:
    """And the sequence is over: nobody waits four minutes more."""
    sequence = LoadSequence(detector(RDX_=1.0, cocaine_base=0.01), 5)
    (verdict,) = looks(sequence, (scanned(50, STRONG),))
    assert verdict.outcome is Outcome.ALARM
    assert spent([verdict])[0] < 1e-7
    assert verdict.look is not None
    assert verdict.look.final
    assert any("look 1 of 5, 60" in reason for reason in verdict.reasons)
    with pytest.raises(SequenceOver):
        sequence.take(scanned(51, STRONG))


def test_a_weak_load_that_no_single_scan_shows_is_found_by_several() -> None:
    """0.6 kg of cocaine base, of which a lone scan of 60 s says nothing at this rate."""
    verdicts = looks(LoadSequence(detector(cocaine_base=0.3), 5), tuple(scanned(at, WEAK) for at in range(60, 65)))
    assert verdicts[0].outcome is Outcome.NOT_INSPECTABLE
    assert verdicts[-1].outcome is Outcome.ALARM
    assert [one.substance for one in verdicts[-1].scores if one.alarmed] == ["cocaine base"]


def test_a_limit_that_all_looks_do_not_reach_ends_as_not_inspectable() -> None:
    """The last look says which substance would have been missed, and that there is no further look."""
    verdicts = looks(LoadSequence(detector(PETN=0.01), 2), empty(3))
    assert [verdict.outcome for verdict in verdicts] == [Outcome.NOT_INSPECTABLE] * 2
    assert "PETN: up to" in " ".join(verdicts[-1].reasons)
    assert "not decided yet" not in " ".join(verdicts[-1].reasons)


def test_what_no_further_scan_can_lift_ends_the_sequence_at_once() -> None:
    """Metal around the load, or a head without a certificate: more scans would only cost time."""
    uncalibrated = replace(empty(1)[0], trust=Trust(calibrated=False, certificate_sha256=None, reason="none"))
    for scan in (uncalibrated, replace(empty(1)[0], flags=("magnet",))):
        (verdict,) = looks(LoadSequence(detector(PETN=0.01), 5), (scan,))
        assert verdict.outcome is Outcome.NOT_INSPECTABLE
        assert spent([verdict]) == [Policy().pfa_per_scan]


@pytest.mark.parametrize(("moved_m", "same_raw", "words"), [
    (0.02, False, "the load has moved"), (0.0, True, "scan 2 is scan 1 again"),
])
def test_a_scan_that_is_no_further_look_ends_the_sequence_and_is_never_clear(
    moved_m: float, same_raw: bool, words: str,  # noqa: FBT001  a parameter of the test
) -> None:
    """Even where it would be clear by itself: what was spent on the load before is spent."""
    sequence = LoadSequence(detector(PETN=0.01), 5)
    second = replace(empty(2)[1], standoff_m=M + moved_m)
    second = replace(second, raw_sha256=empty(1)[0].raw_sha256) if same_raw else second
    verdicts = looks(sequence, (empty(1)[0], second))
    assert sequence.over
    assert verdicts[-1].outcome is Outcome.NOT_INSPECTABLE
    assert words in verdicts[-1].reasons[0]
    assert verdicts[-1].look is not None
    assert verdicts[-1].look.raw_sha256s == (second.raw_sha256,)
    strong = replace(scanned(52, STRONG), standoff_m=M + 0.02)
    assert looks(LoadSequence(detector(PETN=0.01), 5), (empty(1)[0], strong))[-1].outcome is Outcome.ALARM


def test_recorded_scans_of_one_load_get_one_verdict_with_the_whole_rate() -> None:
    """As `spingate detect --join` asks for it."""
    verdict = decide_joined(detector(), empty(3))
    assert verdict.outcome is Outcome.CLEAR
    assert verdict.look is not None
    assert (verdict.look.number, verdict.look.looks_max, verdict.look.alpha_spent) == (3, 3, Policy().pfa_per_scan)
    assert verdict.raw_sha256 == empty(3)[2].raw_sha256
    with pytest.raises(JoinRefused, match="scan 3 is scan 1 again"):
        decide_joined(detector(), (*empty(2), empty(1)[0]))


def test_an_empty_bay_is_not_scanned_again_and_again() -> None:
    """Beyond half a metre nothing stands before the head: there is nothing to clear, and the first look says so."""
    (verdict,) = looks(LoadSequence(detector(cocaine_base=0.85), 5), (scanned(70, Load(standoff_m=0.6)),))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert any("nothing stands before the head" in reason for reason in verdict.reasons)
