"""The three answers on emulated scenes, with the shipped model: what alarms, what is clear, what never is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

from calibration.lines import covered
from calibration.reading import CalibratedScan, Trust
from calibration.schedule import schedule
from gateway.detection.detector import Detector, Policy, PolicyRefused, beams_of
from gateway.detection.inspectability import EMPTY, obstacles
from gateway.detection.reach import unreached
from gateway.detection.verdict import Outcome, Verdict
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, ForeignLine, Load
from hil.scene.scan import scan
from hil.scene.scenario import scenario
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Points: TypeAlias = "NDArray[np.complex64]"
MODEL = Path(__file__).parents[2] / "gateway" / "models" / "nqr"


@cache
def detector() -> Detector:
    """The shipped detector, loaded once."""
    return Detector.load(MODEL, Policy())


def emulated(bay: Bay, load: Load, seed: int = 1, *, dead: tuple[int, ...] = (),
             trusted: bool = True) -> CalibratedScan:
    """A calibrated scan of 300 s."""
    felt = scan(schedule(300.0), bay, load, np.random.default_rng(seed), 300.0)
    return calibrated(felt, dead=dead, trusted=trusted)


def of_scenario(name: str) -> CalibratedScan:
    """The scan of a named scenario, as the demonstration shows it."""
    return calibrated(scenario(name).scan())


def named(verdict: Verdict) -> set[str]:
    """Substances that alarmed."""
    return {score.substance for score in verdict.scores if score.alarmed}


@pytest.mark.parametrize(("name", "substance"), [("nitrate", "ammonium nitrate"), ("rdx", "RDX (alpha)")])
def test_a_parcel_with_a_covered_substance_alarms_and_shows_the_lines_that_made_it(name: str, substance: str) -> None:
    """Both lines stand in the evidence, found within their width of where the fitted temperature puts them."""
    verdict = detector().decide(of_scenario(name))
    assert verdict.outcome is Outcome.ALARM
    assert named(verdict) == {substance}
    score = next(score for score in verdict.scores if score.substance == substance)
    assert score.p_value < 1e-6
    assert len(score.lines) == 2
    assert all(abs(line.found_khz - line.expected_khz) < 1.0 and line.z > 20.0 for line in score.lines)
    assert any(substance in reason for reason in verdict.reasons)


@pytest.mark.parametrize("name", ["benign", "urea", "carbamazepine", "ringing"])
def test_harmless_loads_are_clear(name: str) -> None:
    """Sugar under a weak station, urea, a confuser with a line in the cocaine band, and ringing sand."""
    verdict = detector().decide(of_scenario(name))
    assert (verdict.outcome, named(verdict)) == (Outcome.CLEAR, set())


def test_an_empty_bay_is_clear_only_where_the_policy_says_so() -> None:
    """A range finder that looks past a parcel sees an empty bay, too: nobody is cleared by it unasked."""
    empty = of_scenario("empty")
    verdict = detector().decide(empty)
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert [reason for reason in verdict.reasons if reason.startswith(EMPTY)] == [verdict.reasons[0]]
    allowed = Detector(Policy(empty_is_clear=True), detector().package).decide(empty)
    assert allowed.outcome is Outcome.CLEAR
    assert "nothing stands within 0.5 m: limits are for 0.15 m" in allowed.reasons


@pytest.mark.parametrize(("standoff_m", "outcome"), [
    (0.4999, Outcome.CLEAR), (0.5, Outcome.NOT_INSPECTABLE), (float("inf"), Outcome.NOT_INSPECTABLE)])
def test_the_bay_is_empty_from_the_stated_distance_on(standoff_m: float, outcome: Outcome) -> None:
    """At exactly 0.5 m nothing stands there; limits that are loose enough for 0.4999 m allow a clear."""
    far = Detector(Policy(limit_kg_default=1000.0), detector().package)
    assert far.decide(replace(of_scenario("benign"), standoff_m=standoff_m)).outcome is outcome


def test_a_parcel_that_the_range_finder_misses_alarms_all_the_same_and_no_mass_is_claimed() -> None:
    """An empty bay forbids a clear; it never stops an alarm, but nobody knows how far away the lines are."""
    verdict = detector().decide(replace(of_scenario("nitrate"), standoff_m=0.6))
    assert verdict.outcome is Outcome.ALARM
    assert next(score.mass_kg for score in verdict.scores if score.alarmed) is None


def test_a_clear_says_down_to_which_mass_of_every_covered_substance_worst_first() -> None:
    """One line, with all of them by falling limit; a scan that is not inspectable promises nothing."""
    verdict = detector().decide(of_scenario("benign"))
    (said,) = [reason for reason in verdict.reasons if reason.startswith("clear down to")]
    worst = sorted(verdict.scores, key=lambda score: -score.limit_kg)
    assert [said.index(f"{score.limit_kg:.2g} kg {score.substance}") for score in worst] == sorted(
        said.index(f"{score.limit_kg:.2g} kg {score.substance}") for score in worst)
    assert {score.substance for score in worst} == {substance.name for substance in covered()}
    assert not any("clear down to" in reason for reason in detector().decide(of_scenario("shielded")).reasons)


@pytest.mark.parametrize(("kg", "blocked"), [
    (3.0, False), (float(np.nextafter(3.0, 4.0)), True), (float("inf"), True), (float("nan"), True), (0.0, False)])
def test_a_limit_above_the_policy_is_never_clear_to_the_last_bit(kg: float, *, blocked: bool) -> None:
    """At exactly what is allowed it is; the next number above it, infinity and no number at all are not."""
    scan_ = of_scenario("benign")
    policy = Policy(limit_kg_max={"PETN": 3.0})
    said = obstacles(scan_, beams_of(scan_, 0.2), {"PETN": kg}, policy)
    assert bool([reason for reason in said if reason.startswith("PETN")]) is blocked


def test_a_confuser_is_called_by_its_own_name_and_not_by_its_neighbours() -> None:
    """Carbamazepine explains its line; cocaine base is not named."""
    verdict = detector().decide(of_scenario("carbamazepine"))
    assert any("carbamazepine" in reason for reason in verdict.reasons)


def test_a_shielded_parcel_is_not_inspectable_and_says_why() -> None:
    """Metal in front of the coil shows in the reflected power; silence behind it is not clear."""
    verdict = detector().decide(of_scenario("shielded"))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert any("reflected power" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("seed", range(6))
def test_an_uncalibrated_scan_is_never_clear(seed: int) -> None:
    """Without a certificate a harmless parcel is not inspectable."""
    verdict = detector().decide(emulated(Bay(), Load(standoff_m=0.15), seed, trusted=False))
    assert verdict.outcome is not Outcome.CLEAR
    assert any("uncalibrated" in reason for reason in verdict.reasons)


def test_an_alarm_stands_on_an_uncalibrated_shielding_looking_scan() -> None:
    """Obstacles forbid "clear"; they never silence a line that is there."""
    loud = of_scenario("rdx")
    bands = tuple(replace(band, reflected=0.9) for band in loud.bands)
    doubtful = replace(loud, bands=bands, trust=Trust(calibrated=False, certificate_sha256=None, reason="expired"))
    verdict = detector().decide(doubtful)
    assert verdict.outcome is Outcome.ALARM
    assert any("expired" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("flag", ["band 3: channel 2 clipped", "not finite: band at 423 kHz, 7 points"])
def test_what_the_head_complains_about_is_not_clear(flag: str) -> None:
    """A clipped converter or broken numbers are told, and clear is refused."""
    verdict = detector().decide(replace(of_scenario("benign"), flags=(flag,)))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert any(flag in reason for reason in verdict.reasons)


def test_a_page_read_twice_changes_nothing() -> None:
    """The head's harmless remarks do not cost the answer."""
    assert detector().decide(replace(of_scenario("benign"), flags=("band 2 read again",))).outcome is Outcome.CLEAR


