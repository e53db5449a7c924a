"""What the emulated bay delivers obeys the formulae it is meant to obey, measured from its output."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields, replace
from math import exp, inf
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.signal import periodogram, resample

from calibration.lines import line_table
from calibration.moment import axial_field_ft, composition_of, moment_per_kg
from calibration.schedule import repetition_s, schedule
from drivers.sample import BandPlan
from hil.scene.assumptions import ASSUMPTIONS
from hil.scene.bay import POSITIONS_M, Bay, Station, Tier, city_density_ft
from hil.scene.echo import window_s
from hil.scene.lane import Lane, Pass, Sensor
from hil.scene.load import Content, ForeignLine, Load, UnknownContent
from hil.scene.scan import BandField, line_field, pilot_offset_hz, ringing_field, scan
from hil.scene.scenario import SCENARIOS, NoSuchScenario, scenario
from hil.scene.sources import sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

QUIET = Bay(edge_hz=inf, city=0.0, coupling_spread=0.0, gain_error=0.0, phase_error_rad=0.0, pilot_ft=0.0)
SILENT = replace(QUIET, above_2mhz=0.0)      # no noise at all in bands above 2 MHz
PLAN = BandPlan(900_000.0, 20_000.0, 0.014, 1, 1)
RDX = Load((Content("RDX (alpha)", 1.0),), standoff_m=0.2, temperature_k=297.5)
RDX_PLAN = next(plan for plan in schedule(300.0) if plan.carrier_hz == 3_410_000.0)


def one_band(plan: BandPlan, bay: Bay, load: Load, seed: int = 1, dwell_s: float = 300.0) -> BandField:
    """Return a scan's only band."""
    return scan((plan,), bay, load, np.random.default_rng(seed), dwell_s).bands[0]


def line_only(load: Load, plan: BandPlan, dwell_s: float = 300.0) -> NDArray[np.complex128]:
    """Return the noise-free field of a load."""
    return line_field(plan, sources(load, 295.0), dwell_s)


@pytest.mark.parametrize("tier", list(Tier))
def test_the_field_has_the_noise_density_of_its_tier(tier: Tier) -> None:
    """Brought back to the carrier, the real field shows the tier's one-sided density within 5 %."""
    bay = replace(QUIET, tier=tier)
    rows = np.concatenate([one_band(PLAN, bay, Load(), seed).field_ft.reshape(-1, 256) for seed in range(20)])
    fine = resample(rows, 1024, axis=1)
    real = (fine * np.exp(2j * np.pi * 20_000.0 * np.arange(1024) / 80_000.0)).real
    frequency_hz, power = periodogram(real, 80_000.0, axis=1)
    density_ft = np.sqrt(power.mean(axis=0)[(frequency_hz > 12_000) & (frequency_hz < 28_000)])
    assert density_ft.mean() == pytest.approx(tier.value, rel=0.05)
    assert density_ft.std() / density_ft.mean() < 0.05


def test_averaging_lowers_the_noise_by_the_root_of_echoes_and_trains() -> None:
    """A band of 4 echoes a group and 25 trains is ten times quieter than a single echo."""
    many = one_band(replace(PLAN, echoes_per_group=4, trains=25), QUIET, Load()).field_ft
    once = one_band(PLAN, QUIET, Load()).field_ft
    assert np.std(once) / np.std(many) == pytest.approx(10.0, rel=0.03)


def test_coloured_noise_follows_the_stated_law_across_the_band() -> None:
    """Density squared is S^2 (1 + (|f| / edge)^exponent) at every offset, within 5 %."""
    bay = replace(QUIET, edge_hz=5_000.0, edge_exponent=2.0)
    rows = np.concatenate([one_band(PLAN, bay, Load(), seed).field_ft.reshape(-1, 256) for seed in range(80)])
    offset_hz, power = periodogram(rows, PLAN.rate_hz, window="hann", axis=1, return_onesided=False, detrend=False)
    law = 2.0 * bay.tier.value**2 * (1.0 + (offset_hz / bay.edge_hz) ** 2)
    ratio = (power.mean(axis=0) / law).reshape(16, 16).mean(axis=1)
    assert np.all(np.abs(ratio - 1.0) < 0.05), ratio


