"""Explanations that are physics: the decay is the scene's, noise is all that is left, rivals fail by their lines."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.schedule import schedule
from gateway.detection.account import Account, account_of
from gateway.detection.detector import Detector, Policy, beams_of
from gateway.detection.echo_decay import echo_decay
from gateway.detection.echo_search import Decay, group_decay, search, subtract
from gateway.detection.hypotheses import place
from gateway.detection.portrait import shows_all
from gateway.detection.rivals import RIVALS_MAX
from gateway.detection.testimony import EchoDecay
from gateway.detection.verdict import Outcome
from gateway.judgement import SHIPPED_MODEL
from hil.scene.bay import Bay
from hil.scene.load import Content, Load
from hil.scene.scan import scan
from hil.scene.scenario import scenario
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan
    from gateway.detection.testimony import SubstanceAccount


@cache
def detector() -> Detector:
    """The shipped detector, loaded once."""
    return Detector.load(SHIPPED_MODEL, Policy())


@cache
def parcel(substance: str, kg: float) -> CalibratedScan:
    """A parcel near the head at room temperature."""
    load = Load((Content(substance, kg),), standoff_m=0.15, temperature_k=296.0)
    return calibrated(scan(schedule(300.0), Bay(), load, np.random.default_rng(3), 300.0))


@cache
def explained(substance: str, kg: float) -> Account:
    """The account of the verdict on a parcel."""
    return account_of(detector(), parcel(substance, kg), detector().decide(parcel(substance, kg)))


def told(account: Account) -> SubstanceAccount:
    """What the account says; there is something to say."""
    assert account.testimony is not None
    return account.testimony


def test_the_lines_explained_are_those_of_the_verdict_and_hold_their_z() -> None:
    """The filter, run again on the same scan, gives at each line the statistic that the verdict states."""
    account = explained("ammonium nitrate", 2.0)
    assert account.subject is not None
    assert tuple(story.line for story in account.stories) == account.subject.lines
    for story, sight, line in zip(account.stories, account.sights, account.subject.lines, strict=True):
        chosen = next(one for one in account_lines_of("ammonium nitrate") if one[0] == line.transition)
        peak = search(sight.beam, chosen[1]).statistic.max()
        assert peak == pytest.approx(story.line.z, rel=0.25)


def account_lines_of(substance: str) -> list[tuple[str, Decay]]:
    """The transitions of a substance with their decays."""
    from calibration.lines import covered

    chosen = next(one for one in covered() if one.name == substance)
    return [(f"{line.transition} {line.site}", place(line).decay) for line in chosen.lines]


@pytest.mark.parametrize(("substance", "kg"), [
    ("ammonium nitrate", 2.0), ("PETN", 2.5), ("cocaine base", 1.0), ("RDX (alpha)", 1.0), ("heroin base", 1.5)])
def test_a_line_decays_as_the_scene_made_it_and_leaves_noise_alone(substance: str, kg: float) -> None:
    """The table's T2e lies within three half widths, and reduced chi-square comes down to 1."""
    account = explained(substance, kg)
    assert account.subject is not None
    assert account.subject.alarmed
    for story in account.stories:
        assert story.told.decay.as_expected
        assert story.told.decay.low_s <= story.told.decay.t2e_s <= story.told.decay.high_s
        assert abs(story.told.residual_chi2 - 1.0) < 4.0 * story.told.u_chi2
        assert story.told.before_chi2 > story.told.residual_chi2


@pytest.mark.parametrize("t2e_s", [0.05, 0.2, 0.8])
def test_the_interval_of_a_decay_holds_the_truth_as_often_as_it_says(t2e_s: float) -> None:
    """Of 200 noisy trains 68 % within counting error; without noise the decay itself."""
    beam = beams_of(parcel("ammonium nitrate", 2.0), 0.15)[0]
    rng, decay = np.random.default_rng(8), Decay(1.0, 0.6e-3)
    flat = replace(beam, spectra=np.zeros_like(beam.spectra), floor=np.ones(256))
    template = -subtract(flat, decay, 0, 256, 12.0 + 0j)
    train = template / group_decay(beam.plan, 1.0)[:, None] * group_decay(beam.plan, t2e_s)[:, None]
    noise = rng.standard_normal((200, *train.shape)) + 1j * rng.standard_normal((200, *train.shape))
    found = [echo_decay(flat, train + one / math.sqrt(2.0), template, 1.0) for one in noise]
    held = sum(one.low_s <= t2e_s <= one.high_s for one in found)
    assert 0.58 * 200 <= held <= 0.80 * 200
    assert echo_decay(flat, train, template, 1.0).t2e_s == pytest.approx(t2e_s, rel=0.03)


def test_a_steady_tone_shows_a_decay_without_end() -> None:
    """What does not die with the train is told by an open interval and is not as the table has it."""
    beam = beams_of(parcel("ammonium nitrate", 2.0), 0.15)[0]
    flat = replace(beam, spectra=np.zeros_like(beam.spectra), floor=np.ones(256))
    template = -subtract(flat, Decay(0.2, 0.6e-3), 0, 256, 30.0 + 0j)
    steady = np.repeat(template[:1], 8, axis=0)
    found = echo_decay(flat, steady, template, 0.2)
    assert math.isinf(found.high_s)
    assert not found.as_expected


@pytest.mark.parametrize(("t2e_s", "low_s", "high_s", "expected_s", "fits"), [
    (math.inf, 1.3, math.inf, 1.0, True), (math.inf, 1.3, math.inf, 0.3, False), (40.0, 20.0, math.inf, 0.02, False),
    (0.75, 0.46, 1.7, 1.0, True), (0.02, 0.018, 0.022, 0.05, False), (0.0, 0.0, 0.0, 1.0, False)])