@pytest.mark.parametrize(("dead", "outcome"), [
    ((3,), Outcome.CLEAR), ((6,), Outcome.CLEAR), ((6, 7), Outcome.NOT_INSPECTABLE),
    ((0, 1, 2), Outcome.NOT_INSPECTABLE), (tuple(range(8)), Outcome.NOT_INSPECTABLE)])
def test_dead_channels_are_left_out_told_and_counted(dead: tuple[int, ...], outcome: Outcome) -> None:
    """One dead sensor or reference is survived; without references or with half the array nothing is clear."""
    verdict = detector().decide(emulated(Bay(), Load(standoff_m=0.15), dead=dead))
    assert verdict.outcome is outcome
    assert any("pilot" in reason for reason in verdict.reasons)


def test_points_that_are_not_numbers_cost_their_channel_and_nothing_else() -> None:
    """A channel with NaN is left out of that band; the verdict has finite figures."""
    whole = of_scenario("nitrate")
    field = whole.bands[0].field_ft.copy()
    field[1, 2, 3] = np.nan
    verdict = detector().decide(replace(whole, bands=(replace(whole.bands[0], field_ft=field), *whole.bands[1:])))
    assert named(verdict) == {"ammonium nitrate"}
    assert any("channel 1 left out" in reason for reason in verdict.reasons)
    assert all(np.isfinite(score.glrt) for score in verdict.scores)