def test_city_noise_has_the_published_level_and_is_the_same_wave_everywhere() -> None:
    """0.39 fT/rtHz at 1 MHz, 0.54 at 0.42 MHz, and fully coherent between array and references."""
    assert city_density_ft(1e6) == pytest.approx(0.39, abs=0.005)
    assert city_density_ft(0.42e6) == pytest.approx(0.54, abs=0.005)
    field = one_band(replace(PLAN, carrier_hz=3e6), replace(SILENT, city=1.0), Load()).field_ft
    assert np.allclose(field, field[:1], rtol=1e-5)
    expected = city_density_ft(3e6) * np.sqrt(2 * PLAN.rate_hz)
    assert np.sqrt(np.mean(np.abs(field[0]) ** 2)) == pytest.approx(expected, rel=0.05)


def test_a_line_has_the_deflection_that_theory_gives_it(record_property: Callable[[str, object], None]) -> None:
    """d^2 = (2 / S^2) integral of field^2 dt over all echoes and trains, in closed form, within 2 %."""
    line = next(x for x in line_table().lines_of("RDX (alpha)") if x.frequency_khz == 3410.0)
    per_kg = moment_per_kg(composition_of(line.compound), 3.41e6, temperature_k=297.5)
    te, t2star, tsp = 0.008, 910e-6, RDX_PLAN.echo_spacing_s / 2
    echo = exp(-2 * tsp / te) * (1 / (2 / t2star + 2 / te) + 1 / (2 / t2star - 2 / te))
    echoes = sum(exp(-2 * m * RDX_PLAN.echo_spacing_s / te) for m in range(8))
    found = 2 * np.sum(np.abs(line_only(RDX, RDX_PLAN)) ** 2, axis=(1, 2)) / (2 * RDX_PLAN.rate_hz / RDX_PLAN.trains)
    for channel in range(8):
        path = POSITIONS_M[channel] - np.array([0.0, 0.0, 0.2])
        r = float(np.linalg.norm(path))
        b0_ft = axial_field_ft(per_kg, r) * (3 * (path[2] / r) ** 2 - 1) / 2
        assert found[channel] == pytest.approx(b0_ft**2 * RDX_PLAN.trains * echoes * echo, rel=0.02)
    record_property("deflection of 1 kg RDX at 0.20 m, 3410 kHz, tier B, 300 s", round(float(found.sum()) ** 0.5, 2))


def test_a_matched_filter_finds_that_deflection_in_noisy_scans() -> None:
    """Correlated with 400 scans the known signal gives d^2 + 2, without it 2: field, noise and averaging agree."""
    wanted = line_only(RDX, RDX_PLAN)
    sigma = np.sqrt(2 * RDX_PLAN.rate_hz / RDX_PLAN.trains)
    d = float(np.sqrt(2 * np.sum(np.abs(wanted) ** 2)) / sigma)
    outputs = [[2 * np.vdot(wanted, one_band(RDX_PLAN, QUIET, load, seed).field_ft) / sigma**2 / d
                for load in (RDX, Load())] for seed in range(400)]
    power = np.mean(np.abs(outputs) ** 2, axis=0)
    # The receiver's phase is unknown, so the magnitude is Rice distributed: E|z|^2 = d^2 + 2.
    assert power[0] == pytest.approx(d**2 + 2, rel=0.05)
    assert power[1] == pytest.approx(2.0, rel=0.2)


def test_the_references_see_almost_nothing_of_the_load() -> None:
    """The two far channels hear a load at 0.4 m more than 30 dB below the array."""
    peak = np.abs(line_only(replace(RDX, standoff_m=0.4), RDX_PLAN)).max(axis=(1, 2))
    assert peak[6:].max() < peak[:6].min() * 10 ** (-30 / 20)


@pytest.mark.parametrize(("kelvin", "deviation", "expected_hz"), [
    (297.5, 0.0, 0.0), (287.5, 0.0, 2_500.0), (307.5, 0.0, -2_500.0), (287.5, 1.0, 2_000.0), (287.5, -1.0, 3_000.0),
])
def test_a_line_moves_with_the_temperature_of_its_load(kelvin: float, deviation: float, expected_hz: float) -> None:
    """RDX at 3410 kHz shifts by -250 +- 50 Hz/K, read from the spectrum of its echo."""
    field = line_only(replace(RDX, temperature_k=kelvin, slope_deviation=deviation), RDX_PLAN)[0, 0]
    spectrum = np.abs(np.fft.fft(field, 4096))
    found_hz = np.fft.fftfreq(4096, 1 / RDX_PLAN.rate_hz)[spectrum.argmax()]
    assert found_hz == pytest.approx(expected_hz, abs=30.0)


