"""What is taken out before a line is looked for, and that a line is not taken out with it. Emulated scenes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.schedule import schedule
from gateway.detection.beam import BandBlind, Beam, form_beam
from gateway.detection.echo_search import Decay, search
from gateway.detection.interference import cancel
from gateway.detection.stations import _refined, find_carriers
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, ForeignLine, Load
from hil.scene.scan import scan
from hil.training.emulated import calibrated

PLANS = schedule(300.0)
NITRATE = 0          # the band at 423 kHz
CHLORATE = 2         # the band at 531 kHz, which is also a place of the 9 kHz raster
QUIET = Bay(tier=Tier.B, city=0.0)
LOAD = Load((Content("ammonium nitrate", 3.0),), standoff_m=0.15, temperature_k=297.5)
DECAY = Decay(1.0, 640e-6)


def beam_of(bay: Bay, load: Load, seed: int, band: int = NITRATE, dead: tuple[int, ...] = ()) -> Beam:
    """The beam of one band of a scene."""
    felt = calibrated(scan(PLANS[band:band + 1], bay, load, np.random.default_rng(seed), 300.0), dead=dead)
    return form_beam(felt.bands[0], felt.standoff_m)


def test_cancellation_removes_20_db_of_a_common_tone_and_less_than_half_a_decibel_of_a_line() -> None:
    """Regression on the references takes the interference and leaves the load's signal."""
    rng = np.random.default_rng(1)
    white: np.ndarray = rng.normal(size=(8, 8, 256)) + 1j * rng.normal(size=(8, 8, 256))
    tone = np.zeros((8, 256), complex)
    tone[:, 30] = 300.0 * np.exp(2j * np.pi * rng.random(8))
    coupling = 1.0 + 0.05 * rng.normal(size=8)
    line = np.zeros((8, 256), complex)
    line[:, 100:107] = 4.0
    seen = np.array([1.0] * 6 + [0.001] * 2)
    mixed = white + coupling[:, None, None] * tone + seen[:, None, None] * line
    quiet = np.ones(256, bool)
    quiet[98:109] = False
    cleaned = cancel(mixed[:6], mixed[6:], quiet)
    left = cleaned - cancel(white[:6], white[6:], quiet)
    kept = np.vdot(line, left.mean(axis=0)) / np.vdot(line, line)
    assert 20 * np.log10(abs(kept)) > -0.5
    before, after = (np.mean(np.abs(x[:, :, 30]) ** 2) for x in (mixed[:6], cleaned))
    assert 10 * np.log10(before / after) > 20.0


def test_the_whole_chain_keeps_a_line_within_half_a_decibel_under_city_noise() -> None:
    """Amplitude of ammonium nitrate with the references at work, over twenty scenes."""
    amplitudes = {}
    for city in (0.0, 1.0):
        bay = replace(QUIET, city=city)
        found = [search(beam_of(bay, LOAD, seed), DECAY).amplitude[0, 256] for seed in range(20)]
        amplitudes[city] = np.mean(np.abs(found))
    assert abs(20 * np.log10(amplitudes[1.0] / amplitudes[0.0])) < 0.5


@pytest.mark.parametrize("carrier_ft", [100.0, 1000.0, 33_000.0])
def test_a_station_leaves_no_more_than_noise(carrier_ft: float) -> None:
    """From 100 fT to the 33 pT of a strong station, nothing of carrier and sidebands stands out of the floor."""
    bay = replace(QUIET, stations=(Station(425.3, carrier_ft),))
    quiet, loud = beam_of(QUIET, Load(), 3), beam_of(bay, Load(), 3)
    assert np.median(loud.floor) < 1.2 * np.median(quiet.floor)
    assert np.max(np.mean(np.abs(loud.spectra) ** 2, axis=0) / loud.floor) < 3.5
    assert loud.tones.any()


def test_a_line_survives_a_station_two_kilohertz_away() -> None:
    """The line's statistic keeps three quarters of what it is without the station."""
    bay = replace(QUIET, stations=(Station(425.0, 10_000.0),))
    clean, loud = (np.mean([search(beam_of(b, LOAD, seed), DECAY).statistic[0, 256] for seed in range(8)])
                   for b in (QUIET, bay))
    assert loud > 0.75 * clean


def test_strong_ringing_is_taken_out_and_a_line_at_the_carrier_is_not() -> None:
    """Ringing of 1 pT at the very carrier of the line costs less than a tenth of its amplitude."""
    ringing = replace(LOAD, ringing_ft=1000.0, ringing_decay_s=1.7e-3)
    clean, rung = ([beam_of(QUIET, load, seed) for seed in range(6)] for load in (LOAD, ringing))
    assert all(beam.ringing_ft > 500.0 for beam in rung)
    assert not any(beam.ringing_ft for beam in clean)
    found = [np.mean([abs(search(b, DECAY).amplitude[0, 256]) for b in beams]) for beams in (clean, rung)]
    assert found[1] == pytest.approx(found[0], rel=0.1)


def test_a_dead_channel_costs_its_share_of_the_signal_and_no_more() -> None:
    """Five of six sensors give the same field, with a floor a little higher."""
    whole, five = beam_of(QUIET, LOAD, 4), beam_of(QUIET, LOAD, 4, dead=(2,))
    assert list(np.flatnonzero(~five.alive)) == [2]
    amplitudes = [abs(search(beam, DECAY).amplitude[0, 256]) for beam in (whole, five)]
    assert amplitudes[1] == pytest.approx(amplitudes[0], rel=0.15)
    assert 1.0 < np.median(five.floor) / np.median(whole.floor) < 1.4