def test_a_noise_floor_above_the_policy_is_not_inspectable() -> None:
    """Tier D: every limit is beyond what is allowed, and the reasons name the substances."""
    verdict = detector().decide(emulated(Bay(tier=Tier.D), Load((Content("sugar", 5.0),), standoff_m=0.2)))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert sum("would have been missed" in reason for reason in verdict.reasons) == len(covered())


def test_a_stricter_policy_takes_the_clear_away() -> None:
    """The limit of one substance is enough to forbid it."""
    strict = Detector(Policy(limit_kg_max={"TNT (monoclinic)": 0.1}), detector().package)
    verdict = strict.decide(of_scenario("benign"))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert [reason for reason in verdict.reasons if "missed" in reason] == [
        reason for reason in verdict.reasons if reason.startswith("TNT")]


@pytest.mark.parametrize("carrier_khz", [423.0, 496.2, 531.1, 890.3, 3817.0, 5193.0])
@pytest.mark.parametrize("carrier_ft", [60.0, 3000.0])
def test_a_station_on_a_line_does_not_alarm(carrier_khz: float, carrier_ft: float) -> None:
    """A tone that does not decay over the train and that the references hear is not a substance."""
    bay = Bay(stations=(Station(carrier_khz, carrier_ft),))
    for seed in range(3):
        assert detector().decide(emulated(bay, Load(), seed)).outcome is not Outcome.ALARM


@pytest.mark.parametrize("ringing_ft", [10.0, 1000.0])
def test_ringing_at_the_carrier_does_not_alarm(ringing_ft: float) -> None:
    """Quartz rings at every carrier, right where several lines lie at room temperature."""
    load = Load((Content("sand", 5.0),), standoff_m=0.2, temperature_k=297.5, ringing_ft=ringing_ft)
    for seed in range(4):
        assert detector().decide(emulated(Bay(), load, seed)).outcome is not Outcome.ALARM


def test_a_calibrant_left_in_the_bay_does_not_alarm() -> None:
    """A reference sample in its jig has no line in a covered substance's band."""
    load = Load(calibrant=Content("hexamethylenetetramine", 0.1))
    assert detector().decide(emulated(Bay(), load)).outcome is not Outcome.ALARM


def test_a_strong_line_that_fits_no_substance_is_neither_alarm_nor_clear() -> None:
    """One line in a band of two-line substances: somebody has to look."""
    load = Load(foreign=(ForeignLine(4026.0, 40.0),), standoff_m=0.2)
    verdict = detector().decide(emulated(Bay(), load))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert any("fits no substance" in reason for reason in verdict.reasons)


def test_every_covered_substance_has_a_score_even_when_no_band_holds_it() -> None:
    """A scan of one band says of all others that any mass would have been missed."""
    part = of_scenario("benign")
    verdict = detector().decide(replace(part, bands=part.bands[:1]))
    assert [score.substance for score in verdict.scores] == [substance.name for substance in covered()]
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert any("any mass" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-30, 1e18])
def test_data_that_cannot_be_a_measurement_is_never_clear(value: float) -> None:
    """All zeros, one constant, the smallest and the largest numbers: an answer, and not that one."""
    whole = of_scenario("benign")
    bands = tuple(replace(band, field_ft=np.full_like(band.field_ft, value)) for band in whole.bands)
    assert detector().decide(replace(whole, bands=bands)).outcome is not Outcome.CLEAR


