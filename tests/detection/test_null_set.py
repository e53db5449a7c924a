"""Conformal p-values: uniform in scans without a substance, false alarms bounded at every number of nulls."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from drivers.sample import Identity
from gateway.detection.glrt import Fit
from gateway.detection.hypotheses import grids
from gateway.detection.null_set import Setting, conformal_p, scans_needed, smallest_p
from gateway.detection.null_test import NullTest, ScoreOnly, TheoryAlone, score
from gateway.detection.rule import Ruling
from gateway.detection.verdict import NullCheck, Outcome, SubstanceScore, Verdict
from gateway.null_set_figures import excess, figures_of, histogram, two_samples
from gateway.null_set_words import described, warnings
from hil.scene.bay import Bay
from hil.scene.load import Load
from hil.scene.scan import scan
from hil.training.emulated import calibrated
from tests.detection.null_sets import NAMES, SETTING, null_set

EMPTY = calibrated(scan(SETTING.plans, Bay(), Load(), np.random.default_rng(1), 300.0))
OF_THE_BAY = replace(EMPTY, device=SETTING.head)
DIGEST = bytes(range(32))
GRID = grids(SETTING.plans[:1], 290.0, 300.0)[0]


def scatter(trials: int, p: float) -> float:
    """Four standard deviations of a count: chance alone exceeds them once in 30 000 times."""
    return 4.0 * math.sqrt(trials * p * (1.0 - p))


def verdict(**scores: float) -> tuple[Verdict, tuple[float, ...]]:
    """A verdict of theory in which the named substances alarm at these scores, as `a`, `b`, and those scores."""
    by_place = dict(zip((0, 1), scores.values(), strict=False))
    given = tuple(by_place.get(at, 0.0) for at in range(len(NAMES)))
    rows = tuple(SubstanceScore(name, 50.0, math.exp(-value), 0.5, 295.0, 1.0, alarmed=value > 0.0, lines=())
                 for name, value in zip(NAMES, given, strict=True))
    outcome = Outcome.ALARM if scores else Outcome.CLEAR
    return Verdict(outcome, ("theory",) if scores else (), rows, 7, bytes(32), bytes(32)), given


def held(nulls: list[float], setting: Setting = SETTING, **scores: float) -> Verdict:
    """The verdict after it was held against a null set of these scores."""
    test = NullTest.of(null_set(nulls, setting), DIGEST)
    before, given = verdict(**scores)
    return test.hold(before, OF_THE_BAY, given, 0.01)


def test_the_p_value_counts_ties_against_the_scan() -> None:
    """Equal scores are as extreme; a score beyond all nulls has one over N + 1, and no number has 1."""
    nulls = [0.0, 0.0, 1.0, 2.0]
    assert [conformal_p(at, nulls) for at in (0.0, 1.0, 1.5, 2.0, 3.0, math.inf, math.nan)] == [
        1.0, 0.6, 0.4, 0.4, 0.2, 0.2, 1.0]
    assert conformal_p(5.0, []) == 1.0


@pytest.mark.parametrize(("pfa", "needed"), [(0.01, 99), (0.05, 19), (0.001, 999), (0.003, 333), (0.5, 1)])
def test_ninety_nine_scans_are_needed_for_one_percent(pfa: float, needed: int) -> None:
    """One scan fewer cannot reach the rate, this many can."""
    assert scans_needed(pfa) == needed
    assert smallest_p(needed) <= pfa
    assert needed == 1 or smallest_p(needed - 1) > pfa


@pytest.mark.parametrize("grain", [0.0, 0.5])
@pytest.mark.parametrize("count", [19, 99, 137])
def test_false_alarms_are_bounded_at_every_number_of_nulls_over_the_draw_of_the_set(count: int, grain: float) -> None:
    """In expectation over null sets P(p <= a) is at most a, with ties too, for the emulated tail of scores."""
    rng = np.random.default_rng(count)
    scores = rng.standard_exponential((8000, count + 1)) ** 1.5
    scores = np.floor(scores / grain) * grain if grain else scores
    p = np.array([conformal_p(row[0], sorted(row[1:])) for row in scores.tolist()])
    for level in (0.05, 0.1, 0.3):
        hits = int(np.sum(p <= level))
        assert hits <= len(p) * level + scatter(len(p), level), f"{hits} of {len(p)} at {level}"
        reached = len(p) * math.floor(level * (count + 1) + 1e-9) / (count + 1)
        assert grain or hits >= reached - scatter(len(p), level), "more cautious than it needs to be"


def test_p_values_of_nulls_are_uniform() -> None:
    """Kolmogorov-Smirnov of 2000 p-values, each against a null set of its own, on the grid that they live on."""
    rng = np.random.default_rng(5)
    scores = rng.standard_exponential((2000, 100))
    p = np.sort([conformal_p(row[0], sorted(row[1:])) for row in scores.tolist()])
    # Uniform on 1/100 ... 1: the distance at a step, where the distribution functions must agree.
    distance = max(abs(np.searchsorted(p, step / 100 + 1e-9) / len(p) - step / 100) for step in range(1, 101))
    assert math.sqrt(len(p)) * distance < 1.63, "p below 0.01"


def test_an_alarm_that_stands_beyond_every_null_stays_an_alarm() -> None:
    """A strong target has one over N + 1, however strong; the verdict says p, N and which set."""
    after = held([1.0] * 99, a=30.0)
    assert (after.outcome, after.reasons) == (Outcome.ALARM, ("theory",))
    assert after.null_check == NullCheck(0.01, 99, DIGEST, 30.0, (30.0, *(0.0,) * (len(NAMES) - 1)))


def test_an_alarm_of_theory_that_nulls_reach_is_not_inspectable_and_never_clear() -> None:
    """The bay makes such scores by itself: no alarm, no clear, and the count is said."""
    after = held([1.0] * 98 + [6.0], a=5.0)
    assert after.outcome is Outcome.NOT_INSPECTABLE
    assert not any(score.alarmed for score in after.scores)
    assert "1 of 99 scans of the null set" in after.reasons[0]
    assert after.reasons[1:] == ("theory",)
    assert after.null_check is not None
    assert after.null_check.p_value == 0.02


def test_a_strong_substance_does_not_carry_a_weak_one_along() -> None:
    """Each alarm is held against the nulls for itself; the strong one stays."""
    after = held([1.0] * 98 + [6.0], a=30.0, b=5.0)
    assert (after.outcome, [score.alarmed for score in after.scores[:2]]) == (Outcome.ALARM, [True, False])
    assert after.reasons[0].startswith(NAMES[1])


def test_ninety_eight_scans_leave_the_decision_to_theory_and_say_so() -> None:
    """Too few nulls change no answer, in either direction."""
    for nulls, found in (([1.0] * 98, 30.0), ([9.0] * 98, 5.0)):
        after = held(nulls, a=found)
        assert (after.outcome, after.scores[0].alarmed) == (Outcome.ALARM, True)
        assert "98 scans in the null set: 99 are needed for 0.01" in after.reasons[-1]
        assert after.null_check is not None


def test_a_set_that_holds_a_target_hides_only_what_is_weaker_and_says_why() -> None:
    """One such scan of 99 holds back all alarms below its score: that is why scans that stand out are named."""
    nulls = [1.0] * 98 + [40.0]
    assert held(nulls, a=30.0).outcome is Outcome.NOT_INSPECTABLE
    assert held(nulls, a=41.0).outcome is Outcome.ALARM
    said = warnings(null_set(nulls))
    assert any("scan 98 scores so high" in one and "exclude it with the reason" in one for one in said)


@pytest.mark.parametrize(("other", "words"), [
    (replace(SETTING, head=Identity("Spingate", "emulated NQR-8", "NQR-0002", "1.0")), "another head"),
    (replace(SETTING, dwell_s=120.0), "another dwell"),
    (replace(SETTING, plans=SETTING.plans[:13]), "another schedule"),
    (replace(SETTING, plans=(replace(SETTING.plans[0], trains=1), *SETTING.plans[1:])), "another schedule"),
])
def test_scans_of_another_kind_are_decided_by_theory_with_the_reason(other: Setting, words: str) -> None:
    """They are not exchangeable with the nulls: no p-value is given, and no alarm is touched."""
    after = held([40.0] * 99, other, a=30.0)
    assert (after.outcome, after.null_check) == (Outcome.ALARM, None)
    assert "decided by theory alone" in after.reasons[-1]
    assert words in after.reasons[-1]


def test_another_firmware_of_the_same_head_is_the_same_head() -> None:
    """What a head runs may be renewed; its serial number is what counts."""
    again = replace(SETTING, head=replace(SETTING.head, firmware="2.0"))
    assert held([1.0] * 99, again, a=30.0).null_check is not None


def test_a_clear_stays_clear_and_a_refused_set_changes_no_answer() -> None:
    """The test can only hold an alarm back; where the set is broken it does nothing but say so."""
    assert held([0.0] * 99).outcome is Outcome.CLEAR
    before, given = verdict(a=5.0)
    after = TheoryAlone("the signature is wrong").hold(before, OF_THE_BAY, given, 0.01)
    assert (after.outcome, after.scores, after.null_check) == (before.outcome, before.scores, None)
    assert after.reasons[-1] == "decided by theory alone: the signature is wrong"
    told = ScoreOnly().hold(before, OF_THE_BAY, given, 0.01).null_check
    assert told is not None
    assert (told.p_value, told.scans, told.score) == (1.0, 0, 5.0)


def test_a_look_of_a_sequence_is_decided_by_theory_and_says_so() -> None:
    """A look spends a share of the rate: nulls that were decided at all of it say nothing about it."""
    before, given = verdict(a=5.0)
    after = NullTest.of(null_set([9.0] * 99), DIGEST).hold(before, OF_THE_BAY, given, 1e-4)
    assert (after.outcome, after.null_check) == (Outcome.ALARM, None)
    assert "0.0001, the null set at 0.01" in after.reasons[-1]


@pytest.mark.parametrize(("ruling", "log_p", "consistent", "wanted"), [
    (Ruling.SILENT, -3.0, True, 3.0), (Ruling.SILENT, -30.0, False, 0.0), (Ruling.NAMED, -30.0, True, 30.0),
    (Ruling.VETOED, -30.0, True, 0.0), (Ruling.SILENT, 0.0, True, 0.0), (Ruling.NAMED, -4.0, True, 4.0),
])
def test_only_what_could_alarm_scores(ruling: Ruling, log_p: float, consistent: bool, wanted: float) -> None:  # noqa: FBT001  # a case
    """A line that fits no substance, or is vetoed, is no measure for alarms."""
    fit = Fit(GRID, 0.0, log_p, 295.0, 0.0, 0, (), consistent)
    assert score(fit, ruling) == pytest.approx(wanted)


def test_too_many_small_p_values_and_a_bay_that_changed_are_warned_of_and_a_good_set_is_not() -> None:
    """Theory may give too few small p-values, never too many; halves of one bay do not differ."""
    rng = np.random.default_rng(3)
    good = rng.standard_exponential(199).tolist()
    assert warnings(null_set(good)) == ()
    assert warnings(null_set([0.0] * 199)) == ()
    noisy = [score + 1.0 for score in good]
    assert any("theory allows" in said for said in warnings(null_set(noisy)))
    changed = [*good[:100], *(0.3 * score for score in good[100:])]
    assert any("first half" in said for said in warnings(null_set(changed)))


def test_the_figures_bounds_hold_in_uniform_p_values() -> None:
    """Of 2000 good sets at most 1 % fall below 0.01 by either test, within the trials' error."""
    rng = np.random.default_rng(4)
    low = [0, 0]
    for _ in range(2000):
        p = rng.random(99)
        low[0] += excess(p.tolist())[1] < 0.01
        low[1] += two_samples(p[:49].tolist(), p[49:].tolist()) < 0.01
    assert all(count <= 2000 * 0.01 + scatter(2000, 0.01) for count in low), low


def test_a_set_is_shown_with_all_that_was_left_out_and_all_that_alarmed() -> None:
    """Whoever reads it sees every scan that is not in it, and every false alarm that is."""
    nulls = null_set([1.0] * 98 + [9.0])
    nulls = replace(nulls, scans=(*nulls.scans[:-1], replace(nulls.scans[-1], outcome=Outcome.ALARM)))
    text = "\n".join(described(nulls, DIGEST))
    assert "excluded: scan 99, p 7.5e-05 in theory: a trolley with fertiliser stood there" in text
    assert f"ALARM kept: scan 98, {NAMES[0]}, p 0.00012 in theory" in text
    assert "p-values down to 0.01: enough" in text
    bars = histogram(nulls.scans)
    assert [line.split()[3] for line in bars] == ["98", "0", "0", "0", "0", "0", "0", "1"]
    assert histogram(()) == ()
    assert figures_of(()).ks_p == 1.0