def test_two_tones_that_run_into_each_other_do_not_stop_a_decision() -> None:
    """Refining equal frequencies is singular; a strong station heard without references led there."""
    rng = np.random.default_rng(1)
    windows = 50.0 * np.exp(2j * np.pi * 0.1 * np.arange(256)) * np.exp(2j * np.pi * rng.random((8, 1)))
    assert np.isfinite(_refined(windows, np.array([0.1, 0.1]))).all()


@pytest.mark.parametrize("carrier_ft", [10.0, 300.0, 10_000.0])
def test_ringing_beside_a_station_on_the_carrier_leaves_no_more_than_noise(carrier_ft: float) -> None:
    """The tone takes its share of the ringing along; what is left of the ringing must go the same way."""
    bay = replace(QUIET, stations=(Station(531.0, carrier_ft, 0.4),))
    for seed in range(6):
        rung = Load(standoff_m=0.15, ringing_ft=400.0, ringing_decay_s=(1.0 + 0.3 * seed) * 1e-3)
        beam = beam_of(bay, rung, seed, CHLORATE)
        assert beam.tones[0]
        assert search(beam, DECAY).statistic.max() < 25.0


def test_a_line_is_as_strong_beside_a_station_and_ringing_as_without() -> None:
    """Four kilohertz from a carrier with both, a line keeps its amplitude within a tenth."""
    line = Load(standoff_m=0.15, foreign=(ForeignLine(535.0, 8.0, t2e_s=1.0),))
    rung = replace(line, ringing_ft=400.0, ringing_decay_s=1.7e-3)
    bay = replace(QUIET, stations=(Station(531.0, 5_000.0, 0.0),))
    at = 256 + round(4_000.0 / (20_000.0 / 512))
    clean, hard = (np.mean([abs(search(beam_of(one, load, seed, CHLORATE), DECAY).amplitude[0, at])
                            for seed in range(6)]) for one, load in ((QUIET, line), (bay, rung)))
    assert hard == pytest.approx(clean, rel=0.1)


def drawn(energy: float, rng: np.random.Generator, t2star_s: float | None) -> tuple[np.ndarray, float]:
    """Eight windows at 32 kHz, unit noise, with a line of that T2* or a tone of as much of 2 ln L; its frequency."""
    late, at = (np.arange(256) - 127.5) / 32e3, rng.uniform(-0.4, 0.4)
    if t2star_s is None:
        wave = np.exp(2j * np.pi * rng.random((8, 1))) * np.ones(256)
    else:
        wave = np.exp(-np.arange(8) / 2.0)[:, None] * np.exp(-np.abs(late) / t2star_s)
    wave = wave * np.exp(2j * np.pi * at * np.arange(256))
    noise = rng.standard_normal((8, 256)) + 1j * rng.standard_normal((8, 256))
    return wave * np.sqrt(energy / 2.0 / np.sum(np.abs(wave) ** 2)) + noise / np.sqrt(2.0), at


def taken(samples: np.ndarray, at: float) -> bool:
    """Tell whether a tone was found within four bins."""
    return bool((np.abs((find_carriers(samples, 32e3) - at + 0.5) % 1.0 - 0.5) * 256 < 4).any())


@pytest.mark.parametrize("energy", [30.0, 40.0, 60.0, 500.0, 5000.0])
def test_the_narrowest_line_is_not_taken_for_a_radio_carrier(energy: float) -> None:
    """A line of 1 ms is taken for a tone at most once in 200, at the weakest as at the strongest."""
    rng = np.random.default_rng(7)
    assert sum(taken(*drawn(energy, rng, 1e-3)) for _ in range(200)) <= 1


def test_a_tone_too_weak_for_the_references_is_still_found() -> None:
    """Of tones of 2 ln L 80 in the beam, nine of ten are found."""
    rng = np.random.default_rng(8)
    assert sum(taken(*drawn(80.0, rng, None)) for _ in range(100)) >= 90


@pytest.mark.parametrize("field_ft", [1e-30, 1.0, 3e4])
def test_equal_values_are_no_measurement(field_ft: float) -> None:
    """Whatever rounding makes of constants beside the pilot, the band is blind: no sensor is so quiet."""
    felt = calibrated(scan(PLANS[:1], QUIET, Load(), np.random.default_rng(1), 300.0)).bands[0]
    pilot_ft = 50.0 * np.exp(2j * np.pi * felt.pilot_offset_hz / 20e3 * np.arange(256))
    made = (field_ft + np.broadcast_to(pilot_ft, (8, 8, 256))).astype(np.complex64)
    with pytest.raises(BandBlind, match="no noise"):
        form_beam(replace(felt, field_ft=made), 0.15)


def test_the_quietest_sensor_there_could_be_is_still_heard() -> None:
    """A hundredth of the quietest published magnetometer's noise is above what is taken for rounding."""
    felt = calibrated(scan(PLANS[:1], QUIET, Load(), np.random.default_rng(1), 300.0)).bands[0]
    pilot_ft = 50.0 * np.exp(2j * np.pi * felt.pilot_offset_hz / 20e3 * np.arange(256))
    noise_ft = (felt.field_ft - pilot_ft) * 0.002
    assert np.isfinite(form_beam(replace(felt, field_ft=(pilot_ft + noise_ft).astype(np.complex64)), 0.15).floor).all()