def test_lines_decay_over_the_train_while_ringing_and_stations_do_not() -> None:
    """The echo groups of a line fall by exp(-spacing / Te); those of interference keep their strength."""
    line = np.abs(line_only(RDX, RDX_PLAN)[0]).max(axis=1)
    assert line[1:] / line[:-1] == pytest.approx(exp(-RDX_PLAN.echo_spacing_s / 0.008))
    rung = one_band(RDX_PLAN, SILENT, Load(standoff_m=0.2, ringing_ft=50.0)).field_ft[1]
    assert np.allclose(rung, rung[:1])
    assert np.abs(rung[0, -1]) < 0.05 * np.abs(rung[0, 0])
    bay = replace(SILENT, stations=(Station(3_412.0, 1_000.0, depth=0.0),))
    tone = np.abs(one_band(RDX_PLAN, bay, Load()).field_ft).max(axis=2)
    assert np.allclose(tone, tone[0, 0], rtol=1e-4)


def test_ringing_starts_at_the_stated_field_on_the_axis() -> None:
    """Extrapolated to the pulse and to the axis, ringing has the amplitude it was given."""
    field = ringing_field(RDX_PLAN, Load(standoff_m=0.2, ringing_ft=50.0))[1, 0]
    at_pulse = np.abs(field) * np.exp(window_s(RDX_PLAN) / 2e-3)
    assert at_pulse == pytest.approx(50.0, rel=0.1)      # sensor 1 stands 3 cm off the axis


def test_a_station_reaches_all_channels_with_one_coupling() -> None:
    """Carrier and sidebands span one direction over the eight channels, so the references can cancel them."""
    bay = replace(SILENT, coupling_spread=0.2, stations=(Station(3_411.0, 1_000.0),))
    field = one_band(RDX_PLAN, bay, Load()).field_ft.reshape(8, -1)
    strength = np.linalg.svd(field, compute_uv=False)
    assert strength[1] < 1e-5 * strength[0]
    offset_hz, power = periodogram(field[0, :256], RDX_PLAN.rate_hz, return_onesided=False, detrend=False)
    assert sorted(offset_hz[np.argsort(power)[-3:]]) == pytest.approx([-300.0, 1000.0, 2300.0], abs=130.0)


def test_a_shield_silences_the_load_and_reflects_power() -> None:
    """60 dB of metal leave nothing of a line, and the reflected share rises tenfold."""
    bare, wrapped = (one_band(RDX_PLAN, SILENT, replace(RDX, shield_db=db)) for db in (0.0, 60.0))
    assert np.abs(wrapped.field_ft).max() < 1.001e-6 * np.abs(bare.field_ft).max()
    assert bare.reflected_w / bare.forward_w < 0.04
    assert wrapped.reflected_w / wrapped.forward_w > 0.3
    light = one_band(RDX_PLAN, SILENT, replace(RDX, shield_db=6.0))
    assert np.abs(light.field_ft).max() == pytest.approx(10**-0.6 * np.abs(bare.field_ft).max(), rel=1e-3)


def test_spins_that_had_no_time_to_recover_give_less() -> None:
    """Ammonium nitrate (T1 = 16 s) repeated every 4 s instead of every 21 s loses by the law of recovery."""
    plan = schedule(300.0)[0]
    load = Load((Content("ammonium nitrate", 1.0),), standoff_m=0.2)
    rested, hurried = (np.abs(line_only(load, plan, dwell_s)).max() for dwell_s in (300.0, 56.0))
    law = [1 - exp(-(repetition_s(plan, dwell_s) - 0.896) / 16.0) for dwell_s in (300.0, 56.0)]
    assert hurried / rested == pytest.approx(law[1] / law[0])


def test_the_pilot_stands_in_every_channel_with_its_stated_field() -> None:
    """Its bin shows 50 fT within 2 % in all channels but for their own gain errors."""
    band = one_band(replace(PLAN, trains=400), replace(QUIET, pilot_ft=50.0), Load())
    bins = np.fft.fft(band.field_ft.mean(axis=1))[:, 256 - 120] / 256
    assert band.pilot_offset_hz == pilot_offset_hz(PLAN) == -9_375.0
    assert np.abs(bins) == pytest.approx(band.pilot_ft, rel=0.02)


