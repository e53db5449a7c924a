"""What a scan tells of the head, from emulated scans: noise, pilot, the network's energy, the line thermometer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from calibration.schedule import schedule
from calibration.thermometer import DWELL_S, thermometer_plans, u_kelvin_absolute
from drivers.replay import REPLAYED
from gateway.detection.verdict import NullCheck, Outcome, SequenceLook, SubstanceScore, Verdict
from gateway.drift.look import look_at
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, Load
from hil.scene.scan import scan
from hil.training.emulated import calibrated

PLANS = schedule(60.0)[:3]
QUIET = Bay(tier=Tier.B, city=0.0, edge_hz=1e9, gain_error=0.0, phase_error_rad=0.0)
CLEAR = Verdict(Outcome.CLEAR, (), (), 1, bytes(32), bytes(32))


def scored(p_value: float, network: float) -> Verdict:
    """Return a clear verdict with two substances, one unlikely and one with these figures."""
    score = SubstanceScore("RDX (alpha)", 1.0, p_value, network, 295.0, 0.5, alarmed=False, lines=())
    return replace(CLEAR, scores=(score, replace(score, substance="PETN", p_value=1.0, network=0.0)))


@pytest.mark.parametrize("tier", [Tier.B, Tier.C])
def test_the_noise_density_is_the_one_that_was_drawn(tier: Tier) -> None:
    """Within 1 % over all channels and bands, whatever the plan averages over."""
    felt = scan(PLANS, replace(QUIET, tier=tier), Load(), np.random.default_rng(1), 60.0)
    noise = look_at(calibrated(felt), CLEAR).noise_db
    assert noise.mean() == pytest.approx(20.0 * math.log10(tier.value), abs=0.1)
    assert noise.std() < 0.25


def test_what_lies_in_the_bay_does_not_pass_for_noise() -> None:
    """Ringing, a station and a kilogram of something move no channel by half a decibel."""
    load = Load((Content("ammonium nitrate", 1.0),), standoff_m=0.15, ringing_ft=300.0)
    loud = replace(QUIET, stations=(Station(531.5, 2000.0), Station(427.0, 2000.0)))
    noise = [look_at(calibrated(scan(PLANS, bay, one, np.random.default_rng(2), 60.0)), CLEAR).noise_db
             for bay, one in ((QUIET, Load()), (loud, load))]
    assert np.abs(noise[1].mean(axis=0) - noise[0].mean(axis=0)).max() < 0.5


def test_a_dead_channel_has_neither_gain_nor_noise() -> None:
    """NaN, so that nothing learns from it."""
    felt = scan(PLANS, QUIET, Load(), np.random.default_rng(3), 60.0)
    look = look_at(calibrated(felt, dead=(4,)), CLEAR)
    assert np.isnan(look.gain[:, 4]).all()
    assert np.isnan(look.noise_db[:, 4]).all()
    assert np.isfinite(np.delete(look.noise_db, 4, axis=1)).all()
    assert np.abs(np.delete(look.gain, 4, axis=1) - 1.0).max() < 0.1


def test_points_that_are_no_numbers_are_no_noise() -> None:
    """A band full of NaN or infinities gives NaN and raises nothing."""
    whole = calibrated(scan(PLANS, QUIET, Load(), np.random.default_rng(3), 60.0))
    for odd in (np.nan, np.inf, 0.0):
        band = replace(whole.bands[0], field_ft=np.full_like(whole.bands[0].field_ft, odd))
        look = look_at(replace(whole, bands=(band, *whole.bands[1:])), CLEAR)
        assert np.isnan(look.noise_db[0]).all()
        assert np.isfinite(look.noise_db[1:]).all()
    assert look_at(replace(whole, bands=()), CLEAR).noise_db.shape == (0, 8)


def test_p_value_and_energy_come_from_scans_of_nothing_alone() -> None:
    """An alarm tells neither; a line that fits nothing tells no p-value; without a network there is no energy."""
    whole = calibrated(scan(PLANS, QUIET, Load(), np.random.default_rng(4), 60.0))
    look = look_at(whole, scored(0.3, 0.5))
    assert look.p_value == 0.3
    assert look.energy == pytest.approx(math.log(2.0))
    assert math.isnan(look_at(whole, scored(0.005, 0.5)).p_value)
    assert math.isnan(look_at(whole, scored(0.3, math.nan)).energy)
    assert look_at(whole, scored(0.3, 1.0)).energy < 20.0
    checked = replace(scored(0.3, 0.5), null_check=NullCheck(0.7, 99, bytes(32), 1.0, ()))
    assert look_at(whole, checked).p_value == 0.7, "the bay's own null set knows better than theory"
    second = look_at(whole, replace(checked, look=SequenceLook(2, 5, 0.01, 120.0, (bytes(32),) * 2, final=False)))
    assert math.isnan(second.p_value)
    assert math.isnan(second.energy)
    alarm = look_at(whole, replace(scored(0.3, 0.5), outcome=Outcome.ALARM))
    assert math.isnan(alarm.p_value)
    assert math.isnan(alarm.energy)
    assert look_at(replace(whole, flags=(REPLAYED,)), CLEAR).replayed


@pytest.mark.parametrize("kelvin", [285.0, 297.5, 306.0])
def test_the_line_thermometer_reads_the_bays_temperature(kelvin: float) -> None:
    """Within 0.2 K of the emulated crystal, and within what it says of itself (k = 4)."""
    load = Load(calibrant=Content("hexamethylenetetramine", 0.3))
    felt = scan(thermometer_plans(), replace(QUIET, temperature_k=kelvin), load, np.random.default_rng(5), DWELL_S)
    look = look_at(calibrated(felt), CLEAR)
    assert look.thermometer is not None
    assert abs(look.thermometer.line_k - kelvin) < min(0.2, 4.0 * look.thermometer.u_k)
    assert look.calibrant
    assert 1.9 < u_kelvin_absolute(kelvin) < 3.0


def test_without_a_calibrant_there_is_no_temperature() -> None:
    """Noise is not read as a line, and a scan of the usual bands has none to read."""
    for seed in range(5):
        felt = scan(thermometer_plans(), QUIET, Load(), np.random.default_rng(seed), DWELL_S)
        assert look_at(calibrated(felt), CLEAR).thermometer is None
    usual = calibrated(scan(PLANS, QUIET, Load(), np.random.default_rng(1), 60.0))
    assert not look_at(usual, CLEAR).calibrant