def test_a_decay_is_held_against_the_table_by_its_rate_so_that_an_open_interval_can_hold_it(
    t2e_s: float, low_s: float, high_s: float, expected_s: float, *, fits: bool,
) -> None:
    """A weak line whose best fit has no end is not said to contradict the table, nor a steady tone to agree with it."""
    assert EchoDecay(t2e_s, low_s, high_s, expected_s, (1.0,) * 8, 1.0, (1.0,) * 8).as_expected is fits


@pytest.mark.parametrize(("substance", "kg"), [("ammonium nitrate", 2.0), ("PETN", 2.5), ("cocaine base", 1.0)])
def test_the_network_looks_at_the_lines_and_not_elsewhere(substance: str, kg: float) -> None:
    """Without the lines its probability falls; without as many windows at random it stays."""
    found = told(explained(substance, kg)).occlusion
    assert found is not None
    assert found.faithful is True
    assert found.without_lines < 0.1
    assert found.random_lowest > 0.8
    assert told(explained(substance, kg)).agrees is True


@pytest.mark.parametrize(("substance", "kg", "rival", "missing_khz"), [
    ("ammonium nitrate", 2.0, "PETN", 890.0), ("PETN", 2.5, "ammonium nitrate", 423.0),
    ("PETN", 2.5, "TNT (monoclinic)", 867.0)])
def test_a_rival_with_a_line_at_the_same_place_is_excluded_by_one_that_it_does_not_show(
    substance: str, kg: float, rival: str, missing_khz: float,
) -> None:
    """PETN and ammonium nitrate share 495 kHz, PETN and TNT 890 kHz; the other line decides."""
    found = next(one for one in told(explained(substance, kg)).rivals if one.substance == rival)
    assert found.excluded
    assert found.missing_khz is not None
    assert found.missing_khz == pytest.approx(missing_khz, abs=4.0)
    assert found.seen_z < found.predicted_z / 4.0
    assert f"{found.missing_khz:.1f} kHz should show z" in found.because


def test_a_rival_that_no_temperature_brings_there_is_excluded_by_its_distance() -> None:
    """Carbamazepine lies 12 kHz above the line of cocaine base, more than any temperature moves it."""
    rivals = told(explained("cocaine base", 1.0)).rivals
    found = next(one for one in rivals if one.substance == "carbamazepine form III")
    assert found.excluded
    assert found.at_k is None
    assert found.distance_khz == pytest.approx(12.0, abs=1.0)
    assert "no temperature" in found.because


def test_rivals_are_few_and_those_that_may_be_come_first() -> None:
    """A person reads three; nothing is said of rivals where no line stands out."""
    for substance, kg in (("PETN", 2.5), ("ammonium nitrate", 2.0)):
        rivals = told(explained(substance, kg)).rivals
        assert len(rivals) <= RIVALS_MAX
        assert [one.excluded for one in rivals] == sorted(one.excluded for one in rivals)
    quiet = calibrated(scenario("benign").scan())
    assert told(account_of(detector(), quiet, detector().decide(quiet))).rivals == ()


def test_an_explanation_is_the_same_each_time() -> None:
    """Chance in the controls comes from the scan itself."""
    chosen = parcel("PETN", 2.5)
    again = account_of(detector(), chosen, detector().decide(chosen))
    assert repr(again) == repr(explained("PETN", 2.5))


def test_a_scan_that_shows_nothing_has_nothing_to_explain() -> None:
    """All channels dead: no subject, and no exception."""
    dead = calibrated(scenario("nitrate").scan(), dead=tuple(range(8)))
    account = account_of(detector(), dead, detector().decide(dead))
    assert (account.subject, account.stories, account.testimony) == (None, (), None)


def test_the_network_is_not_asked_about_a_scan_without_some_band() -> None:
    """It was made on whole scans: with a band missing or blind it neither adds an alarm nor vetoes one."""
    whole = parcel("ammonium nitrate", 2.0)
    assert shows_all(beams_of(whole, 0.15))
    few = replace(whole, bands=whole.bands[:4])
    verdict = detector().decide(few)
    assert verdict.outcome is Outcome.ALARM
    assert all(math.isnan(score.network) for score in verdict.scores)
    account = account_of(detector(), few, verdict)
    assert (told(account).occlusion, told(account).agrees) == (None, None)
    blind = whole.bands[5].field_ft.copy()
    blind[:6] = 0
    bands = [*whole.bands[:5], replace(whole.bands[5], field_ft=blind, pilot_gain=np.zeros(8, np.complex64))]
    verdict = detector().decide(replace(whole, bands=(*bands, *whole.bands[6:])))
    assert all(math.isnan(score.network) for score in verdict.scores)


def test_noise_in_few_bands_is_not_named_more_often_than_demanded() -> None:
    """The likelihood ratio alone keeps the policy's rate of 1 % there: 60 scans of four bands, at most 3 alarms."""
    rng, whole = np.random.default_rng(77), parcel("ammonium nitrate", 2.0)
    alarms = 0
    for _ in range(60):
        bands = tuple(replace(band, field_ft=(rng.standard_normal((8, 8, 256)) + 1j * rng.standard_normal(
            (8, 8, 256))).astype(np.complex64)) for band in whole.bands[1:5])
        alarms += detector().decide(replace(whole, bands=bands)).outcome is Outcome.ALARM
    assert alarms <= 3