def without_group(field: Points) -> Points:
    """The first echo group lost, which holds most of a line that dies fast."""
    field[:, 0] = 0.0
    return field


def filtered(field: Points) -> Points:
    """Two fifths of the band, around the carrier, taken out by a filter of 60 dB."""
    spectra = np.fft.fft(field)
    spectra[..., :50] *= 1e-3
    spectra[..., -50:] *= 1e-3
    return np.asarray(np.fft.ifft(spectra), np.complex64)


@pytest.mark.parametrize(("change", "word"), [
    (lambda field: np.repeat(field[:1], 8, axis=0), "not independent"),
    (filtered, "a filter"), (without_group, "echo group")])
def test_noise_that_no_sensor_makes_is_never_clear(change: Callable[[Points], Points], word: str) -> None:
    """One input on all channels promised a picogram: what is quieter than noise can be hides lines as well."""
    whole = of_scenario("benign")
    bands = tuple(replace(band, field_ft=change(band.field_ft.copy())) for band in whole.bands)
    verdict = detector().decide(replace(whole, bands=bands))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert any(word in reason for reason in verdict.reasons)


def test_bands_that_see_a_line_at_few_temperatures_alone_are_never_clear() -> None:
    """12 kHz beside the schedule 20 kg of heroin lie in no band, and the limit was of other temperatures."""
    plans = tuple(replace(plan, carrier_hz=plan.carrier_hz + 12e3) for plan in schedule(60.0))
    load = Load((Content("heroin base", 20.0),), standoff_m=0.15, temperature_k=293.0)
    verdict = detector().decide(calibrated(scan(plans, Bay(), load, np.random.default_rng(3), 60.0)))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert any("heroin base" in reason for reason in verdict.reasons if reason.startswith("bands elsewhere"))


def test_the_schedule_reaches_every_covered_substance_in_any_load() -> None:
    """The bands were laid out for it; nothing is said of a scan made as planned."""
    assert unreached(schedule(300.0), Policy().cargo_k_min, Policy().cargo_k_max) == ()


def test_a_scan_without_any_band_is_not_inspectable() -> None:
    """A head that returns nothing gets an answer all the same."""
    assert detector().decide(replace(of_scenario("benign"), bands=())).outcome is Outcome.NOT_INSPECTABLE


@pytest.mark.parametrize("standoff_m", [float("nan"), 0.0, -1.0])
def test_a_range_reading_without_meaning_is_not_clear(standoff_m: float) -> None:
    """No distance, no limit."""
    verdict = detector().decide(replace(of_scenario("benign"), standoff_m=standoff_m))
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert any("range reading" in reason for reason in verdict.reasons)


def test_the_verdict_carries_the_digests_of_scan_and_model() -> None:
    """Who checks years later finds what was decided on, and with what."""
    felt = replace(of_scenario("empty"), raw_sha256=b"r" * 32, scan_id=77)
    verdict = detector().decide(felt)
    assert (verdict.scan_id, verdict.raw_sha256) == (77, b"r" * 32)
    assert verdict.model_sha256 == detector().model_sha256
    assert all(0.0 <= score.network <= 1.0 for score in verdict.scores)


def test_the_same_scan_gets_the_same_verdict() -> None:
    """Nothing of one decision leaks into the next."""
    felt = of_scenario("nitrate")
    first = detector().decide(felt)
    detector().decide(of_scenario("ringing"))
    assert detector().decide(felt) == first


@pytest.mark.parametrize(("key", "value"), [
    ("pfa_per_scan", 0.0), ("reflected_max", 1.5), ("limit_kg_default", -1.0), ("cargo_k_max", 240.0)])
def test_a_policy_that_cannot_be_kept_is_refused_by_key_value_and_rule(key: str, value: float) -> None:
    """The message names the key."""
    with pytest.raises(PolicyRefused, match=rf"policy\.{key} = {value:g}: must be"):
        replace(Policy(), **{key: value})  # type: ignore[arg-type]  # any of its keys