def test_width_purity_and_distance_act_as_they_should() -> None:
    """Half the purity halves a line, twice the standoff costs about a factor eight, width shortens the echo."""
    full = np.abs(line_only(RDX, RDX_PLAN)[1, 0])
    cut = np.abs(line_only(replace(RDX, contents=(Content("RDX (alpha)", 1.0, 0.5),)), RDX_PLAN)[1, 0])
    far = np.abs(line_only(replace(RDX, standoff_m=0.4), RDX_PLAN)[1, 0])
    wide = np.abs(line_only(replace(RDX, width_factor=3.0), RDX_PLAN)[1, 0])
    assert cut == pytest.approx(full / 2)
    assert full.max() / far.max() == pytest.approx(8.0, rel=0.05)
    assert wide.sum() / full.sum() == pytest.approx(1 / 3, rel=0.1)


def test_contents_without_a_line_are_silent_and_unknown_ones_are_refused() -> None:
    """Sugar and urea put nothing into any band; a name nobody knows is not taken for silence."""
    for name in ("sugar", "urea", "caffeine", "sand"):
        load = Load((Content(name, 5.0),), standoff_m=0.15)
        assert not any(line_only(load, plan).any() for plan in schedule(300.0)), name
    with pytest.raises(UnknownContent, match="'unobtainium'"):
        sources(Load((Content("unobtainium", 1.0),)), 295.0)


def test_foreign_lines_and_a_forgotten_calibrant_are_heard() -> None:
    """A line nobody listed shows at the field it was given; a calibrant shows in a band that covers it."""
    alien = Load(standoff_m=0.2, temperature_k=297.5, foreign=(ForeignLine(3_408.0, 5.0, t2e_s=1.0),))
    heard = np.abs(line_only(alien, RDX_PLAN)).max()      # by a sensor 3 cm off the axis, half a point off the peak
    assert heard == pytest.approx(5.0, rel=0.12)
    nitrite = replace(RDX_PLAN, carrier_hz=3_600_000.0)
    assert line_only(Load(calibrant=Content("sodium nitrite", 0.01)), nitrite).any()


def test_warm_carbamazepine_shows_a_line_beside_cocaine_base() -> None:
    """The best real confuser lies inside the cocaine base band at 318 K, and off cocaine's own frequency."""
    plan = next(p for p in schedule(300.0) if p.carrier_hz == 3_816_800.0)
    field = line_only(scenario("carbamazepine").load, plan)[1, 0]
    found_hz = np.fft.fftfreq(4096, 1 / plan.rate_hz)[np.abs(np.fft.fft(field, 4096)).argmax()]
    assert 7_000.0 < found_hz < 9_000.0


def test_a_seed_repeats_every_bit_and_another_seed_none() -> None:
    """Any failure can be replayed from its seed."""
    first, again, other = (scenario("nitrate").scan(60.0, seed) for seed in (5, 5, 6))
    for a, b, c in zip(first.bands, again.bands, other.bands, strict=True):
        assert a.field_ft.tobytes() == b.field_ft.tobytes() != c.field_ft.tobytes()
        assert a.field_ft.shape == (8, 8, 256)
        assert a.field_ft.dtype == np.complex64
    assert (first.standoff_m, first.bay_temperature_c) == (again.standoff_m, again.bay_temperature_c)


def test_scenarios_have_names_of_their_own_and_all_can_be_scanned() -> None:
    """A name leads to one scenario; a wrong one is told which there are."""
    assert len({s.name for s in SCENARIOS}) == len(SCENARIOS)
    for known in SCENARIOS:
        seen = scenario(known.name).scan(30.0)
        assert len(seen.bands) == 14
        assert all(np.isfinite(band.field_ft).all() for band in seen.bands)
        assert seen.standoff_m == pytest.approx(known.load.standoff_m, abs=0.015)
    with pytest.raises(NoSuchScenario, match="must be one of"):
        scenario("submarine")


def test_every_default_of_a_scene_stands_in_the_table_of_assumptions() -> None:
    """Nothing is taken for granted in silence: each default has its row, and no row is left over."""
    listed = {row.name for row in ASSUMPTIONS if "." in row.name}
    kinds = (Bay, Station, Load, Content, ForeignLine, Lane, Pass, Sensor)
    defaults = {f"{kind.__name__}.{f.name}" for kind in kinds for f in fields(kind)
                if f.default is not MISSING}
    assert listed == defaults


def test_a_scan_is_computed_in_less_time_than_it_would_take(capsys: pytest.CaptureFixture[str]) -> None:
    """Shows the time a 300 s scan of 14 bands costs; only that it beats the real one by far is a promise."""
    began = perf_counter()
    scenario("benign").scan(300.0)
    took_s = perf_counter() - began
    with capsys.disabled():
        sys.stdout.write(f" [300 s scan of 14 bands: {took_s:.3f} s] ")
    assert took_s < 30.0
