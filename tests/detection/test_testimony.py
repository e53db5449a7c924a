"""What is signed of an alarm beside its score: complete, the same as an explanation finds, and small enough."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.lines import covered
from calibration.moment import axial_field_ft, composition_of, moment_per_kg
from calibration.schedule import schedule
from gateway.detection.account import account_of
from gateway.detection.detector import REASONS_MAX, Detector, Policy
from gateway.detection.rivals import RIVALS_MAX
from gateway.detection.testimony import EchoDecay, LineAccount, Occlusion, RivalAccount, SubstanceAccount
from gateway.detection.testimony_words import differences, short_form, words_of
from gateway.detection.verdict import LineEvidence, Outcome, SubstanceScore, Verdict
from gateway.detection.witness import ACCOUNTS_MAX, BECAUSE_CHARACTERS_MAX
from gateway.evidence import record
from gateway.evidence.body import VerdictBody
from gateway.evidence.record import PAYLOAD_BYTES_MAX, Draft, Kind
from gateway.judgement import SHIPPED_MODEL
from hil.scene.bay import Bay
from hil.scene.load import Content, ForeignLine, Load
from hil.scene.scan import scan
from hil.scene.scenario import scenario
from hil.training.emulated import calibrated
from tests.evidence.samples import GATEWAY, draft

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan

# Of every float as many bytes as a record ever needs.
LONG = 0.1


@cache
def detector() -> Detector:
    """The shipped detector, loaded once."""
    return Detector.load(SHIPPED_MODEL, Policy())


def parcel(*contents: Content, seed: int = 3, foreign: tuple[ForeignLine, ...] = ()) -> CalibratedScan:
    """A parcel near a certified head, at room temperature."""
    load = Load(contents, standoff_m=0.15, temperature_k=296.0, foreign=foreign)
    felt = calibrated(scan(schedule(300.0), Bay(), load, np.random.default_rng(seed), 300.0))
    return replace(felt, bands=tuple(replace(band, u_relative=0.02) for band in felt.bands))


@cache
def decided(*contents: Content) -> tuple[CalibratedScan, Verdict]:
    """A scan of a parcel and the verdict on it."""
    felt = parcel(*contents)
    return felt, detector().decide(felt)


MIXED = (Content("ammonium nitrate", 2.0), Content("cocaine base", 1.2), Content("RDX (alpha)", 1.0))


def test_every_alarm_of_a_verdict_has_its_account_with_every_line_the_network_and_the_rivals() -> None:
    """Three substances in one parcel: three accounts, the surest first, each with the transitions of its score."""
    _, verdict = decided(*MIXED)
    alarmed = {score.substance: score for score in verdict.scores if score.alarmed}
    assert set(alarmed) == {content.substance for content in MIXED}
    assert verdict.accounts is not None
    assert [one.substance for one in verdict.accounts] == sorted(alarmed, key=lambda name: alarmed[name].p_value)
    for account in verdict.accounts:
        score = alarmed[account.substance]
        assert [line.transition for line in account.lines] == [line.transition for line in score.lines]
        assert account.occlusion is not None
        assert account.agrees is not None
        for line in account.lines:
            assert line.decay.low_s <= line.decay.t2e_s <= line.decay.high_s
            assert abs(line.residual_chi2 - 1.0) < 5.0 * line.u_chi2


@pytest.mark.parametrize("name", ["benign", "shielded", "empty"])
def test_a_verdict_without_an_alarm_has_no_account_and_no_mass(name: str) -> None:
    """Nothing is explained that was not said."""
    verdict = detector().decide(calibrated(scenario(name).scan()))
    assert verdict.accounts is None
    assert all(score.mass_kg is None and score.u_mass_kg is None for score in verdict.scores)


def test_the_account_changes_nothing_of_the_answer() -> None:
    """A detector without a network names the same lines with the same figures; it only was not asked."""
    felt, verdict = decided(Content("ammonium nitrate", 2.0))
    alone = Detector(Policy()).decide(felt)
    assert alone.accounts is not None
    assert (alone.accounts[0].occlusion, alone.accounts[0].agrees) == (None, None)
    assert [score.lines for score in alone.scores if score.alarmed] == [
        score.lines for score in verdict.scores if score.alarmed]
    assert "the network was not asked" in short_form(alone.accounts[0])


def test_what_is_signed_is_what_an_explanation_finds_again() -> None:
    """Line by line, and no difference is told; a changed figure is."""
    felt, verdict = decided(Content("ammonium nitrate", 2.0))
    assert verdict.accounts is not None
    again = account_of(detector(), felt, verdict).testimony
    assert again is not None
    assert again.lines == verdict.accounts[0].lines
    assert (again.occlusion, again.rivals) == (verdict.accounts[0].occlusion, verdict.accounts[0].rivals)
    assert differences(verdict.accounts[0], again) == []
    line = replace(again.lines[0], residual_chi2=again.lines[0].residual_chi2 + 0.5)
    (said,) = differences(verdict.accounts[0], replace(again, lines=(line, *again.lines[1:])))
    assert "residual chi2" in said
    assert "there is none" in differences(verdict.accounts[0], None)[0]


def test_an_alarm_record_reads_back_as_the_verdict_that_was_decided() -> None:
    """Every figure of the account and of the mass, through the deterministic encoding."""
    _, verdict = decided(*MIXED)
    body = VerdictBody("head", verdict)
    payload = record.encode(Draft(draft(Kind.VERDICT).stamp, draft(Kind.VERDICT).provenance, body), GATEWAY, 5)
    assert record.decode(payload).body == body
    assert len(payload) < 12_000


def test_a_record_of_eight_alarms_with_every_line_and_the_longest_words_fits() -> None:
    """All covered substances at once, three rivals each, as many reasons as a verdict has, of 500 characters."""
    accounts, scores = [], []
    rival = RivalAccount("x" * 40, "confuser", LONG, LONG, LONG, LONG, LONG, LONG, LONG, excluded=True,
                         because="€" * BECAUSE_CHARACTERS_MAX)
    decay = EchoDecay(LONG, LONG, LONG, LONG, (LONG,) * 8, LONG, (LONG,) * 8)
    seen = Occlusion(LONG, LONG, LONG, LONG, faithful=True, favourite="y" * 40, favourite_score=LONG)
    for substance in covered():
        names = [f"{line.transition} {line.site}" for line in substance.lines]
        lines = tuple(LineEvidence(name, LONG, LONG, LONG, LONG, LONG) for name in names)
        scores.append(SubstanceScore(substance.name, LONG, LONG, LONG, LONG, LONG, alarmed=True, lines=lines,
                                     mass_kg=LONG, u_mass_kg=LONG))
        told = tuple(LineAccount(name, decay, LONG, LONG, LONG) for name in names)
        accounts.append(SubstanceAccount(substance.name, told, seen, agrees=True, rivals=(rival,) * RIVALS_MAX,
                                         prior_low_kg=LONG, prior_high_kg=LONG))
    verdict = Verdict(Outcome.ALARM, ("r" * 500,) * REASONS_MAX, tuple(scores), 1, bytes(32), bytes(32),
                      accounts=tuple(accounts))
    assert len(accounts) == ACCOUNTS_MAX
    made = Draft(draft(Kind.VERDICT).stamp, draft(Kind.VERDICT).provenance, VerdictBody("head", verdict))
    assert len(record.encode(made, GATEWAY, 5)) < PAYLOAD_BYTES_MAX


def test_the_words_of_an_account_name_each_figure_and_what_it_should_be() -> None:
    """For a person, in the order in which an officer asks."""
    _, verdict = decided(Content("ammonium nitrate", 2.0))
    assert verdict.accounts is not None
    score = next(score for score in verdict.scores if score.alarmed)
    text = "\n".join(words_of(verdict.accounts[0], score))
    for part in ("mass if pure", "which are assumed", "found 423.0", "expected 423.0", "echo decay", "left over",
                 "it looks at these lines", "agree", "PETN (target) instead? no"):
        assert part in text, part
    short = short_form(verdict.accounts[0])
    assert len(short) < 400
    assert "PETN excluded" in short


@pytest.mark.parametrize(("substance", "kg"), [
    ("ammonium nitrate", 3.0), ("RDX (alpha)", 1.5), ("TNT (monoclinic)", 6.0), ("cocaine base", 2.0)])
def test_the_mass_of_a_strong_alarm_is_the_load_s_within_three_uncertainties(substance: str, kg: float) -> None:
    """And within the range of the assumed relaxation times, which holds the figure itself."""
    felt, verdict = decided(Content(substance, kg))
    score = next(score for score in verdict.scores if score.alarmed)
    assert verdict.accounts is not None
    assert score.mass_kg is not None
    assert score.u_mass_kg is not None
    assert abs(score.mass_kg - kg) < 3.0 * score.u_mass_kg
    assert 0.03 * kg < score.u_mass_kg < 0.3 * kg
    low, high = verdict.accounts[0].prior_low_kg, verdict.accounts[0].prior_high_kg
    assert low is not None
    assert high is not None
    assert low <= score.mass_kg <= high
    unknown = detector().decide(replace(felt, bands=tuple(replace(band, u_relative=math.nan) for band in felt.bands)))
    without = next(score for score in unknown.scores if score.alarmed)
    assert without.mass_kg == pytest.approx(score.mass_kg)
    assert without.u_mass_kg is None
    assert any("u not known" in reason for reason in unknown.reasons)


@pytest.mark.parametrize("t2e_factor", [1.0 / 3.0, 3.0])
def test_a_wrong_relaxation_time_moves_the_mass_within_its_stated_range_and_not_its_uncertainty(
    t2e_factor: float,
) -> None:
    """Two lines at the places of RDX that decay three times faster or slower: the range knows, u does not."""
    kg, t2e_s = 1.5, 0.008
    composition = composition_of("RDX (alpha)")
    like = [ForeignLine(khz, axial_field_ft(moment_per_kg(composition, khz * 1e3) * kg, 0.15), t1_s=0.012,
                        t2e_s=t2e_s * t2e_factor, t2star_us=909.0, slope_hz_per_k=0.0) for khz in (3410.0, 5192.0)]
    verdict = detector().decide(parcel(foreign=tuple(like)))
    score = next(score for score in verdict.scores if score.alarmed)
    assert score.substance == "RDX (alpha)"
    assert verdict.accounts is not None
    account = verdict.accounts[0]
    assert score.mass_kg is not None
    assert score.u_mass_kg is not None
    assert account.prior_low_kg is not None
    assert account.prior_high_kg is not None
    assert abs(score.mass_kg - kg) > 2.0 * score.u_mass_kg
    assert account.prior_low_kg - score.u_mass_kg < kg < account.prior_high_kg + score.u_mass_kg
